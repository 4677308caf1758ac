variable "name" {
  description = "Name of the gateway, and part of the names of what belongs to it. Unique in Azure: it becomes the app's address."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "The name must be 3 to 20 lowercase letters, digits and hyphens, starting with a letter and not ending with a hyphen."
  }
}

variable "location" {
  description = "Azure region in its short form, such as westeurope."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+[a-z0-9]*$", var.location))
    error_message = "The location must be a region's short name, such as westeurope."
  }
}

variable "resource_group_name" {
  description = "Resource group that holds the gateway. Whoever may write here is in effect an administrator of every cluster it reaches: use one of its own."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[-\\w().]{1,89}[-\\w()]$", var.resource_group_name))
    error_message = "The resource group's name may have letters, digits, hyphens, underscores, parentheses and periods, and must not end with a period."
  }
}

variable "clusters" {
  description = "The clusters by the names that callers use."
  type = map(object({
    id                = string
    run_as            = optional(string, "gateway")
    impersonate       = optional(bool, false)
    default_namespace = optional(string, "default")
  }))
  nullable = false

  validation {
    condition     = length(var.clusters) > 0
    error_message = "Name at least one cluster."
  }

  validation {
    condition     = alltrue([for name, cluster in var.clusters : can(regex("^[A-Za-z0-9._-]{1,63}$", name)) && can(regex("^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft.ContainerService/managedClusters/[^/]+$", cluster.id))])
    error_message = "A cluster has a name of letters, digits, \".\", \"_\" and \"-\", and the ARM id of a managed cluster."
  }

  validation {
    condition     = length(distinct([for cluster in var.clusters : lower(cluster.id)])) == length(var.clusters)
    error_message = "Two names for one cluster: policy for one name could be evaded by the other."
  }

  validation {
    condition     = alltrue([for cluster in var.clusters : contains(["gateway", "caller"], cluster.run_as) && cluster.default_namespace != "aks-command"])
    error_message = "run_as must be gateway or caller, and the default namespace must not be aks-command."
  }
}

variable "application_client_id" {
  description = "Client id of the gateway's application in Entra (module entra): the audience of callers' tokens."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.application_client_id))
    error_message = "The client id must be a GUID in lower case."
  }
}

variable "policy" {
  description = "YAML with the sections of gateway.yaml that are yours: policy, and as you like limits and others. What belongs to Azure is added here."
  type        = string
  nullable    = false

  validation {
    condition     = can(yamldecode(var.policy).policy.roles) && can(yamldecode(var.policy).policy.bindings)
    error_message = "This must be YAML with policy.roles and policy.bindings."
  }

  validation {
    condition     = try(length(setintersection(keys(yamldecode(var.policy)), ["version", "publicUrl", "identity", "azure", "clusters", "storage", "monitorLogs"])) == 0, false)
    error_message = "version, publicUrl, identity, azure, clusters, storage and monitorLogs come from this module: leave them out."
  }
}

variable "public_url" {
  description = "Address under which callers reach the gateway, if it is not the app's own (a custom domain, a gateway in front)."
  type        = string
  nullable    = false
  default     = ""

  validation {
    condition     = var.public_url == "" || can(regex("^https://[^/?#]+(/[^?#]*)?$", var.public_url))
    error_message = "The public URL must be https, without query or fragment."
  }
}

variable "deployer_principal_id" {
  description = "Object id of whoever applies this: it makes the signing key and uploads gateway.yaml, which are data plane operations."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.deployer_principal_id))
    error_message = "The principal id must be a GUID in lower case."
  }
}

variable "runtime_version" {
  description = "Node.js version of the app."
  type        = string
  nullable    = false
  default     = "22"

  validation {
    condition     = contains(["22", "24"], var.runtime_version)
    error_message = "The bundle runs on Node 22 and 24."
  }
}

variable "always_ready" {
  description = "Instances that never go cold, by scaling group: http, or function:<name>. An empty map costs nothing and adds a cold start."
  type        = map(number)
  nullable    = false
  default     = { http = 1 }

  validation {
    condition     = alltrue([for group, count in var.always_ready : can(regex("^(http|function:[A-Za-z0-9_-]+)$", group)) && count >= 0 && count <= var.scale.maximum_instances])
    error_message = "A scaling group is http or function:<name>; it cannot have more instances than the app."
  }
}

variable "scale" {
  description = "Most instances at once, and the memory of each in MB (512, 2048 or 4096)."
  type = object({
    maximum_instances = optional(number, 40)
    memory_mb         = optional(number, 2048)
  })
  nullable = false
  default  = {}

  validation {
    condition     = var.scale.maximum_instances >= 1 && var.scale.maximum_instances <= 1000 && contains([512, 2048, 4096], var.scale.memory_mb)
    error_message = "Flex Consumption takes 1 to 1000 instances of 512, 2048 or 4096 MB."
  }
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  nullable    = false
  default     = {}
}
