mock_provider "azurerm" {
  source = "../../mocks/azurerm"

  override_resource {
    target = module.gateway.azurerm_user_assigned_identity.gateway
    values = {
      principal_id = "00000000-0000-4000-8000-0000000000a1"
      client_id    = "00000000-0000-4000-8000-0000000000a2"
    }
  }
}

mock_provider "azuread" {
  source = "../../mocks/azuread"
}

mock_provider "azapi" {
  source = "../../mocks/azapi"
}

variables {
  subscription_id       = "00000000-0000-4000-8000-000000000001"
  tenant_id             = "00000000-0000-4000-8000-000000000002"
  admin_group_object_id = "00000000-0000-4000-8000-0000000000aa"
  callers               = { me = { principal_object_id = "00000000-0000-4000-8000-0000000000ab", app_role = "Operator" } }
}

run "plans_from_nothing" {
  command = plan

  assert {
    condition     = azurerm_resource_group.gateway.name != azurerm_resource_group.cluster.name
    error_message = "The gateway must have a resource group of its own."
  }
}

run "wires_the_parts_together" {
  assert {
    condition     = yamldecode(output.configuration).clusters.shop.resourceId == module.cluster.id && yamldecode(output.configuration).identity.audience == module.entra.client_id
    error_message = "The gateway must know the cluster that was made, and take tokens for the application that was made."
  }

  assert {
    condition     = output.gateway_principal_id == "00000000-0000-4000-8000-0000000000a1" && yamldecode(output.configuration).azure.credential.clientId == "00000000-0000-4000-8000-0000000000a2"
    error_message = "The identity must be the gateway's."
  }

  assert {
    condition     = output.token_scope == "api://00000000-0000-4000-8000-000000000011/.default"
    error_message = "Callers must ask for tokens of the application that was made."
  }
}

run "monitors_what_it_makes" {
  assert {
    condition     = length(module.monitoring.alert_names) == 12 && yamldecode(output.configuration).monitorLogs.ruleId == module.monitoring.audit_ingestion.data_collection_immutable_id
    error_message = "The gateway's audit events must go where alerts look, and alerts must be there."
  }
}

run "refuses_names_and_ids_that_are_none" {
  command = plan

  variables {
    subscription_id       = "mine"
    tenant_id             = "contoso.com"
    admin_group_object_id = "admins"
    location              = "West Europe"
    name                  = "a-name-that-is-too-long"
  }

  expect_failures = [var.subscription_id, var.tenant_id, var.admin_group_object_id, var.location, var.name]
}
