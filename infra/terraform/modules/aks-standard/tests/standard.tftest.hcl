mock_provider "azurerm" {
  source = "../../mocks/azurerm"
}

variables {
  name                       = "aks-shop"
  location                   = "westeurope"
  resource_group_name        = "rg-shop"
  tenant_id                  = "00000000-0000-4000-8000-000000000002"
  authorized_ip_ranges       = ["198.51.100.0/24"]
  admin_group_object_ids     = ["00000000-0000-4000-8000-0000000000aa"]
  log_analytics_workspace_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.OperationalInsights/workspaces/log-mock"
  monitor_workspace_id       = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Monitor/accounts/amw-mock"
}

run "names_who_may_reach_its_api_server" {
  command = plan

  assert {
    condition     = azurerm_kubernetes_cluster.standard.api_server_access_profile[0].authorized_ip_ranges == toset(["198.51.100.0/24"])
    error_message = "The API server must be open to the ranges named, and no others."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.standard.private_cluster_enabled != true && azurerm_kubernetes_cluster.standard.dns_prefix == "aks-shop"
    error_message = "A standard cluster has a public API server with a name."
  }
}

run "is_signed_in_to_by_entra_alone" {
  command = plan

  assert {
    condition     = azurerm_kubernetes_cluster.standard.local_account_disabled == true
    error_message = "Local accounts must be off."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.standard.role_based_access_control_enabled == true
    error_message = "Kubernetes RBAC must be on."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.standard.azure_active_directory_role_based_access_control[0].azure_rbac_enabled == true
    error_message = "Azure RBAC must decide within the cluster."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.standard.azure_active_directory_role_based_access_control[0].admin_group_object_ids == tolist(["00000000-0000-4000-8000-0000000000aa"])
    error_message = "The groups named, and nobody else, must be cluster-admin."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.standard.oidc_issuer_enabled == true && azurerm_kubernetes_cluster.standard.workload_identity_enabled == true
    error_message = "Workloads must be able to do without secrets."
  }
}

run "can_be_reached_by_run_command" {
  command = plan

  assert {
    condition     = azurerm_kubernetes_cluster.standard.run_command_enabled == true
    error_message = "The gateway's way in must be open."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.standard.default_node_pool[0].only_critical_addons_enabled != true
    error_message = "The pods of run command need an untainted node."
  }
}

run "keeps_nodes_off_the_internet" {
  command = plan

  assert {
    condition     = azurerm_kubernetes_cluster.standard.default_node_pool[0].node_public_ip_enabled == false
    error_message = "Nodes must have no public addresses."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.standard.default_node_pool[0].host_encryption_enabled == true
    error_message = "Disks must be encrypted at the host."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.standard.default_node_pool[0].os_disk_type == "Ephemeral" && azurerm_kubernetes_cluster.standard.default_node_pool[0].max_pods == 110
    error_message = "Nodes must keep nothing on their disks, and take 110 pods."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.standard.network_profile[0].outbound_type == "userAssignedNATGateway"
    error_message = "Nodes must go out by the NAT gateway."
  }

  assert {
    condition = (
      azurerm_kubernetes_cluster.standard.network_profile[0].network_plugin == "azure" &&
      azurerm_kubernetes_cluster.standard.network_profile[0].network_plugin_mode == "overlay" &&
      azurerm_kubernetes_cluster.standard.network_profile[0].network_policy == "cilium"
    )
    error_message = "The network must be the overlay with network policies."
  }
}

run "is_upgraded_in_its_windows" {
  command = plan

  assert {
    condition     = azurerm_kubernetes_cluster.standard.automatic_upgrade_channel == "patch" && azurerm_kubernetes_cluster.standard.node_os_upgrade_channel == "NodeImage"
    error_message = "Patches and node images must come by themselves."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.standard.maintenance_window_auto_upgrade[0].day_of_week == "Sunday" && azurerm_kubernetes_cluster.standard.maintenance_window_node_os[0].day_of_week == "Saturday"
    error_message = "Upgrades must keep to their windows."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.standard.node_provisioning_profile[0].mode == "Manual" && azurerm_kubernetes_cluster.standard.default_node_pool[0].auto_scaling_enabled == true
    error_message = "By default the autoscaler scales."
  }
}

run "keeps_its_nodes_in_a_group_of_a_known_name" {
  command = plan

  assert {
    condition     = azurerm_kubernetes_cluster.standard.node_resource_group == "rg-aks-shop-nodes" && output.node_resource_group_name == "rg-aks-shop-nodes"
    error_message = "The guard must be able to name the nodes' resource group before there is a cluster."
  }
}

run "is_watched" {
  command = plan

  assert {
    condition     = azurerm_kubernetes_cluster.standard.oms_agent[0].msi_auth_for_monitoring_enabled == true && length(azurerm_kubernetes_cluster.standard.monitor_metrics) == 1
    error_message = "Container Insights and managed metrics must be on."
  }
}

run "lets_node_provisioning_scale" {
  state_key = "node_provisioning" # a new cluster: node_count is ignored in later runs

  variables {
    node_provisioning_mode = "Auto"
    tier                   = "Free"
  }

  assert {
    condition     = azurerm_kubernetes_cluster.standard.node_provisioning_profile[0].mode == "Auto" && azurerm_kubernetes_cluster.standard.default_node_pool[0].auto_scaling_enabled == false
    error_message = "Node provisioning and the autoscaler exclude one another."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.standard.default_node_pool[0].node_count == 2 && azurerm_kubernetes_cluster.standard.default_node_pool[0].max_count == null
    error_message = "The system pool keeps its smallest size."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.standard.cost_analysis_enabled == false
    error_message = "Cost analysis is refused in the tier Free."
  }
}

run "gives_its_identity_exactly_one_role" {
  assert {
    condition     = azurerm_role_assignment.network.role_definition_name == "Network Contributor" && azurerm_role_assignment.network.scope == module.network.virtual_network_id
    error_message = "The identity needs the network, no more."
  }

  assert {
    condition     = tolist(azurerm_kubernetes_cluster.standard.identity[0].identity_ids) == tolist([azurerm_user_assigned_identity.cluster.id]) && azurerm_kubernetes_cluster.standard.default_node_pool[0].vnet_subnet_id == module.network.node_subnet_id
    error_message = "The identity must be the one that has the role, the subnet the network's."
  }

  assert {
    condition     = output.id == azurerm_kubernetes_cluster.standard.id && output.oidc_issuer_url == azurerm_kubernetes_cluster.standard.oidc_issuer_url
    error_message = "The outputs must name the cluster and its issuer."
  }
}
