variable "name" {
  description = "Prefix of the names of roles and policies. Role names are unique in the tenant."
  type        = string
  nullable    = false
  default     = "aksgw"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "The name must be 3 to 20 lowercase letters, digits and hyphens."
  }
}

variable "gateway" {
  description = "The gateway: its identity's object id, and the ARM id of its run command role (module gateway's outputs)."
  type = object({
    principal_id        = string
    run_command_role_id = string
  })
  nullable = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.gateway.principal_id))
    error_message = "The principal id must be a GUID in lower case."
  }

  validation {
    condition     = can(regex("/providers/Microsoft.Authorization/roleDefinitions/[0-9a-f-]{36}$", var.gateway.run_command_role_id))
    error_message = "The role must be named by its ARM id."
  }
}

variable "exempt_principal_ids" {
  description = "Object ids that may still be given roles with run command: a break-glass group, the pipeline that makes clusters. Each is a way around the gateway."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.exempt_principal_ids) > 0 && alltrue([for id in var.exempt_principal_ids : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", id))])
    error_message = "Name at least one object id: with none, nobody could be made Owner or Contributor any more, not even in an emergency."
  }
}

variable "cluster_ids" {
  description = "ARM ids of the clusters behind the gateway: run command stays on there, and is reported elsewhere."
  type        = list(string)
  nullable    = false

  validation {
    condition     = alltrue([for id in var.cluster_ids : can(regex("/providers/Microsoft.ContainerService/managedClusters/[^/]+$", id))])
    error_message = "Clusters are named by ARM id."
  }
}

variable "node_resource_group_ids" {
  description = "ARM ids of the resource groups of nodes, of clusters to come as well: AKS itself makes a cluster's identity Contributor there, and no cluster is in them."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = alltrue([for id in var.node_resource_group_ids : can(regex("^/subscriptions/[^/]+/resourceGroups/[^/]+$", id))])
    error_message = "Resource groups are named by ARM id."
  }
}

variable "enforce" {
  description = "Whether policies deny. Start with false: Azure Policy then says what would have been denied."
  type        = bool
  nullable    = false
  default     = true
}
