# Everything the gateway does in Azure, it does as this identity. There is no key, secret or connection string.
resource "azurerm_user_assigned_identity" "gateway" {
  name                = "id-${var.name}"
  location            = var.location
  resource_group_name = var.resource_group_name
  tags                = var.tags
}
