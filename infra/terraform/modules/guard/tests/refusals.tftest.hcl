# Bad inputs, each refused by the variable that it is for.

mock_provider "azurerm" {
  source = "../../mocks/azurerm"
}

run "refuses_ids_that_are_none_and_an_empty_emergency_exit" {
  command = plan

  variables {
    name                 = "AKSGW"
    gateway              = { principal_id = "gateway", run_command_role_id = "Contributor" }
    exempt_principal_ids = []
    cluster_ids          = ["aks-prod"]
  }

  expect_failures = [var.name, var.gateway, var.exempt_principal_ids, var.cluster_ids]
}
