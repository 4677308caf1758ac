# What alerts.json says comes from infra/monitoring/alerts.ts, where each query is bound against the tables.
locals {
  alerts = {
    for alert in jsondecode(file("${path.module}/alerts.json")) : alert.name => alert
    if !contains(var.alerts.left_out, alert.name)
  }
}

resource "azurerm_monitor_action_group" "gateway" {
  name                = "ag-${var.name}"
  resource_group_name = var.resource_group_name
  short_name          = "aksgw"
  tags                = var.tags

  dynamic "email_receiver" {
    for_each = var.emails

    content {
      name                    = email_receiver.key
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "alert" {
  for_each = local.alerts

  name                 = "${var.name}-${each.key}"
  display_name         = "${var.name}: ${each.value.says}"
  description          = "${each.value.says}. What to do: ${var.runbook_url}#${each.key}"
  location             = var.location
  resource_group_name  = var.resource_group_name
  scopes               = [local.workspace_id]
  severity             = each.value.severity
  enabled              = var.alerts.enabled
  evaluation_frequency = each.value.every
  window_duration      = each.value.window
  # Tables come with their first row: until then a query names what is not there.
  skip_query_validation   = true
  auto_mitigation_enabled = true
  tags                    = var.tags

  criteria {
    query                   = replace(each.value.query, "GATEWAY_PRINCIPAL_ID", var.gateway_principal_id)
    time_aggregation_method = "Maximum"
    metric_measure_column   = "Value"
    operator                = "GreaterThan"
    threshold               = 0

    dynamic "dimension" {
      for_each = each.value.dimensions

      content {
        name     = dimension.value
        operator = "Include"
        values   = ["*"]
      }
    }

    failing_periods {
      minimum_failing_periods_to_trigger_alert = 1
      number_of_evaluation_periods             = 1
    }
  }

  action {
    action_groups     = [azurerm_monitor_action_group.gateway.id]
    custom_properties = { runbook = "${var.runbook_url}#${each.key}" }
  }
}
