# Bad inputs, each refused by the variable that it is for.

mock_provider "azurerm" {
  source = "../../mocks/azurerm"
}

variables {
  name                       = "aks-shop"
  location                   = "westeurope"
  resource_group_name        = "rg-shop"
  tenant_id                  = "00000000-0000-4000-8000-000000000002"
  admin_group_object_ids     = ["00000000-0000-4000-8000-0000000000aa"]
  log_analytics_workspace_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.OperationalInsights/workspaces/log-mock"
  monitor_workspace_id       = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Monitor/accounts/amw-mock"
}

run "refuses_names_and_ids_that_are_none" {
  command = plan

  variables {
    name                       = "AKS"
    location                   = "West Europe"
    resource_group_name        = "rg/x"
    tenant_id                  = "contoso.com"
    kubernetes_version         = "1.22.4"
    tier                       = "Paid"
    node_provisioning_mode     = "auto"
    log_analytics_workspace_id = "log"
    monitor_workspace_id       = "amw"
  }

  expect_failures = [
    var.name,
    var.location,
    var.resource_group_name,
    var.tenant_id,
    var.kubernetes_version,
    var.tier,
    var.node_provisioning_mode,
    var.log_analytics_workspace_id,
    var.monitor_workspace_id,
  ]
}

run "refuses_a_cluster_without_administrators" {
  command = plan

  variables {
    admin_group_object_ids = []
  }

  expect_failures = [var.admin_group_object_ids]
}

run "refuses_administrators_by_name" {
  command = plan

  variables {
    admin_group_object_ids = ["admins@example.com"]
  }

  expect_failures = [var.admin_group_object_ids]
}

run "refuses_a_pool_that_shrinks_to_more_than_it_grows" {
  command = plan

  variables {
    node_pool   = { min_count = 5, max_count = 3 }
    pod_network = { dns_service_ip = "10.9.0.10" }
    upgrades    = { cluster_window = { duration = 2 } }
  }

  expect_failures = [var.node_pool, var.pod_network, var.upgrades]
}

run "refuses_channels_that_aks_has_not" {
  command = plan

  variables {
    upgrades = { cluster_channel = "none" }
  }

  expect_failures = [var.upgrades]
}

run "refuses_windows_without_a_day" {
  command = plan

  variables {
    upgrades = { node_os_window = { day_of_week = "Sun" } }
  }

  expect_failures = [var.upgrades]
}

run "refuses_a_route_table_that_nobody_uses" {
  command = plan

  variables {
    route_table_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/routeTables/rt-hub"
  }

  expect_failures = [var.route_table_id]
}

run "refuses_ways_out_that_a_network_of_its_own_has_not" {
  command = plan

  variables {
    outbound_type = "managedNATGateway"
  }

  expect_failures = [var.outbound_type]
}
