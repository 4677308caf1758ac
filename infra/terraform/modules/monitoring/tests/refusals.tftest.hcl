mock_provider "azurerm" {
  source = "../../mocks/azurerm"
}

run "refuses_what_cannot_be" {
  command = plan

  variables {
    name                 = "A"
    location             = "West Europe"
    resource_group_name  = "rg-shop-gateway"
    gateway_principal_id = "gateway"
    retention_days       = 7
    audit_retention_days = 9000
    emails               = { ops = "nobody" }
    alerts               = { left_out = ["no-such-alert"] }
    runbook_url          = "https://example.com/runbook#top"
    activity_log         = { enabled = true }
    workspace            = { existing = true, id = "logs" }
  }

  expect_failures = [
    var.name,
    var.location,
    var.gateway_principal_id,
    var.retention_days,
    var.audit_retention_days,
    var.emails,
    var.alerts,
    var.runbook_url,
    var.activity_log,
    var.workspace,
  ]
}
