# Ids as Entra writes them.

mock_resource "azuread_application_registration" {
  defaults = {
    id        = "/applications/00000000-0000-4000-8000-000000000010"
    object_id = "00000000-0000-4000-8000-000000000010"
    client_id = "00000000-0000-4000-8000-000000000011"
  }
}

mock_resource "azuread_service_principal" {
  defaults = {
    id        = "/servicePrincipals/00000000-0000-4000-8000-000000000012"
    object_id = "00000000-0000-4000-8000-000000000012"
  }
}

mock_data "azuread_service_principal" {
  defaults = {
    id        = "/servicePrincipals/00000000-0000-4000-8000-000000000013"
    object_id = "00000000-0000-4000-8000-000000000013"
    client_id = "6dae42f8-4368-4678-94ff-3960e28e3630"
    oauth2_permission_scope_ids = {
      "user.read" = "34a47c2f-cd0d-47b4-a93c-2c41130c671c"
    }
  }
}

mock_data "azuread_client_config" {
  defaults = {
    tenant_id = "00000000-0000-4000-8000-000000000002"
    object_id = "00000000-0000-4000-8000-000000000008"
  }
}
