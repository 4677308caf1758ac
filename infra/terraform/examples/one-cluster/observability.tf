# Logs, telemetry, the audit table, alerts and the workbook, for the cluster and the gateway alike.
module "monitoring" {
  source = "../../modules/monitoring"

  name                 = "aksgw-${var.name}"
  location             = var.location
  resource_group_name  = azurerm_resource_group.cluster.name
  gateway_principal_id = module.gateway.principal_id
  emails               = var.alert_emails
  tags                 = var.tags

  activity_log = {
    enabled         = true
    subscription_id = var.subscription_id
  }
}

resource "azurerm_monitor_workspace" "metrics" {
  name                = "amw-${var.name}"
  location            = var.location
  resource_group_name = azurerm_resource_group.cluster.name
  tags                = var.tags
}
