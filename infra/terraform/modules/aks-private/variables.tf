variable "name" {
  description = "Name of the cluster, and part of the names of what belongs to it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name))
    error_message = "The name must be 3 to 40 lowercase letters, digits and hyphens, starting with a letter and not ending with a hyphen."
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
  description = "Resource group that holds the cluster and its network."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[-\\w().]{1,89}[-\\w()]$", var.resource_group_name))
    error_message = "The resource group's name may have letters, digits, hyphens, underscores, parentheses and periods, and must not end with a period."
  }
}

variable "kubernetes_version" {
  description = "Kubernetes version, as 1.35: AKS picks the patch, and the upgrade channel moves it on. A full version would undo what the channel did. 1.33 and older have long-term support only."
  type        = string
  nullable    = false
  default     = "1.35"

  validation {
    condition     = can(regex("^1\\.(3[4-9]|[4-9][0-9])$", var.kubernetes_version))
    error_message = "The Kubernetes version must be a minor version, 1.34 or newer, such as 1.35."
  }
}

variable "tier" {
  description = "Tier of the control plane: Free has no SLA; Standard and Premium have one, Premium also long-term support."
  type        = string
  nullable    = false
  default     = "Standard"

  validation {
    condition     = contains(["Free", "Standard", "Premium"], var.tier)
    error_message = "The tier must be Free, Standard or Premium."
  }
}

variable "tenant_id" {
  description = "Entra tenant whose users and groups may sign in to the cluster."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.tenant_id))
    error_message = "The tenant id must be a GUID in lower case."
  }
}

variable "admin_group_object_ids" {
  description = "Entra groups whose members are cluster-admin. With local accounts off, nobody else is at first."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.admin_group_object_ids) > 0
    error_message = "Name at least one group: with local accounts off, a cluster without one has no administrator."
  }

  validation {
    condition     = alltrue([for id in var.admin_group_object_ids : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", id))])
    error_message = "Groups are named by object id, a GUID in lower case."
  }
}

variable "node_pool" {
  description = "The system node pool. The pods of run command need an untainted node, so this pool has no CriticalAddonsOnly taint."
  type = object({
    vm_size                 = optional(string, "Standard_D4ds_v5")
    min_count               = optional(number, 2)
    max_count               = optional(number, 5)
    zones                   = optional(list(string), ["1", "2", "3"])
    max_pods                = optional(number, 110)
    os_disk_type            = optional(string, "Ephemeral")
    os_disk_size_gb         = optional(number, 128)
    host_encryption_enabled = optional(bool, true)
  })
  nullable = false
  default  = {}

  validation {
    condition     = var.node_pool.min_count >= 1 && var.node_pool.min_count <= var.node_pool.max_count && var.node_pool.max_count <= 1000
    error_message = "The node pool needs 1 <= min_count <= max_count <= 1000."
  }

  validation {
    condition     = contains(["Ephemeral", "Managed"], var.node_pool.os_disk_type)
    error_message = "The disk type must be Ephemeral or Managed."
  }
}

variable "node_provisioning_mode" {
  description = "Manual: the cluster autoscaler scales the system pool. Auto: AKS provisions nodes by need (Karpenter), and the system pool keeps min_count."
  type        = string
  nullable    = false
  default     = "Manual"

  validation {
    condition     = contains(["Manual", "Auto"], var.node_provisioning_mode)
    error_message = "The node provisioning mode must be Manual or Auto."
  }
}

variable "pod_network" {
  description = "Ranges of pods (overlay) and services. They must overlap neither the virtual network nor what is peered with it."
  type = object({
    pod_cidr       = optional(string, "10.244.0.0/16")
    service_cidr   = optional(string, "10.0.0.0/16")
    dns_service_ip = optional(string, "10.0.0.10")
  })
  nullable = false
  default  = {}

  validation {
    condition     = can(cidrnetmask(var.pod_network.pod_cidr)) && can(cidrnetmask(var.pod_network.service_cidr))
    error_message = "The ranges of pods and services must be IPv4 ranges such as 10.244.0.0/16."
  }

  validation {
    condition = try(
      cidrhost("${var.pod_network.dns_service_ip}/${split("/", var.pod_network.service_cidr)[1]}", 0) == cidrhost(var.pod_network.service_cidr, 0),
      false
    )
    error_message = "The DNS service's address must lie in the range of services."
  }
}

variable "upgrades" {
  description = "What AKS upgrades by itself (channels) and when (weekly windows, UTC)."
  type = object({
    cluster_channel = optional(string, "patch")
    node_os_channel = optional(string, "NodeImage")
    cluster_window = optional(object({
      day_of_week = optional(string, "Sunday")
      start_time  = optional(string, "02:00")
      duration    = optional(number, 4)
    }), {})
    node_os_window = optional(object({
      day_of_week = optional(string, "Saturday")
      start_time  = optional(string, "02:00")
      duration    = optional(number, 4)
    }), {})
  })
  nullable = false
  default  = {}

  validation {
    condition     = contains(["patch", "rapid", "node-image", "stable"], var.upgrades.cluster_channel)
    error_message = "The cluster's upgrade channel must be patch, rapid, node-image or stable."
  }

  validation {
    condition     = contains(["Unmanaged", "SecurityPatch", "NodeImage", "None"], var.upgrades.node_os_channel)
    error_message = "The nodes' upgrade channel must be Unmanaged, SecurityPatch, NodeImage or None."
  }

  validation {
    condition     = var.upgrades.cluster_channel != "node-image" || var.upgrades.node_os_channel == "NodeImage"
    error_message = "The cluster channel node-image is for the nodes' channel NodeImage alone."
  }

  validation {
    condition = alltrue([
      for window in [var.upgrades.cluster_window, var.upgrades.node_os_window] :
      window.duration >= 4 && window.duration <= 24 && can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]$", window.start_time)) &&
      contains(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"], window.day_of_week)
    ])
    error_message = "A window has a day of the week in full, a start such as 02:00 and a duration of 4 to 24 hours."
  }
}

variable "log_analytics_workspace_id" {
  description = "Log Analytics workspace for container logs and the control plane's audit log."
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
