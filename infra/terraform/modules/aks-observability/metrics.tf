# Managed Prometheus: the cluster's agent scrapes (monitor_metrics), this rule says where to.
resource "azurerm_monitor_data_collection_endpoint" "metrics" {
  name                = "dce-prom-${var.cluster.name}"
  location            = var.location
  resource_group_name = var.resource_group_name
  kind                = "Linux"
  tags                = var.tags
}

resource "azurerm_monitor_data_collection_rule" "metrics" {
  name                        = "dcr-prom-${var.cluster.name}"
  location                    = var.location
  resource_group_name         = var.resource_group_name
  kind                        = "Linux"
  data_collection_endpoint_id = azurerm_monitor_data_collection_endpoint.metrics.id
  tags                        = var.tags

  data_sources {
    prometheus_forwarder {
      name    = "prometheus"
      streams = ["Microsoft-PrometheusMetrics"]
    }
  }

  destinations {
    monitor_account {
      name               = "metrics"
      monitor_account_id = var.monitor_workspace_id
    }
  }

  data_flow {
    streams      = ["Microsoft-PrometheusMetrics"]
    destinations = ["metrics"]
  }
}

resource "azurerm_monitor_data_collection_rule_association" "metrics" {
  name                    = "prometheus"
  target_resource_id      = var.cluster.id
  data_collection_rule_id = azurerm_monitor_data_collection_rule.metrics.id
}
