variable "audit" {
  description = "The audit trail's storage: days in which nothing can be changed or removed, whether that is locked (one-way: a locked period is only ever extended), the account's redundancy, and a lock against deleting the account."
  type = object({
    retention_days = optional(number, 365)
    locked         = optional(bool, false)
    replication    = optional(string, "ZRS")
    deletion_lock  = optional(bool, true)
  })
  nullable = false
  default  = {}

  validation {
    condition     = var.audit.retention_days >= 1 && var.audit.retention_days <= 146000
    error_message = "Retention must be 1 to 146000 days."
  }

  validation {
    condition     = contains(["LRS", "ZRS", "GRS", "GZRS", "RAGRS", "RAGZRS"], var.audit.replication)
    error_message = "Replication must be LRS, ZRS, GRS, GZRS, RAGRS or RAGZRS."
  }
}

variable "vault_sku" {
  description = "standard keeps the signing key in software, premium in an HSM."
  type        = string
  nullable    = false
  default     = "standard"

  validation {
    condition     = contains(["standard", "premium"], var.vault_sku)
    error_message = "The vault's SKU must be standard or premium."
  }
}

variable "audit_ingestion" {
  description = "A second way out for audit events: a data collection rule with the table AksGatewayAudit_CL, and its endpoint."
  type = object({
    enabled                      = bool
    data_collection_rule_id      = optional(string, "")
    data_collection_immutable_id = optional(string, "")
    endpoint                     = optional(string, "")
    stream                       = optional(string, "Custom-AksGatewayAudit_CL")
  })
  nullable = false
  default  = { enabled = false }

  validation {
    condition     = !var.audit_ingestion.enabled || can(regex("/providers/Microsoft.Insights/dataCollectionRules/[^/]+$", var.audit_ingestion.data_collection_rule_id)) && can(regex("^dcr-[0-9a-f]{32}$", var.audit_ingestion.data_collection_immutable_id)) && can(regex("^https://", var.audit_ingestion.endpoint))
    error_message = "An enabled ingestion needs the rule's ARM id, its immutable id (dcr-…) and the endpoint's https address."
  }
}

variable "telemetry" {
  description = "Application Insights for the app's own telemetry, sent with its identity."
  type = object({
    enabled                 = bool
    application_insights_id = optional(string, "")
    connection_string       = optional(string, "")
  })
  nullable = false
  default  = { enabled = false }

  validation {
    condition     = !var.telemetry.enabled || can(regex("/providers/Microsoft.Insights/components/[^/]+$", var.telemetry.application_insights_id)) && can(regex("InstrumentationKey=", var.telemetry.connection_string))
    error_message = "Enabled telemetry needs the ARM id of an Application Insights component and its connection string."
  }
}

variable "diagnostics" {
  description = "Log Analytics workspace for who touched the vault and the audit trail."
  type = object({
    enabled                    = bool
    log_analytics_workspace_id = optional(string, "")
  })
  nullable = false
  default  = { enabled = false }

  validation {
    condition     = !var.diagnostics.enabled || can(regex("/providers/Microsoft.OperationalInsights/workspaces/[^/]+$", var.diagnostics.log_analytics_workspace_id))
    error_message = "Enabled diagnostics need the ARM id of a Log Analytics workspace."
  }
}
