variable "cluster" {
  description = "The cluster to watch: its name and ARM id."
  type = object({
    name = string
    id   = string
  })
  nullable = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.cluster.name))
    error_message = "The cluster's name must be 3 to 40 lowercase letters, digits and hyphens."
  }

  validation {
    condition     = can(regex("/providers/Microsoft.ContainerService/managedClusters/[^/]+$", var.cluster.id))
    error_message = "The cluster's id must be the ARM id of a managed cluster."
  }
}

variable "location" {
  description = "Azure region of the collection rules: the workspaces' region."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+[a-z0-9]*$", var.location))
    error_message = "The location must be a region's short name, such as westeurope."
  }
}

variable "resource_group_name" {
  description = "Resource group that holds the collection rules."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[-\\w().]{1,89}[-\\w()]$", var.resource_group_name))
    error_message = "The resource group's name may have letters, digits, hyphens, underscores, parentheses and periods, and must not end with a period."
  }
}

variable "log_analytics_workspace_id" {
  description = "Log Analytics workspace for container logs, inventory and the API server's audit log."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("/providers/Microsoft.OperationalInsights/workspaces/[^/]+$", var.log_analytics_workspace_id))
    error_message = "This must be the ARM id of a Log Analytics workspace."
  }
}

variable "monitor_workspace_id" {
  description = "Azure Monitor workspace for managed Prometheus metrics."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("/providers/[Mm]icrosoft.[Mm]onitor/accounts/[^/]+$", var.monitor_workspace_id))
    error_message = "This must be the ARM id of an Azure Monitor workspace."
  }
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  nullable    = false
  default     = {}
}
