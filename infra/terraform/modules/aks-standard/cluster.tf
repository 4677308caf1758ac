resource "azurerm_kubernetes_cluster" "standard" {
  name                = var.name
  location            = var.location
  resource_group_name = var.resource_group_name
  node_resource_group = local.node_resource_group
  kubernetes_version  = var.kubernetes_version
  sku_tier            = var.tier
  dns_prefix          = var.name
  tags                = var.tags

  # The way in that the gateway takes.
  run_command_enabled = true

  # Entra says who, Azure RBAC says what; no certificate that outlives a person's job.
  local_account_disabled            = true
  role_based_access_control_enabled = true
  oidc_issuer_enabled               = true
  workload_identity_enabled         = true

  azure_policy_enabled         = true
  cost_analysis_enabled        = var.tier != "Free"
  image_cleaner_enabled        = true
  image_cleaner_interval_hours = 168
  automatic_upgrade_channel    = var.upgrades.cluster_channel
  node_os_upgrade_channel      = var.upgrades.node_os_channel

  api_server_access_profile {
    authorized_ip_ranges = var.authorized_ip_ranges
  }

  azure_active_directory_role_based_access_control {
    tenant_id              = var.tenant_id
    azure_rbac_enabled     = true
    admin_group_object_ids = var.admin_group_object_ids
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.cluster.id]
  }

  default_node_pool {
    name                        = "system"
    vm_size                     = var.node_pool.vm_size
    vnet_subnet_id              = module.network.node_subnet_id
    zones                       = var.node_pool.zones
    max_pods                    = var.node_pool.max_pods
    os_sku                      = "AzureLinux"
    os_disk_type                = var.node_pool.os_disk_type
    os_disk_size_gb             = var.node_pool.os_disk_size_gb
    node_public_ip_enabled      = false
    host_encryption_enabled     = var.node_pool.host_encryption_enabled
    temporary_name_for_rotation = "systemtmp"
    auto_scaling_enabled        = local.autoscaler
    min_count                   = local.autoscaler ? var.node_pool.min_count : null
    max_count                   = local.autoscaler ? var.node_pool.max_count : null
    node_count                  = local.autoscaler ? null : var.node_pool.min_count

    upgrade_settings {
      max_surge                     = "33%"
      drain_timeout_in_minutes      = 30
      node_soak_duration_in_minutes = 0
    }
  }

  node_provisioning_profile {
    mode               = var.node_provisioning_mode
    default_node_pools = local.autoscaler ? "None" : "Auto"
  }

  # Overlay: pods take no addresses of the network. kubenet is on its way out.
  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_data_plane  = "cilium"
    network_policy      = "cilium"
    outbound_type       = "userAssignedNATGateway"
    pod_cidr            = var.pod_network.pod_cidr
    service_cidr        = var.pod_network.service_cidr
    dns_service_ip      = var.pod_network.dns_service_ip
  }

  oms_agent {
    log_analytics_workspace_id      = var.log_analytics_workspace_id
    msi_auth_for_monitoring_enabled = true
  }

  monitor_metrics {}

  key_vault_secrets_provider {
    secret_rotation_enabled = true
  }

  maintenance_window_auto_upgrade {
    frequency   = "Weekly"
    interval    = 1
    day_of_week = var.upgrades.cluster_window.day_of_week
    start_time  = var.upgrades.cluster_window.start_time
    duration    = var.upgrades.cluster_window.duration
    utc_offset  = "+00:00"
  }

  maintenance_window_node_os {
    frequency   = "Weekly"
    interval    = 1
    day_of_week = var.upgrades.node_os_window.day_of_week
    start_time  = var.upgrades.node_os_window.start_time
    duration    = var.upgrades.node_os_window.duration
    utc_offset  = "+00:00"
  }

  lifecycle {
    # The autoscaler counts the nodes.
    ignore_changes = [default_node_pool[0].node_count]
  }

  # Without its right on the network the first creation fails halfway.
  depends_on = [azurerm_role_assignment.network]
}

locals {
  # Node provisioning and the cluster autoscaler exclude one another.
  autoscaler = var.node_provisioning_mode == "Manual"

  node_resource_group = "rg-${var.name}-nodes"
}
