variable "name" {
  description = "Display name of the gateway's application."
  type        = string
  nullable    = false
  default     = "aks-access-gateway"

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9 ._-]{1,118}[A-Za-z0-9]$", var.name))
    error_message = "The name must be 3 to 120 letters, digits, spaces, periods, underscores and hyphens."
  }
}

variable "app_roles" {
  description = "App roles by the value that stands in tokens, as policy's bindings name them ({ appRole: Viewer })."
  type = map(object({
    display_name         = string
    description          = string
    allowed_member_types = optional(list(string), ["User", "Application"])
  }))
  nullable = false
  default = {
    Viewer   = { display_name = "Viewer", description = "Look at clusters through the gateway." }
    Operator = { display_name = "Operator", description = "Keep things running: restart, scale, drain." }
  }

  validation {
    condition     = alltrue([for value, role in var.app_roles : can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$", value)) && length(role.allowed_member_types) > 0 && alltrue([for type in role.allowed_member_types : contains(["User", "Application"], type)])])
    error_message = "A role's value has letters, digits, periods, underscores and hyphens; its members are User, Application or both."
  }

  validation {
    condition     = length(setintersection(keys(var.app_roles), ["Commands.Run", "Commands.Request", "Approvals.Decide"])) == 0
    error_message = "A role must not have a scope's name: Entra refuses one value twice."
  }
}

variable "assignments" {
  description = "Who may call the gateway: users, groups, identities by object id, each with an app role, or with none (an empty role) where groups or ids in the policy decide. Groups assigned here are in the groups claim."
  type = map(object({
    principal_object_id = string
    app_role            = optional(string, "")
  }))
  nullable = false
  default  = {}

  validation {
    condition     = alltrue([for assignment in var.assignments : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", assignment.principal_object_id)) && (assignment.app_role == "" || contains(keys(var.app_roles), assignment.app_role))])
    error_message = "An assignment has an object id in lower case, and one of app_roles or none."
  }
}

variable "owners" {
  description = "Object ids of the application's owners. An owner can add a credential and call as the gateway: name few, or none."
  type        = set(string)
  nullable    = false
  default     = []

  validation {
    condition     = alltrue([for id in var.owners : can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", id))])
    error_message = "Owners are named by object id, a GUID in lower case."
  }
}

variable "on_behalf_of" {
  description = "For clusters with run_as caller: the gateway's identity (its object id) stands in for a client secret, and the application may ask for tokens of AKS on behalf of callers."
  type = object({
    enabled               = bool
    identity_principal_id = optional(string, "")
  })
  nullable = false
  default  = { enabled = false }

  validation {
    condition     = !var.on_behalf_of.enabled || can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.on_behalf_of.identity_principal_id))
    error_message = "On behalf of needs the object id of the gateway's identity."
  }
}

variable "github_callers" {
  description = "GitHub Actions workflows that call the gateway, each as an application of its own without a secret: its repository, and the environment or the branch from which it may run."
  type = map(object({
    repository  = string
    environment = optional(string, "")
    branch      = optional(string, "")
    app_roles   = list(string)
  }))
  nullable = false
  default  = {}

  validation {
    condition     = alltrue([for caller in var.github_callers : can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", caller.repository)) && (caller.environment == "") != (caller.branch == "")])
    error_message = "A workflow has a repository (owner/name) and either an environment or a branch: without one, every pull request would be a caller."
  }

  validation {
    condition     = alltrue([for caller in var.github_callers : length(caller.app_roles) > 0 && length(setsubtract(caller.app_roles, keys(var.app_roles))) == 0])
    error_message = "A workflow needs at least one role, of app_roles: tokens of applications without roles are refused."
  }
}

variable "kubernetes_callers" {
  description = "Service accounts (workload identity) that call the gateway, each as an application of its own without a secret: the cluster's OIDC issuer, namespace and name."
  type = map(object({
    issuer_url      = string
    namespace       = string
    service_account = string
    app_roles       = list(string)
  }))
  nullable = false
  default  = {}

  validation {
    condition     = alltrue([for caller in var.kubernetes_callers : can(regex("^https://", caller.issuer_url)) && can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", caller.namespace)) && can(regex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", caller.service_account))])
    error_message = "A service account has an https issuer, a namespace and a name; wildcards would let every pod in."
  }

  validation {
    condition     = alltrue([for caller in var.kubernetes_callers : length(caller.app_roles) > 0 && length(setsubtract(caller.app_roles, keys(var.app_roles))) == 0])
    error_message = "A service account needs at least one role, of app_roles: tokens of applications without roles are refused."
  }
}

variable "apply_optional_claims" {
  description = "Whether to write the optional claims by az rest during apply, which needs the Azure CLI signed in. Otherwise run the output optional_claims_command: without idtyp the gateway refuses every user's token."
  type        = bool
  nullable    = false
  default     = false
}
