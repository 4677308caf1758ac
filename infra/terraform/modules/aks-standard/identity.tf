# The control plane's own identity, user-assigned so that its right on the network exists before the cluster.
resource "azurerm_user_assigned_identity" "cluster" {
  name                = "id-${var.name}"
  location            = var.location
  resource_group_name = var.resource_group_name
  tags                = var.tags
}

# Joins the subnet, makes internal load balancers.
resource "azurerm_role_assignment" "network" {
  scope                = module.network.virtual_network_id
  role_definition_name = "Network Contributor"
  principal_id         = azurerm_user_assigned_identity.cluster.principal_id
  principal_type       = "ServicePrincipal"
}
