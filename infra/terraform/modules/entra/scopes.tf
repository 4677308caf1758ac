locals {
  # What the gateway's code knows them by (identity.scopes, Requester-Token, approvals).
  scopes = {
    "Commands.Run"     = { name = "Run commands", description = "Run commands in clusters as the signed-in user, as far as the gateway's policy allows." }
    "Commands.Request" = { name = "Request commands", description = "Say for whom a command is requested, with the signed-in user's token beside the caller's." }
    "Approvals.Decide" = { name = "Decide on approvals", description = "Approve or deny requests as the signed-in user." }
  }

  # Ids that stay the same in every apply and need no state: a new id would void every consent.
  scope_ids = { for value in keys(local.scopes) : value => uuidv5("url", "api://aks-access-gateway/scopes/${value}") }

  # learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in: Microsoft Azure CLI
  azure_cli_client_id = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
}

resource "azuread_application_permission_scope" "gateway" {
  for_each = local.scopes

  application_id             = azuread_application_registration.gateway.id
  scope_id                   = local.scope_ids[each.key]
  value                      = each.key
  type                       = "User"
  admin_consent_display_name = each.value.name
  admin_consent_description  = each.value.description
  user_consent_display_name  = each.value.name
  user_consent_description   = each.value.description
}

# az account get-access-token --scope api://…/.default works without a consent prompt (else: AADSTS65001). Requester tokens are for chat
# apps, so Commands.Request is not among them.
resource "azuread_application_pre_authorized" "azure_cli" {
  application_id       = azuread_application_registration.gateway.id
  authorized_client_id = local.azure_cli_client_id
  permission_ids       = [for value in ["Approvals.Decide", "Commands.Run"] : azuread_application_permission_scope.gateway[value].scope_id]
}
