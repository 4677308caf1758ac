variable "subscription_id" {
  description = "Subscription of the clusters, in which the gateway is made."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.subscription_id))
    error_message = "The subscription is named by its GUID, in lower case."
  }
}

variable "tenant_id" {
  description = "Entra tenant of callers and administrators."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.tenant_id))
    error_message = "The tenant is named by its GUID, in lower case."
  }
}

variable "location" {
  description = "Azure region, in its short form."
  type        = string
  nullable    = false
  default     = "westeurope"

  validation {
    condition     = can(regex("^[a-z]+[a-z0-9]*$", var.location))
    error_message = "The location must be a region's short name, such as westeurope."
  }
}

variable "name" {
  description = "Name of the gateway."
  type        = string
  nullable    = false
  default     = "aksgw-prod"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "The name must be 3 to 20 lowercase letters, digits and hyphens, starting with a letter."
  }
}

variable "cluster_ids" {
  description = "ARM ids of the three clusters, all with managed Entra integration and run command on."
  type = object({
    dev   = string
    stage = string
    prod  = string
  })
  nullable = false

  validation {
    condition     = alltrue([for id in values(var.cluster_ids) : startswith(id, "/subscriptions/${var.subscription_id}/resourceGroups/")])
    error_message = "The clusters must be in the subscription that the guard watches."
  }
}

variable "node_resource_group_ids" {
  description = "ARM ids of the clusters' resource groups of nodes (az aks show --query nodeResourceGroup)."
  type        = list(string)
  nullable    = false
}

variable "log_analytics_workspace_id" {
  description = "Log Analytics workspace that you have already."
  type        = string
  nullable    = false
}

variable "private_network" {
  description = "Your network: a subnet delegated to Microsoft.App/environments with an explicit way out, one for private endpoints, and the private DNS zones."
  type = object({
    integration_subnet_id = string
    endpoint_subnet_id    = string
    dns_zone_ids = object({
      blob  = string
      queue = string
      table = string
      vault = string
      sites = string
    })
  })
  nullable = false
}

variable "published" {
  description = "Whether the app has been published: then its runtime storage is closed to the internet as well. Set it to false to publish again."
  type        = bool
  nullable    = false
  default     = false
}

variable "deployer_ip_ranges" {
  description = "Public addresses from which this is applied: storage and vault let them in."
  type        = list(string)
  nullable    = false
}

variable "break_glass_group_object_id" {
  description = "Entra group that may still be given roles with run command, for when the gateway is down."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.break_glass_group_object_id))
    error_message = "The group is named by its object id, a GUID in lower case."
  }
}

variable "alert_emails" {
  description = "Who hears of alerts: addresses by name."
  type        = map(string)
  nullable    = false
  default     = {}
}

variable "callers" {
  description = "Groups of people who may call the gateway, with the app role Viewer, or with none where the policy names the group."
  type = map(object({
    principal_object_id = string
    app_role            = optional(string, "")
  }))
  nullable = false
  default  = {}
}

variable "release_repository" {
  description = "GitHub repository (owner/name) whose environment prod releases through the gateway."
  type        = string
  nullable    = false
}

variable "audit" {
  description = "Days in which the trail cannot be changed, and whether that is locked for good. Locking is one-way: repeat the gateway's name in lock_confirmation."
  type = object({
    retention_days    = optional(number, 400)
    locked            = optional(bool, false)
    lock_confirmation = optional(string, "")
  })
  nullable = false
  default  = {}

  validation {
    condition     = !var.audit.locked || var.audit.lock_confirmation == var.name
    error_message = "A locked period can never be shortened or lifted, and the account not be deleted before it is over: repeat the gateway's name in lock_confirmation."
  }
}
