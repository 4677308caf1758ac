# Bad inputs, each refused by the variable that it is for.

mock_provider "azurerm" {
  source = "../../mocks/azurerm"
}

mock_provider "azapi" {
  source = "../../mocks/azapi"
}

variables {
  name                  = "aksgw-shop"
  location              = "westeurope"
  resource_group_name   = "rg-gateway"
  application_client_id = "00000000-0000-4000-8000-0000000000c1"
  deployer_principal_id = "00000000-0000-4000-8000-0000000000d1"
  clusters              = { stage = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-stage/providers/Microsoft.ContainerService/managedClusters/aks-stage" } }
  policy                = "policy: { roles: {}, bindings: [] }"
}

run "refuses_names_that_storage_cannot_take_and_ids_that_are_none" {
  command = plan

  variables {
    name                  = "Gateway_1"
    location              = "West Europe"
    resource_group_name   = "rg."
    application_client_id = "api://gateway"
    deployer_principal_id = "me"
    runtime_version       = "20"
    vault_sku             = "Standard"
    public_url            = "http://gateway.example.com"
  }

  expect_failures = [
    var.name,
    var.location,
    var.resource_group_name,
    var.application_client_id,
    var.deployer_principal_id,
    var.runtime_version,
    var.vault_sku,
    var.public_url,
  ]
}

run "refuses_two_names_for_one_cluster" {
  command = plan

  variables {
    clusters = {
      one = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-stage/providers/Microsoft.ContainerService/managedClusters/aks-stage" }
      two = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/RG-STAGE/providers/Microsoft.ContainerService/managedClusters/aks-stage" }
    }
  }

  expect_failures = [var.clusters]
}

run "refuses_no_clusters" {
  command = plan

  variables {
    clusters = {}
  }

  expect_failures = [var.clusters]
}

run "refuses_to_run_as_somebody_else" {
  command = plan

  variables {
    clusters = { stage = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-stage/providers/Microsoft.ContainerService/managedClusters/aks-stage", run_as = "root" } }
  }

  expect_failures = [var.clusters]
}

run "refuses_a_policy_that_sets_what_this_module_sets" {
  command = plan

  variables {
    policy = "{ policy: { roles: {}, bindings: [] }, storage: { audit: 'file:./data' } }"
  }

  expect_failures = [var.policy]
}

run "refuses_a_policy_without_bindings" {
  command = plan

  variables {
    policy = "policy: { roles: {} }"
  }

  expect_failures = [var.policy]
}

run "refuses_sizes_that_flex_consumption_has_not" {
  command = plan

  variables {
    scale = { memory_mb = 1024 }
    audit = { retention_days = 0 }
  }

  expect_failures = [var.scale, var.audit]
}

run "refuses_scaling_groups_that_flex_consumption_has_not" {
  command = plan

  variables {
    always_ready = { timer = 1 }
  }

  expect_failures = [var.always_ready]
}

run "refuses_half_a_private_network" {
  command = plan

  variables {
    private_network    = { enabled = true, integration_subnet_id = "app" }
    deployer_ip_ranges = ["198.51.100.7/32"]
    telemetry          = { enabled = true }
    audit_ingestion    = { enabled = true }
    diagnostics        = { enabled = true }
  }

  expect_failures = [var.private_network, var.deployer_ip_ranges, var.telemetry, var.audit_ingestion, var.diagnostics]
}

run "refuses_a_private_door_without_a_private_network" {
  command = plan

  variables {
    private_network = { enabled = false, inbound = true }
  }

  expect_failures = [var.private_network]
}
