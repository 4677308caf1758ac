mock_provider "azurerm" {
  source = "../../mocks/azurerm"

  override_resource {
    target = azurerm_monitor_data_collection_rule.container_insights
    values = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Insights/dataCollectionRules/dcr-ci" }
  }

  override_resource {
    target = azurerm_monitor_data_collection_rule.metrics
    values = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Insights/dataCollectionRules/dcr-prom" }
  }
}

variables {
  cluster = {
    name = "aks-shop"
    id   = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-shop/providers/Microsoft.ContainerService/managedClusters/aks-shop"
  }
  location                   = "westeurope"
  resource_group_name        = "rg-shop"
  log_analytics_workspace_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.OperationalInsights/workspaces/log-mock"
  monitor_workspace_id       = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Monitor/accounts/amw-mock"
}

run "records_what_the_control_plane_does" {
  command = plan

  assert {
    condition     = sort([for log in azurerm_monitor_diagnostic_setting.control_plane.enabled_log : log.category]) == tolist(["guard", "kube-apiserver", "kube-audit-admin"])
    error_message = "The control plane's audit must be kept."
  }

  assert {
    condition     = azurerm_monitor_diagnostic_setting.control_plane.target_resource_id == var.cluster.id && azurerm_monitor_diagnostic_setting.control_plane.log_analytics_workspace_id == var.log_analytics_workspace_id && azurerm_monitor_diagnostic_setting.control_plane.log_analytics_destination_type == "Dedicated"
    error_message = "It must go from the cluster to the workspace, into tables of its own."
  }
}

run "collects_containers_and_metrics" {
  assert {
    condition     = azurerm_monitor_data_collection_rule_association.container_insights.name == "ContainerInsightsExtension" && azurerm_monitor_data_collection_rule_association.container_insights.target_resource_id == var.cluster.id && azurerm_monitor_data_collection_rule_association.container_insights.data_collection_rule_id == azurerm_monitor_data_collection_rule.container_insights.id
    error_message = "Container Insights must find its rule by this name."
  }

  assert {
    condition     = azurerm_monitor_data_collection_rule.container_insights.destinations[0].log_analytics[0].workspace_resource_id == var.log_analytics_workspace_id && azurerm_monitor_data_collection_rule.container_insights.data_flow[0].streams == tolist(["Microsoft-ContainerInsights-Group-Default"])
    error_message = "Container logs must go to the workspace."
  }

  assert {
    condition     = azurerm_monitor_data_collection_rule.metrics.destinations[0].monitor_account[0].monitor_account_id == var.monitor_workspace_id && azurerm_monitor_data_collection_rule.metrics.data_flow[0].streams == tolist(["Microsoft-PrometheusMetrics"])
    error_message = "Metrics must go to the monitor workspace."
  }

  assert {
    condition     = azurerm_monitor_data_collection_rule_association.metrics.target_resource_id == var.cluster.id && azurerm_monitor_data_collection_rule_association.metrics.data_collection_rule_id == azurerm_monitor_data_collection_rule.metrics.id
    error_message = "The cluster must scrape for this rule."
  }
}

run "refuses_ids_that_are_none" {
  command = plan

  variables {
    location                   = "West Europe"
    resource_group_name        = ""
    log_analytics_workspace_id = "log"
    monitor_workspace_id       = "amw"
  }

  expect_failures = [var.location, var.resource_group_name, var.log_analytics_workspace_id, var.monitor_workspace_id]
}

run "refuses_a_cluster_that_is_none" {
  command = plan

  variables {
    cluster = { name = "aks-shop", id = "aks-shop" }
  }

  expect_failures = [var.cluster]
}
