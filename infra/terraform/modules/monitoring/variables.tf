variable "name" {
  description = "Name in every resource's name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name))
    error_message = "The name must be 3 to 32 lower-case letters, digits and hyphens."
  }
}

variable "location" {
  description = "Azure region, such as westeurope."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]+$", var.location))
    error_message = "The location must be a region's short name, such as westeurope."
  }
}

variable "resource_group_name" {
  description = "Where everything goes."
  type        = string
  nullable    = false
}

variable "workspace" {
  description = "A Log Analytics workspace that exists; one is made otherwise."
  type = object({
    existing = bool
    id       = optional(string, "")
  })
  nullable = false
  default  = { existing = false }

  validation {
    condition     = !var.workspace.existing || can(regex("/providers/Microsoft.OperationalInsights/workspaces/[^/]+$", var.workspace.id))
    error_message = "An existing workspace is named by its ARM id."
  }
}

variable "retention_days" {
  description = "Days that logs are searchable: 30 to 730."
  type        = number
  nullable    = false
  default     = 90

  validation {
    condition     = var.retention_days >= 30 && var.retention_days <= 730
    error_message = "Logs are kept 30 to 730 days."
  }
}

variable "audit_retention_days" {
  description = "Days that the audit table is kept in all, the archive included: 30 to 730."
  type        = number
  nullable    = false
  default     = 730

  validation {
    condition     = var.audit_retention_days >= 30 && var.audit_retention_days <= 730
    error_message = "The audit table is kept 30 to 730 days."
  }
}

variable "gateway_principal_id" {
  description = "Object id of the gateway's identity: the one whose run commands are no alert."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.gateway_principal_id))
    error_message = "The gateway's principal id must be a lower-case GUID."
  }
}

variable "emails" {
  description = "Who hears of alerts: addresses by name."
  type        = map(string)
  nullable    = false
  default     = {}

  validation {
    condition     = alltrue([for address in values(var.emails) : can(regex("^[^@[:space:]]+@[^@[:space:]]+$", address))])
    error_message = "Each must be an e-mail address."
  }
}

variable "alerts" {
  description = "Whether alerts are on, and those that are left out, by name."
  type = object({
    enabled  = optional(bool, true)
    left_out = optional(set(string), [])
  })
  nullable = false
  default  = {}

  validation {
    condition     = length(setsubtract(var.alerts.left_out, [for alert in jsondecode(file("${path.module}/alerts.json")) : alert.name])) == 0
    error_message = "An alert that is left out must be one of alerts.json."
  }
}

variable "runbook_url" {
  description = "Where infra/monitoring/README.md can be read; each alert links to its section."
  type        = string
  nullable    = false
  default     = "infra/monitoring/README.md"

  validation {
    condition     = !strcontains(var.runbook_url, "#")
    error_message = "The address must have no fragment: each alert adds its own."
  }
}

variable "activity_log" {
  description = "Sends the subscription's Activity Log to the workspace: run commands around the gateway are found there. Once for a subscription."
  type = object({
    enabled         = bool
    subscription_id = optional(string, "")
  })
  nullable = false
  default  = { enabled = false }

  validation {
    condition     = !var.activity_log.enabled || can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.activity_log.subscription_id))
    error_message = "An enabled Activity Log needs the subscription's id."
  }
}

variable "grafana" {
  description = "A managed Grafana that may read the logs, and metrics where a Monitor workspace is given. Its dashboards are imported from infra/grafana."
  type = object({
    enabled              = bool
    monitor_workspace_id = optional(string, "")
  })
  nullable = false
  default  = { enabled = false }
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  nullable    = false
  default     = {}
}
