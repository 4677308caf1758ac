resource "azurerm_dashboard_grafana" "gateway" {
  count = var.grafana.enabled ? 1 : 0

  name                  = trim(substr("amg-${var.name}", 0, 23), "-")
  location              = var.location
  resource_group_name   = var.resource_group_name
  grafana_major_version = "12"
  api_key_enabled       = false
  tags                  = var.tags

  identity {
    type = "SystemAssigned"
  }

  dynamic "azure_monitor_workspace_integrations" {
    for_each = var.grafana.monitor_workspace_id == "" ? [] : [var.grafana.monitor_workspace_id]

    content {
      resource_id = azure_monitor_workspace_integrations.value
    }
  }
}

resource "azurerm_role_assignment" "grafana_logs" {
  count = var.grafana.enabled ? 1 : 0

  scope                = local.workspace_id
  role_definition_name = "Monitoring Reader"
  principal_id         = azurerm_dashboard_grafana.gateway[0].identity[0].principal_id
  principal_type       = "ServicePrincipal"
}
