locals {
  app_role_ids = { for value in keys(var.app_roles) : value => uuidv5("url", "api://aks-access-gateway/app-roles/${value}") }

  # The id that Entra takes for an assignment without a role.
  default_access = "00000000-0000-0000-0000-000000000000"
}

resource "azuread_application_app_role" "gateway" {
  for_each = var.app_roles

  application_id       = azuread_application_registration.gateway.id
  role_id              = local.app_role_ids[each.key]
  value                = each.key
  display_name         = each.value.display_name
  description          = each.value.description
  allowed_member_types = each.value.allowed_member_types
}

resource "azuread_app_role_assignment" "caller" {
  for_each = var.assignments

  app_role_id         = each.value.app_role == "" ? local.default_access : azuread_application_app_role.gateway[each.value.app_role].role_id
  principal_object_id = each.value.principal_object_id
  resource_object_id  = azuread_service_principal.gateway.object_id
}
