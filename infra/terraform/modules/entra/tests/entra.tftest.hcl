mock_provider "azuread" {
  source = "../../mocks/azuread"

  override_resource {
    target = azuread_service_principal.gateway
    values = { object_id = "00000000-0000-4000-8000-0000000000e1" }
  }

  override_resource {
    target = azuread_service_principal.caller["check"]
    values = { object_id = "00000000-0000-4000-8000-0000000000e2" }
  }

  override_resource {
    target = azuread_service_principal.caller["janitor"]
    values = { object_id = "00000000-0000-4000-8000-0000000000e3" }
  }

  override_resource {
    target = azuread_service_principal.caller["release"]
    values = { object_id = "00000000-0000-4000-8000-0000000000e4" }
  }
}

variables {
  assignments = {
    team = { principal_object_id = "00000000-0000-4000-8000-0000000000f1" }
    bot  = { principal_object_id = "00000000-0000-4000-8000-0000000000f2", app_role = "Viewer" }
  }
}

run "issues_tokens_that_the_gateway_takes" {
  assert {
    condition     = azuread_application_registration.gateway.requested_access_token_version == 2
    error_message = "Tokens must be of version 2: their audience is the client id."
  }

  assert {
    condition     = azuread_application_registration.gateway.sign_in_audience == "AzureADMyOrg"
    error_message = "The application must be this tenant's alone."
  }

  assert {
    condition     = azuread_application_registration.gateway.group_membership_claims == toset(["ApplicationGroup"])
    error_message = "Tokens must name the assigned groups."
  }

  assert {
    condition     = azuread_application_registration.gateway.implicit_access_token_issuance_enabled == false && azuread_application_registration.gateway.implicit_id_token_issuance_enabled == false
    error_message = "No token may come by the implicit flow."
  }

  assert {
    condition     = azuread_application_identifier_uri.gateway.identifier_uri == "api://${azuread_application_registration.gateway.client_id}"
    error_message = "The API's address must be api:// and the client id."
  }

  assert {
    condition = jsondecode(regex("--body '([^']+)'$", output.optional_claims_command)[0]) == {
      optionalClaims = {
        accessToken = [
          { name = "idtyp", essential = false, additionalProperties = ["include_user_token"] },
          { name = "acct", essential = false, additionalProperties = [] },
          { name = "auth_time", essential = false, additionalProperties = [] },
        ]
      }
    }
    error_message = "Tokens must carry idtyp (users' too), acct and auth_time."
  }

  assert {
    condition     = length(terraform_data.optional_claims) == 0
    error_message = "Nothing may be run on this machine unless asked for."
  }
}

run "gives_tokens_to_those_assigned_alone" {
  assert {
    condition     = azuread_service_principal.gateway.app_role_assignment_required == true
    error_message = "Assignment must be required: else every identity of the tenant gets a token."
  }

  assert {
    condition = { for name, assignment in azuread_app_role_assignment.caller : name => [assignment.principal_object_id, assignment.app_role_id] } == {
      team = ["00000000-0000-4000-8000-0000000000f1", "00000000-0000-0000-0000-000000000000"]
      bot  = ["00000000-0000-4000-8000-0000000000f2", azuread_application_app_role.gateway["Viewer"].role_id]
    }
    error_message = "The assignments must be those asked for."
  }

  assert {
    condition     = alltrue([for assignment in azuread_app_role_assignment.caller : assignment.resource_object_id == azuread_service_principal.gateway.object_id])
    error_message = "Assignments must be to the gateway."
  }

  assert {
    condition     = length(azuread_application_owner.gateway) == 0
    error_message = "Nobody may own the application unless asked for."
  }
}

run "offers_three_scopes" {
  assert {
    condition     = sort([for scope in azuread_application_permission_scope.gateway : scope.value]) == tolist(["Approvals.Decide", "Commands.Request", "Commands.Run"])
    error_message = "The scopes must be those that the gateway knows."
  }

  assert {
    condition     = azuread_application_pre_authorized.azure_cli.authorized_client_id == "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
    error_message = "The pre-authorised client must be the Azure CLI."
  }

  assert {
    condition     = toset(azuread_application_pre_authorized.azure_cli.permission_ids) == toset([azuread_application_permission_scope.gateway["Commands.Run"].scope_id, azuread_application_permission_scope.gateway["Approvals.Decide"].scope_id])
    error_message = "The Azure CLI may run commands and decide, not speak for others."
  }

  assert {
    condition     = { for value, role in azuread_application_app_role.gateway : value => role.allowed_member_types } == { Viewer = toset(["User", "Application"]), Operator = toset(["User", "Application"]) }
    error_message = "The roles must be those asked for, for people and applications."
  }

  assert {
    condition     = length(distinct(concat([for scope in azuread_application_permission_scope.gateway : scope.scope_id], [for role in azuread_application_app_role.gateway : role.role_id]))) == 5
    error_message = "Scopes and roles must have ids of their own."
  }

  assert {
    condition     = length(azuread_application_federated_identity_credential.on_behalf_of) == 0 && length(azuread_application_api_access.aks) == 0
    error_message = "Without run_as caller the application needs nothing of AKS."
  }
}

run "acts_on_behalf_of_callers_without_a_secret" {
  variables {
    on_behalf_of = { enabled = true, identity_principal_id = "00000000-0000-4000-8000-0000000000a1" }
  }

  assert {
    condition     = azuread_application_federated_identity_credential.on_behalf_of[0].issuer == "https://login.microsoftonline.com/00000000-0000-4000-8000-000000000002/v2.0" && azuread_application_federated_identity_credential.on_behalf_of[0].subject == "00000000-0000-4000-8000-0000000000a1" && azuread_application_federated_identity_credential.on_behalf_of[0].audiences == tolist(["api://AzureADTokenExchange"])
    error_message = "The gateway's identity, of this tenant, must stand in for the secret."
  }

  assert {
    condition     = azuread_application_api_access.aks[0].api_client_id == "6dae42f8-4368-4678-94ff-3960e28e3630" && toset(azuread_application_api_access.aks[0].scope_ids) == toset(["34a47c2f-cd0d-47b4-a93c-2c41130c671c"])
    error_message = "The application must ask for user.read of AKS, no more."
  }

  assert {
    condition     = azuread_service_principal_delegated_permission_grant.aks[0].claim_values == toset(["user.read"]) && azuread_service_principal_delegated_permission_grant.aks[0].service_principal_object_id == azuread_service_principal.gateway.object_id
    error_message = "Consent must be given to the gateway, for user.read alone."
  }
}

run "names_owners_when_told" {
  variables {
    owners = ["00000000-0000-4000-8000-0000000000f9"]
  }

  assert {
    condition     = [for owner in azuread_application_owner.gateway : owner.owner_object_id] == ["00000000-0000-4000-8000-0000000000f9"] && azuread_service_principal.gateway.owners == toset(["00000000-0000-4000-8000-0000000000f9"])
    error_message = "The application and its principal must have the owners named, and no others."
  }
}

run "lets_workloads_call_without_a_secret" {
  variables {
    github_callers = {
      release = { repository = "contoso/shop", environment = "prod", app_roles = ["Operator"] }
      check   = { repository = "contoso/shop", branch = "main", app_roles = ["Viewer"] }
    }
    kubernetes_callers = {
      janitor = { issuer_url = "https://westeurope.oic.prod-aks.azure.com/t/c/", namespace = "ops", service_account = "janitor", app_roles = ["Viewer", "Operator"] }
    }
  }

  assert {
    condition = { for name, credential in azuread_application_federated_identity_credential.caller : name => [credential.issuer, credential.subject] } == {
      release = ["https://token.actions.githubusercontent.com", "repo:contoso/shop:environment:prod"]
      check   = ["https://token.actions.githubusercontent.com", "repo:contoso/shop:ref:refs/heads/main"]
      janitor = ["https://westeurope.oic.prod-aks.azure.com/t/c/", "system:serviceaccount:ops:janitor"]
    }
    error_message = "Each workload must be known by its issuer and its exact subject."
  }

  assert {
    condition     = alltrue([for credential in azuread_application_federated_identity_credential.caller : credential.audiences == tolist(["api://AzureADTokenExchange"])])
    error_message = "Workloads' tokens must be made for Entra."
  }

  assert {
    condition     = sort(keys(azuread_app_role_assignment.federated_caller)) == tolist(["check/Viewer", "janitor/Operator", "janitor/Viewer", "release/Operator"])
    error_message = "Each workload must have its roles."
  }

  assert {
    condition = { for name, assignment in azuread_app_role_assignment.federated_caller : name => [assignment.principal_object_id, assignment.app_role_id] } == {
      "check/Viewer"     = [azuread_service_principal.caller["check"].object_id, azuread_application_app_role.gateway["Viewer"].role_id]
      "janitor/Operator" = [azuread_service_principal.caller["janitor"].object_id, azuread_application_app_role.gateway["Operator"].role_id]
      "janitor/Viewer"   = [azuread_service_principal.caller["janitor"].object_id, azuread_application_app_role.gateway["Viewer"].role_id]
      "release/Operator" = [azuread_service_principal.caller["release"].object_id, azuread_application_app_role.gateway["Operator"].role_id]
    }
    error_message = "Each workload must have its own roles, and no other's."
  }

  assert {
    condition     = length(distinct([for principal in azuread_service_principal.caller : principal.object_id])) == 3
    error_message = "Each workload must be a principal of its own: else this test could not tell them apart."
  }

  assert {
    condition     = alltrue([for assignment in azuread_app_role_assignment.federated_caller : assignment.resource_object_id == azuread_service_principal.gateway.object_id])
    error_message = "The roles must be the gateway's."
  }
}
