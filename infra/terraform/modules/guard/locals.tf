# The provider's subscription: policy definitions stand there, and can be assigned nowhere else.
data "azurerm_client_config" "current" {}

locals {
  subscription = "/subscriptions/${data.azurerm_client_config.current.subscription_id}"

  # The last segment, which is all that is the same in every scope.
  gateway_role = regex("[^/]+$", var.gateway.run_command_role_id)

  # Built-in roles that hold Microsoft.ContainerService/managedClusters/runcommand/action
  # (learn.microsoft.com/azure/role-based-access-control/built-in-roles), and the gateway's own.
  roles_with_run_command = {
    "Owner"                                       = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
    "Contributor"                                 = "b24988ac-6180-42a0-ab88-20f7382dd24c"
    "Azure Kubernetes Service Contributor Role"   = "ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8"
    "Azure Kubernetes Service Cluster Admin Role" = "0ab0b1a8-8aac-4efd-b8c2-3ee1fb270be8"
  }
}
