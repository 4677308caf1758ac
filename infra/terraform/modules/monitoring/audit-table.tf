# The second way out of the audit trail (monitorLogs in gateway.yaml). The columns are those of shared/audit/sinks/siem.ts.
locals {
  audit_stream  = "Custom-AksGatewayAudit_CL"
  audit_columns = jsondecode(file("${path.module}/audit-columns.json"))
}

resource "azurerm_log_analytics_workspace_table_custom_log" "audit" {
  name                    = "AksGatewayAudit_CL"
  workspace_id            = local.workspace_id
  plan                    = "Analytics"
  retention_in_days       = var.retention_days
  total_retention_in_days = max(var.retention_days, var.audit_retention_days)

  dynamic "column" {
    for_each = local.audit_columns

    content {
      name = column.value.name
      # A table spells it dateTime, a rule datetime.
      type = column.value.type == "datetime" ? "dateTime" : column.value.type
    }
  }
}

resource "azurerm_monitor_data_collection_endpoint" "audit" {
  name                = "dce-${var.name}"
  location            = var.location
  resource_group_name = var.resource_group_name
  tags                = var.tags
}

resource "azurerm_monitor_data_collection_rule" "audit" {
  name                        = "dcr-${var.name}-audit"
  location                    = var.location
  resource_group_name         = var.resource_group_name
  data_collection_endpoint_id = azurerm_monitor_data_collection_endpoint.audit.id
  tags                        = var.tags

  stream_declaration {
    stream_name = local.audit_stream

    dynamic "column" {
      for_each = local.audit_columns

      content {
        name = column.value.name
        type = column.value.type
      }
    }
  }

  destinations {
    log_analytics {
      name                  = "logs"
      workspace_resource_id = local.workspace_id
    }
  }

  data_flow {
    streams       = [local.audit_stream]
    destinations  = ["logs"]
    output_stream = local.audit_stream
    transform_kql = "source"
  }

  # The rule names the table, which must be there before.
  depends_on = [azurerm_log_analytics_workspace_table_custom_log.audit]
}
