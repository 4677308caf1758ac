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

# The same as in terraform.tfvars.example.
variables {
  subscription_id             = "00000000-0000-4000-8000-000000000001"
  tenant_id                   = "00000000-0000-4000-8000-000000000002"
  break_glass_group_object_id = "00000000-0000-4000-8000-0000000000b9"
  log_analytics_workspace_id  = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-logs/providers/Microsoft.OperationalInsights/workspaces/log-all"
  release_repository          = "contoso/shop"
  deployer_ip_ranges          = ["198.51.100.7"]

  cluster_ids = {
    dev   = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-dev/providers/Microsoft.ContainerService/managedClusters/aks-dev"
    stage = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-stage/providers/Microsoft.ContainerService/managedClusters/aks-stage"
    prod  = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod"
  }

  node_resource_group_ids = [
    "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/MC_rg-dev_aks-dev_westeurope",
    "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/MC_rg-stage_aks-stage_westeurope",
    "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/MC_rg-prod_aks-prod_westeurope",
  ]

  private_network = {
    integration_subnet_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet-hub/subnets/snet-app"
    endpoint_subnet_id    = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet-hub/subnets/snet-endpoints"
    dns_zone_ids = {
      blob  = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"
      queue = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.queue.core.windows.net"
      table = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.table.core.windows.net"
      vault = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"
      sites = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.azurewebsites.net"
    }
  }

  callers = {
    everybody  = { principal_object_id = "00000000-0000-4000-8000-0000000000f0", app_role = "Viewer" }
    developers = { principal_object_id = "00000000-0000-4000-8000-0000000000f1" }
  }
}

run "plans_beside_what_exists" {
  command = plan

  assert {
    condition     = module.gateway.audit_retention == { days = 400, locked = false }
    error_message = "The trail must not be locked unless asked for by name."
  }
}

run "wires_the_parts_together" {
  assert {
    condition     = module.monitoring.log_analytics_workspace_id == var.log_analytics_workspace_id && yamldecode(output.configuration).monitorLogs.ruleId == module.monitoring.audit_ingestion.data_collection_immutable_id
    error_message = "Audit events must go to the workspace that exists, where alerts look."
  }

  assert {
    condition = { for name, cluster in yamldecode(output.configuration).clusters : name => [cluster.resourceId, cluster.runAs, cluster.impersonate] } == {
      dev   = [var.cluster_ids.dev, "gateway", false]
      stage = [var.cluster_ids.stage, "gateway", true]
      prod  = [var.cluster_ids.prod, "caller", false]
    }
    error_message = "The gateway must know the three clusters, each as it is meant."
  }

  assert {
    condition     = yamldecode(output.configuration).azure.onBehalfOf == { clientId = module.entra.client_id, federatedIdentityClientId = "00000000-0000-4000-8000-0000000000a2" }
    error_message = "The identity must stand in for the application's secret."
  }

  assert {
    condition     = output.gateway_principal_id == "00000000-0000-4000-8000-0000000000a1"
    error_message = "The identity must be the gateway's."
  }
}

run "locks_the_trail_when_the_name_is_repeated" {
  command = plan

  variables {
    audit = { locked = true, lock_confirmation = "aksgw-prod" }
  }

  assert {
    condition     = module.gateway.audit_retention == { days = 400, locked = true }
    error_message = "The trail must be locked once its name is repeated."
  }
}

run "refuses_to_lock_the_trail_by_accident" {
  command = plan

  variables {
    audit = { locked = true }
  }

  expect_failures = [var.audit]
}

run "refuses_clusters_that_the_guard_does_not_watch" {
  command = plan

  variables {
    cluster_ids = {
      dev   = "/subscriptions/00000000-0000-4000-8000-000000000009/resourceGroups/rg-dev/providers/Microsoft.ContainerService/managedClusters/aks-dev"
      stage = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-stage/providers/Microsoft.ContainerService/managedClusters/aks-stage"
      prod  = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod"
    }
  }

  expect_failures = [var.cluster_ids]
}

run "refuses_names_and_ids_that_are_none" {
  command = plan

  variables {
    tenant_id                   = "contoso.com"
    break_glass_group_object_id = "emergency"
    location                    = "West Europe"
  }

  expect_failures = [var.tenant_id, var.break_glass_group_object_id, var.location]
}
