locals {
  workspace_id = var.workspace.existing ? var.workspace.id : azurerm_log_analytics_workspace.logs[0].id
}

resource "azurerm_log_analytics_workspace" "logs" {
  count = var.workspace.existing ? 0 : 1

  name                         = "log-${var.name}"
  location                     = var.location
  resource_group_name          = var.resource_group_name
  sku                          = "PerGB2018"
  retention_in_days            = var.retention_days
  local_authentication_enabled = false
  tags                         = var.tags
}

resource "azurerm_application_insights" "gateway" {
  name                         = "appi-${var.name}"
  location                     = var.location
  resource_group_name          = var.resource_group_name
  workspace_id                 = local.workspace_id
  application_type             = "web"
  local_authentication_enabled = false
  tags                         = var.tags
}

# Without it AzureActivity stays empty, and nobody hears of run commands around the gateway.
resource "azurerm_monitor_diagnostic_setting" "activity" {
  count = var.activity_log.enabled ? 1 : 0

  name                       = "aksgw-activity"
  target_resource_id         = "/subscriptions/${var.activity_log.subscription_id}"
  log_analytics_workspace_id = local.workspace_id

  enabled_log {
    category = "Administrative"
  }

  enabled_log {
    category = "Policy"
  }
}
