resource "azurerm_log_analytics_workspace" "logs" {
  name                         = "log-${var.name}"
  location                     = var.location
  resource_group_name          = azurerm_resource_group.cluster.name
  sku                          = "PerGB2018"
  retention_in_days            = 90
  local_authentication_enabled = false
  tags                         = var.tags
}

resource "azurerm_monitor_workspace" "metrics" {
  name                = "amw-${var.name}"
  location            = var.location
  resource_group_name = azurerm_resource_group.cluster.name
  tags                = var.tags
}

resource "azurerm_application_insights" "gateway" {
  name                         = "appi-${var.name}-gateway"
  location                     = var.location
  resource_group_name          = azurerm_resource_group.gateway.name
  workspace_id                 = azurerm_log_analytics_workspace.logs.id
  application_type             = "web"
  local_authentication_enabled = false
  tags                         = var.tags
}
