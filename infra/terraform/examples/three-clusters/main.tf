data "azurerm_client_config" "current" {}

# A group of its own: whoever may write here is in effect an administrator of all three clusters.
resource "azurerm_resource_group" "gateway" {
  name     = "rg-${var.name}"
  location = var.location
}

module "monitoring" {
  source = "../../modules/monitoring"

  name                 = var.name
  location             = var.location
  resource_group_name  = azurerm_resource_group.gateway.name
  workspace            = { existing = true, id = var.log_analytics_workspace_id }
  gateway_principal_id = module.gateway.principal_id
  emails               = var.alert_emails
}

module "entra" {
  source = "../../modules/entra"

  name        = "aks-access-gateway ${var.name}"
  assignments = var.callers

  app_roles = {
    Viewer  = { display_name = "Viewer", description = "Look at all clusters." }
    Release = { display_name = "Release", description = "Install and upgrade charts in prod.", allowed_member_types = ["Application"] }
  }

  github_callers = {
    release = { repository = var.release_repository, environment = "prod", app_roles = ["Release"] }
  }

  on_behalf_of = {
    enabled               = true
    identity_principal_id = module.gateway.principal_id
  }
}

module "gateway" {
  source = "../../modules/gateway"

  name                  = var.name
  location              = var.location
  resource_group_name   = azurerm_resource_group.gateway.name
  application_client_id = module.entra.client_id
  deployer_principal_id = data.azurerm_client_config.current.object_id
  deployer_ip_ranges    = var.deployer_ip_ranges
  policy                = file("${path.module}/policy.yaml")
  vault_sku             = "premium"
  always_ready          = { http = 2 }

  # On prod Kubernetes decides again, for the caller; elsewhere the gateway's policy decides.
  clusters = {
    dev   = { id = var.cluster_ids.dev }
    stage = { id = var.cluster_ids.stage, impersonate = true }
    prod  = { id = var.cluster_ids.prod, run_as = "caller" }
  }

  audit = {
    retention_days = var.audit.retention_days
    locked         = var.audit.locked
    replication    = "GZRS"
  }

  private_network = {
    enabled               = true
    inbound               = true
    close_runtime_storage = var.published
    integration_subnet_id = var.private_network.integration_subnet_id
    endpoint_subnet_id    = var.private_network.endpoint_subnet_id
    dns_zone_ids          = var.private_network.dns_zone_ids
  }

  telemetry       = module.monitoring.telemetry
  audit_ingestion = module.monitoring.audit_ingestion
  diagnostics = {
    enabled                    = true
    log_analytics_workspace_id = var.log_analytics_workspace_id
  }
}

module "guard" {
  source = "../../modules/guard"

  name                    = var.name
  exempt_principal_ids    = [var.break_glass_group_object_id]
  cluster_ids             = values(var.cluster_ids)
  node_resource_group_ids = var.node_resource_group_ids

  gateway = {
    principal_id        = module.gateway.principal_id
    run_command_role_id = module.gateway.run_command_role_id
  }
}
