data "azurerm_client_config" "current" {}

resource "azurerm_resource_group" "cluster" {
  name     = "rg-${var.name}"
  location = var.location
  tags     = var.tags
}

# A group of its own: whoever may write here is in effect an administrator of the cluster.
resource "azurerm_resource_group" "gateway" {
  name     = "rg-${var.name}-gateway"
  location = var.location
  tags     = var.tags
}

module "cluster" {
  source = "../../modules/aks-private"

  name                       = "aks-${var.name}"
  location                   = var.location
  resource_group_name        = azurerm_resource_group.cluster.name
  tenant_id                  = var.tenant_id
  admin_group_object_ids     = [var.admin_group_object_id]
  log_analytics_workspace_id = module.monitoring.log_analytics_workspace_id
  monitor_workspace_id       = azurerm_monitor_workspace.metrics.id
  tags                       = var.tags
}

module "entra" {
  source = "../../modules/entra"

  name        = "aks-access-gateway ${var.name}"
  assignments = var.callers
}

module "gateway" {
  source = "../../modules/gateway"

  name                  = "aksgw-${var.name}"
  location              = var.location
  resource_group_name   = azurerm_resource_group.gateway.name
  application_client_id = module.entra.client_id
  deployer_principal_id = data.azurerm_client_config.current.object_id
  policy                = file("${path.module}/policy.yaml")

  clusters = {
    (var.name) = { id = module.cluster.id }
  }

  telemetry       = module.monitoring.telemetry
  audit_ingestion = module.monitoring.audit_ingestion
  diagnostics = {
    enabled                    = true
    log_analytics_workspace_id = module.monitoring.log_analytics_workspace_id
  }
  tags = var.tags
}

module "guard" {
  source = "../../modules/guard"

  name                    = "aksgw-${var.name}"
  enforce                 = var.guard_enforced
  exempt_principal_ids    = [var.admin_group_object_id, data.azurerm_client_config.current.object_id]
  cluster_ids             = [module.cluster.id]
  node_resource_group_ids = ["/subscriptions/${var.subscription_id}/resourceGroups/${module.cluster.node_resource_group_name}"]

  gateway = {
    principal_id        = module.gateway.principal_id
    run_command_role_id = module.gateway.run_command_role_id
  }
}
