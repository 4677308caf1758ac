# Local accounts: a certificate of cluster-admin that names nobody (built-in: "Azure Kubernetes Service Clusters should have local
# authentication methods disabled").
resource "azurerm_subscription_policy_assignment" "local_accounts" {
  name                 = "${var.name}-local-accounts"
  display_name         = "AKS clusters have no local accounts"
  subscription_id      = local.subscription
  policy_definition_id = "/providers/Microsoft.Authorization/policyDefinitions/993c2fcd-2b29-49d2-9eb0-df2c3a730c32"
  enforce              = var.enforce
  parameters           = jsonencode({ effect = { value = "Deny" } })
}

# Clusters that are not behind the gateway have no use for run command (built-in: "Azure Kubernetes Service Clusters should disable
# Command Invoke"; it knows Audit and Disabled). On the gateway's clusters it would turn the gateway away too.
resource "azurerm_subscription_policy_assignment" "other_clusters" {
  name                 = "${var.name}-command-invoke"
  display_name         = "AKS clusters that are not behind the access gateway have run command off"
  subscription_id      = local.subscription
  policy_definition_id = "/providers/Microsoft.Authorization/policyDefinitions/89f2d532-c53c-4f8f-9afa-4927b1114a0d"
  not_scopes           = var.cluster_ids
  enforce              = var.enforce
  parameters           = jsonencode({ effect = { value = "Audit" } })
}
