# The agent authenticates with the cluster's identity (msi_auth_for_monitoring_enabled) and then collects only what a rule tells it.
resource "azurerm_monitor_data_collection_rule" "container_insights" {
  name                = "dcr-ci-${var.cluster.name}"
  location            = var.location
  resource_group_name = var.resource_group_name
  tags                = var.tags

  data_sources {
    extension {
      name           = "ContainerInsightsExtension"
      extension_name = "ContainerInsights"
      streams        = ["Microsoft-ContainerInsights-Group-Default"]
      extension_json = jsonencode({
        dataCollectionSettings = {
          interval               = "1m"
          namespaceFilteringMode = "Off"
          enableContainerLogV2   = true
        }
      })
    }
  }

  destinations {
    log_analytics {
      name                  = "logs"
      workspace_resource_id = var.log_analytics_workspace_id
    }
  }

  data_flow {
    streams      = ["Microsoft-ContainerInsights-Group-Default"]
    destinations = ["logs"]
  }
}

resource "azurerm_monitor_data_collection_rule_association" "container_insights" {
  name                    = "ContainerInsightsExtension" # the agent looks for this name
  target_resource_id      = var.cluster.id
  data_collection_rule_id = azurerm_monitor_data_collection_rule.container_insights.id
}
