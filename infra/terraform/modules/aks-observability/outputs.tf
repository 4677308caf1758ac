output "container_insights_rule_id" {
  description = "Id of the collection rule for Container Insights."
  value       = azurerm_monitor_data_collection_rule.container_insights.id
}

output "metrics_rule_id" {
  description = "Id of the collection rule for managed Prometheus."
  value       = azurerm_monitor_data_collection_rule.metrics.id
}
