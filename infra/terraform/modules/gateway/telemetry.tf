resource "azurerm_role_assignment" "telemetry" {
  count = var.telemetry.enabled ? 1 : 0

  scope                = var.telemetry.application_insights_id
  role_definition_name = "Monitoring Metrics Publisher"
  principal_id         = azurerm_user_assigned_identity.gateway.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "audit_ingestion" {
  count = var.audit_ingestion.enabled ? 1 : 0

  scope                = var.audit_ingestion.data_collection_rule_id
  role_definition_name = "Monitoring Metrics Publisher"
  principal_id         = azurerm_user_assigned_identity.gateway.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_monitor_diagnostic_setting" "vault" {
  count = var.diagnostics.enabled ? 1 : 0

  name                       = "audit"
  target_resource_id         = azurerm_key_vault.gateway.id
  log_analytics_workspace_id = var.diagnostics.log_analytics_workspace_id

  enabled_log {
    category = "AuditEvent"
  }
}

# Who read, wrote or deleted in the accounts of trail and records: the gateway's own account of itself is not the only one.
resource "azurerm_monitor_diagnostic_setting" "storage" {
  for_each = var.diagnostics.enabled ? {
    audit   = azurerm_storage_account.audit.id
    records = azurerm_storage_account.records.id
  } : {}

  name                       = "audit"
  target_resource_id         = "${each.value}/blobServices/default"
  log_analytics_workspace_id = var.diagnostics.log_analytics_workspace_id

  enabled_log {
    category = "StorageRead"
  }

  enabled_log {
    category = "StorageWrite"
  }

  enabled_log {
    category = "StorageDelete"
  }
}
