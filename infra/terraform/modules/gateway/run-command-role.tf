# The whole of what the gateway may do to a cluster. Run command has cluster-admin reach inside it; outside, this identity can change
# nothing: it cannot stop, scale or delete the cluster, nor fetch its credentials.
resource "azurerm_role_definition" "run_command" {
  name        = "AKS run command (${var.name}-${local.unique})" # unique in the tenant
  scope       = local.resource_group_id
  description = "Run commands in AKS clusters and read their results. For the identity of ${var.name}."

  permissions {
    actions = [
      "Microsoft.ContainerService/managedClusters/read",
      "Microsoft.ContainerService/managedClusters/runcommand/action",
      "Microsoft.ContainerService/managedClusters/commandResults/read",
    ]
    not_actions = []
  }

  assignable_scopes = distinct(concat([local.resource_group_id], local.cluster_groups))
}

resource "azurerm_role_assignment" "run_command" {
  for_each = var.clusters

  scope              = each.value.id
  role_definition_id = azurerm_role_definition.run_command.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.gateway.principal_id
  principal_type     = "ServicePrincipal"
}

locals {
  # A role can be made assignable in resource groups, not in single resources; it is assigned on each cluster alone. The gateway's own
  # group comes first, so that the role's scope, which cannot change, does not depend on which clusters there are.
  cluster_groups = distinct([for name in sort(keys(var.clusters)) : regex("^(/subscriptions/[^/]+/resourceGroups/[^/]+)/", var.clusters[name].id)[0]])
}
