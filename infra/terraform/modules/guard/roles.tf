# For people, instead of the built-in roles. Lists without wildcards: NotActions subtract only within their own role, and a wildcard
# takes in what Azure adds tomorrow.
resource "azurerm_role_definition" "cluster_viewer" {
  name        = "AKS viewer without run command (${var.name})"
  scope       = local.subscription
  description = "See clusters, their pools and their state. No credentials, no run command."

  permissions {
    actions = [
      "Microsoft.ContainerService/managedClusters/read",
      "Microsoft.ContainerService/managedClusters/agentPools/read",
      "Microsoft.ContainerService/managedClusters/detectors/read",
      "Microsoft.ContainerService/managedClusters/maintenanceConfigurations/read",
      "Microsoft.ContainerService/managedClusters/upgradeProfiles/read",
      "Microsoft.Resources/subscriptions/resourceGroups/read",
    ]
    not_actions = []
  }

  assignable_scopes = [local.subscription]
}

# Whoever may write a cluster can still reach into it by other ways (an extension, a node pool with a start script): for few.
resource "azurerm_role_definition" "cluster_operator" {
  name        = "AKS operator without run command (${var.name})"
  scope       = local.subscription
  description = "Change, scale, upgrade, start and stop clusters. No admin credentials, no run command."

  permissions {
    actions = [
      "Microsoft.ContainerService/managedClusters/read",
      "Microsoft.ContainerService/managedClusters/write",
      "Microsoft.ContainerService/managedClusters/start/action",
      "Microsoft.ContainerService/managedClusters/stop/action",
      "Microsoft.ContainerService/managedClusters/agentPools/read",
      "Microsoft.ContainerService/managedClusters/agentPools/write",
      "Microsoft.ContainerService/managedClusters/agentPools/delete",
      "Microsoft.ContainerService/managedClusters/detectors/read",
      "Microsoft.ContainerService/managedClusters/maintenanceConfigurations/read",
      "Microsoft.ContainerService/managedClusters/maintenanceConfigurations/write",
      "Microsoft.ContainerService/managedClusters/upgradeProfiles/read",
      "Microsoft.Resources/subscriptions/resourceGroups/read",
    ]
    not_actions = []
  }

  assignable_scopes = [local.subscription]
}
