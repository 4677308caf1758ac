# With run_as caller the gateway exchanges the caller's token for one of the cluster's, so that Kubernetes decides again.
resource "azuread_application_federated_identity_credential" "on_behalf_of" {
  count = var.on_behalf_of.enabled ? 1 : 0

  application_id = azuread_application_registration.gateway.id
  display_name   = "gateway-identity"
  description    = "The gateway's managed identity, instead of a client secret."
  issuer         = "https://login.microsoftonline.com/${data.azuread_client_config.current.tenant_id}/v2.0"
  subject        = var.on_behalf_of.identity_principal_id
  audiences      = ["api://AzureADTokenExchange"]
}

# Azure Kubernetes Service AAD Server: one application for all clusters with managed Entra integration.
data "azuread_service_principal" "aks" {
  count = var.on_behalf_of.enabled ? 1 : 0

  client_id = "6dae42f8-4368-4678-94ff-3960e28e3630"
}

resource "azuread_application_api_access" "aks" {
  count = var.on_behalf_of.enabled ? 1 : 0

  application_id = azuread_application_registration.gateway.id
  api_client_id  = data.azuread_service_principal.aks[0].client_id
  scope_ids      = [data.azuread_service_principal.aks[0].oauth2_permission_scope_ids["user.read"]]
}

# Consent for everybody: the gateway cannot show a prompt.
resource "azuread_service_principal_delegated_permission_grant" "aks" {
  count = var.on_behalf_of.enabled ? 1 : 0

  service_principal_object_id          = azuread_service_principal.gateway.object_id
  resource_service_principal_object_id = data.azuread_service_principal.aks[0].object_id
  claim_values                         = ["user.read"]
}

data "azuread_client_config" "current" {}
