locals {
  # Who may be a caller's application, by what outside proof.
  github = {
    for name, caller in var.github_callers : name => {
      issuer    = "https://token.actions.githubusercontent.com"
      subject   = "repo:${caller.repository}:${caller.environment != "" ? "environment:${caller.environment}" : "ref:refs/heads/${caller.branch}"}"
      app_roles = caller.app_roles
    }
  }
  kubernetes = {
    for name, caller in var.kubernetes_callers : name => {
      issuer    = caller.issuer_url
      subject   = "system:serviceaccount:${caller.namespace}:${caller.service_account}"
      app_roles = caller.app_roles
    }
  }
  callers = merge(local.github, local.kubernetes)

  caller_roles = merge([
    for name, caller in local.callers : { for role in caller.app_roles : "${name}/${role}" => { caller = name, role = role } }
  ]...)
}

resource "azuread_application_registration" "caller" {
  for_each = local.callers

  display_name                   = "${var.name}: ${each.key}"
  sign_in_audience               = "AzureADMyOrg"
  requested_access_token_version = 2
}

resource "azuread_service_principal" "caller" {
  for_each = local.callers

  client_id                    = azuread_application_registration.caller[each.key].client_id
  app_role_assignment_required = true
}

resource "azuread_application_federated_identity_credential" "caller" {
  for_each = local.callers

  application_id = azuread_application_registration.caller[each.key].id
  display_name   = each.key
  issuer         = each.value.issuer
  subject        = each.value.subject
  audiences      = ["api://AzureADTokenExchange"]

  lifecycle {
    precondition {
      condition     = length(setintersection(keys(var.github_callers), keys(var.kubernetes_callers))) == 0
      error_message = "A workflow and a service account must not have the same name."
    }
  }
}

resource "azuread_app_role_assignment" "federated_caller" {
  for_each = local.caller_roles

  app_role_id         = azuread_application_app_role.gateway[each.value.role].role_id
  principal_object_id = azuread_service_principal.caller[each.value.caller].object_id
  resource_object_id  = azuread_service_principal.gateway.object_id
}
