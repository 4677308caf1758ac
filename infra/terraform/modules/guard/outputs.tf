output "cluster_viewer_role_id" {
  description = "ARM id of the role for people who look at clusters."
  value       = azurerm_role_definition.cluster_viewer.role_definition_resource_id
}

output "cluster_operator_role_id" {
  description = "ARM id of the role for people who change clusters."
  value       = azurerm_role_definition.cluster_operator.role_definition_resource_id
}

output "policy_assignment_ids" {
  description = "ARM ids of the policy assignments, for reports on compliance."
  value = {
    role_assignments = azurerm_subscription_policy_assignment.role_assignments.id
    role_definitions = azurerm_subscription_policy_assignment.role_definitions.id
    local_accounts   = azurerm_subscription_policy_assignment.local_accounts.id
    other_clusters   = azurerm_subscription_policy_assignment.other_clusters.id
  }
}
