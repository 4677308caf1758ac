module "observability" {
  source = "../aks-observability"

  cluster = {
    name = var.name
    id   = azurerm_kubernetes_cluster.private.id
  }
  location                   = var.location
  resource_group_name        = var.resource_group_name
  log_analytics_workspace_id = var.log_analytics_workspace_id
  monitor_workspace_id       = var.monitor_workspace_id
  tags                       = var.tags
}
