variable "subscription_id" {
  description = "Subscription that everything is made in."
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
  description = "Part of every name: 3 to 14 lowercase letters, digits and hyphens."
  type        = string
  nullable    = false
  default     = "shop"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,12}[a-z0-9]$", var.name))
    error_message = "The name must be 3 to 14 lowercase letters, digits and hyphens, starting with a letter."
  }
}

variable "admin_group_object_id" {
  description = "Entra group of the cluster's administrators, who are also exempt from the guard."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.admin_group_object_id))
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
  description = "Who may call the gateway: object ids of users, groups or applications, each with the app role Viewer or Operator."
  type = map(object({
    principal_object_id = string
    app_role            = string
  }))
  nullable = false
  default  = {}
}

variable "guard_enforced" {
  description = "Whether the guard's policies deny. With false, Azure Policy says what would have been denied: begin with that."
  type        = bool
  nullable    = false
  default     = false
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  nullable    = false
  default     = {}
}
