mock_provider "azurerm" {
  source = "../../mocks/azurerm"
}

variables {
  name                 = "aksgw-shop"
  location             = "westeurope"
  resource_group_name  = "rg-shop-gateway"
  gateway_principal_id = "00000000-0000-4000-8000-0000000000a1"
  emails               = { ops = "ops@example.com" }
}

run "takes_identities_alone" {
  command = plan

  assert {
    condition     = azurerm_log_analytics_workspace.logs[0].local_authentication_enabled == false && azurerm_application_insights.gateway.local_authentication_enabled == false
    error_message = "Telemetry must take identities alone, no keys."
  }
}

run "has_a_table_for_the_audit_trail" {
  command = plan

  assert {
    condition     = azurerm_log_analytics_workspace_table_custom_log.audit.name == "AksGatewayAudit_CL" && [for column in azurerm_log_analytics_workspace_table_custom_log.audit.column : column.name][0] == "TimeGenerated" && [for column in azurerm_log_analytics_workspace_table_custom_log.audit.column : column.type][0] == "dateTime"
    error_message = "The table must have the time first, as tables spell it."
  }

  assert {
    condition     = length(azurerm_log_analytics_workspace_table_custom_log.audit.column) == 15 && toset([for column in azurerm_log_analytics_workspace_table_custom_log.audit.column : column.name]) == toset(flatten([for stream in azurerm_monitor_data_collection_rule.audit.stream_declaration : [for column in stream.column : column.name]]))
    error_message = "The rule must take the columns of the table, all of them."
  }

  assert {
    condition     = azurerm_monitor_data_collection_rule.audit.data_flow[0].output_stream == "Custom-AksGatewayAudit_CL" && azurerm_monitor_data_collection_rule.audit.data_flow[0].streams == tolist(["Custom-AksGatewayAudit_CL"])
    error_message = "What the gateway sends must go into the table."
  }
}

run "alerts_with_a_runbook_link_each" {
  assert {
    condition     = length(output.alert_names) == 12
    error_message = "There must be all of them."
  }

  assert {
    condition     = alltrue([for name, alert in azurerm_monitor_scheduled_query_rules_alert_v2.alert : strcontains(alert.description, "infra/monitoring/README.md#${name}") && alert.action[0].custom_properties.runbook == "infra/monitoring/README.md#${name}"])
    error_message = "Each must say what to do."
  }

  assert {
    condition     = alltrue([for alert in azurerm_monitor_scheduled_query_rules_alert_v2.alert : alert.skip_query_validation && alert.enabled && alert.action[0].action_groups == tolist([azurerm_monitor_action_group.gateway.id])])
    error_message = "Each must be on, tell the action group, and not wait for its table."
  }

  assert {
    condition     = azurerm_monitor_action_group.gateway.email_receiver[0].email_address == "ops@example.com"
    error_message = "Somebody must hear of them."
  }
}

run "leaves_the_gateway_out_of_the_alert_on_run_command" {
  command = plan

  assert {
    condition     = strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.alert["run-command-around-gateway"].criteria[0].query, "Caller !~ \"00000000-0000-4000-8000-0000000000a1\"") && strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.alert["run-command-around-gateway"].criteria[0].query, "ingestion_time() > ago(15m)")
    error_message = "The gateway's own run commands are no alert, and what comes late still is one."
  }

  assert {
    condition     = !anytrue([for alert in azurerm_monitor_scheduled_query_rules_alert_v2.alert : strcontains(alert.criteria[0].query, "GATEWAY_PRINCIPAL_ID")]) && !strcontains(azurerm_application_insights_workbook.gateway.data_json, "GATEWAY_PRINCIPAL_ID")
    error_message = "No stand-in may be left."
  }
}

run "gives_the_gateway_what_it_takes" {
  assert {
    condition     = output.audit_ingestion.enabled && output.audit_ingestion.stream == "Custom-AksGatewayAudit_CL" && output.audit_ingestion.data_collection_rule_id == azurerm_monitor_data_collection_rule.audit.id
    error_message = "The gateway must be told where audit events go."
  }

  assert {
    condition     = output.telemetry.enabled && output.telemetry.application_insights_id == azurerm_application_insights.gateway.id
    error_message = "The gateway must be told where telemetry goes."
  }
}

run "takes_the_activity_log_and_a_grafana_when_told" {
  command = plan

  variables {
    activity_log = { enabled = true, subscription_id = "00000000-0000-4000-8000-000000000001" }
    grafana      = { enabled = true, monitor_workspace_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Monitor/accounts/amw-mock" }
    alerts       = { enabled = false, left_out = ["denials-spike"] }
  }

  assert {
    condition     = azurerm_monitor_diagnostic_setting.activity[0].target_resource_id == "/subscriptions/00000000-0000-4000-8000-000000000001" && sort([for log in azurerm_monitor_diagnostic_setting.activity[0].enabled_log : log.category]) == tolist(["Administrative", "Policy"])
    error_message = "The subscription's Activity Log must come to the workspace."
  }

  assert {
    condition     = azurerm_dashboard_grafana.gateway[0].api_key_enabled == false && azurerm_role_assignment.grafana_logs[0].role_definition_name == "Monitoring Reader"
    error_message = "Grafana must read by its identity alone."
  }

  assert {
    condition     = length(azurerm_monitor_scheduled_query_rules_alert_v2.alert) == 11 && !anytrue([for alert in azurerm_monitor_scheduled_query_rules_alert_v2.alert : alert.enabled])
    error_message = "Alerts must be left out and off when told."
  }
}

run "uses_a_workspace_that_exists" {
  variables {
    workspace = { existing = true, id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.OperationalInsights/workspaces/log-own" }
  }

  assert {
    condition     = length(azurerm_log_analytics_workspace.logs) == 0 && output.log_analytics_workspace_id == var.workspace.id && azurerm_monitor_scheduled_query_rules_alert_v2.alert["crash-loops"].scopes == tolist([var.workspace.id])
    error_message = "Everything must go to the workspace that was given."
  }
}

run "makes_neither_by_default" {
  command = plan

  assert {
    condition     = length(azurerm_monitor_diagnostic_setting.activity) == 0 && length(azurerm_dashboard_grafana.gateway) == 0
    error_message = "Both are asked for."
  }
}
