output "log_analytics_workspace_id" {
  description = "Id of the workspace."
  value       = local.workspace_id
}

output "telemetry" {
  description = "What the gateway module takes as telemetry."
  value = {
    enabled                 = true
    application_insights_id = azurerm_application_insights.gateway.id
    connection_string       = azurerm_application_insights.gateway.connection_string
  }
  sensitive = true
}

output "audit_ingestion" {
  description = "What the gateway module takes as audit_ingestion."
  value = {
    enabled                      = true
    data_collection_rule_id      = azurerm_monitor_data_collection_rule.audit.id
    data_collection_immutable_id = azurerm_monitor_data_collection_rule.audit.immutable_id
    endpoint                     = azurerm_monitor_data_collection_endpoint.audit.logs_ingestion_endpoint
    stream                       = local.audit_stream
  }
}

output "action_group_id" {
  description = "Id of the action group, for alerts of your own."
  value       = azurerm_monitor_action_group.gateway.id
}

output "alert_names" {
  description = "The alerts that were made."
  value       = sort([for alert in azurerm_monitor_scheduled_query_rules_alert_v2.alert : alert.name])
}
