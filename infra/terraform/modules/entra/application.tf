# The application's parts are resources of their own (azuread_application_…): an azuread_application would take the optional claims
# that are written beside Terraform for drift, and remove them.
resource "azuread_application_registration" "gateway" {
  display_name                   = var.name
  description                    = "Governed access to AKS clusters."
  sign_in_audience               = "AzureADMyOrg"
  requested_access_token_version = 2

  # Groups that are assigned to the application, and no others: the claim stays short of the 200 at which Entra leaves it out.
  group_membership_claims = ["ApplicationGroup"]

  implicit_access_token_issuance_enabled = false
  implicit_id_token_issuance_enabled     = false
}

resource "azuread_application_identifier_uri" "gateway" {
  application_id = azuread_application_registration.gateway.id
  identifier_uri = "api://${azuread_application_registration.gateway.client_id}"
}

resource "azuread_application_owner" "gateway" {
  for_each = var.owners

  application_id  = azuread_application_registration.gateway.id
  owner_object_id = each.value
}

# Only who is assigned gets a token. Without this, any managed identity of the tenant could.
resource "azuread_service_principal" "gateway" {
  client_id                    = azuread_application_registration.gateway.client_id
  app_role_assignment_required = true
  owners                       = var.owners
}
