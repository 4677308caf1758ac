mock_provider "azurerm" {
  source = "../../mocks/azurerm"
}

variables {
  name                       = "aks-shop"
  location                   = "westeurope"
  resource_group_name        = "rg-shop"
  tenant_id                  = "00000000-0000-4000-8000-000000000002"
  admin_group_object_ids     = ["00000000-0000-4000-8000-0000000000aa"]
  log_analytics_workspace_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.OperationalInsights/workspaces/log-mock"
  monitor_workspace_id       = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Monitor/accounts/amw-mock"
}

run "has_no_public_api_server" {
  command = plan

  assert {
    condition     = azurerm_kubernetes_cluster.private.private_cluster_enabled == true
    error_message = "The API server must be private."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.private_cluster_public_fqdn_enabled == false
    error_message = "The private address must have no public name."
  }

  assert {
    condition     = azurerm_private_dns_zone.api_server.name == "privatelink.westeurope.azmk8s.io"
    error_message = "AKS takes the private endpoint's zone by this name alone."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.dns_prefix_private_cluster == "aks-shop" && azurerm_kubernetes_cluster.private.dns_prefix == null
    error_message = "A private cluster with a zone of its own takes dns_prefix_private_cluster."
  }

  assert {
    condition     = length(azurerm_kubernetes_cluster.private.api_server_access_profile) == 0
    error_message = "Without VNet integration there is no access profile."
  }
}

run "is_signed_in_to_by_entra_alone" {
  command = plan

  assert {
    condition     = azurerm_kubernetes_cluster.private.local_account_disabled == true
    error_message = "Local accounts must be off."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.role_based_access_control_enabled == true
    error_message = "Kubernetes RBAC must be on."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.azure_active_directory_role_based_access_control[0].azure_rbac_enabled == true
    error_message = "Azure RBAC must decide within the cluster."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.azure_active_directory_role_based_access_control[0].admin_group_object_ids == tolist(["00000000-0000-4000-8000-0000000000aa"])
    error_message = "The groups named, and nobody else, must be cluster-admin."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.oidc_issuer_enabled == true && azurerm_kubernetes_cluster.private.workload_identity_enabled == true
    error_message = "Workloads must be able to do without secrets."
  }
}

run "can_be_reached_by_run_command" {
  command = plan

  assert {
    condition     = azurerm_kubernetes_cluster.private.run_command_enabled == true
    error_message = "The gateway's way in must be open."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.default_node_pool[0].only_critical_addons_enabled != true
    error_message = "The pods of run command need an untainted node."
  }
}

run "keeps_nodes_off_the_internet" {
  command = plan

  assert {
    condition     = azurerm_kubernetes_cluster.private.default_node_pool[0].node_public_ip_enabled == false
    error_message = "Nodes must have no public addresses."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.default_node_pool[0].host_encryption_enabled == true
    error_message = "Disks must be encrypted at the host."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.default_node_pool[0].os_disk_type == "Ephemeral" && azurerm_kubernetes_cluster.private.default_node_pool[0].max_pods == 110
    error_message = "Nodes must keep nothing on their disks, and take 110 pods."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.network_profile[0].outbound_type == "userAssignedNATGateway"
    error_message = "Nodes must go out by the NAT gateway."
  }

  assert {
    condition = (
      azurerm_kubernetes_cluster.private.network_profile[0].network_plugin == "azure" &&
      azurerm_kubernetes_cluster.private.network_profile[0].network_plugin_mode == "overlay" &&
      azurerm_kubernetes_cluster.private.network_profile[0].network_policy == "cilium"
    )
    error_message = "The network must be the overlay with network policies."
  }
}

run "is_upgraded_in_its_windows" {
  command = plan

  assert {
    condition     = azurerm_kubernetes_cluster.private.automatic_upgrade_channel == "patch" && azurerm_kubernetes_cluster.private.node_os_upgrade_channel == "NodeImage"
    error_message = "Patches and node images must come by themselves."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.maintenance_window_auto_upgrade[0].day_of_week == "Sunday" && azurerm_kubernetes_cluster.private.maintenance_window_node_os[0].day_of_week == "Saturday"
    error_message = "Upgrades must keep to their windows."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.node_provisioning_profile[0].mode == "Manual" && azurerm_kubernetes_cluster.private.default_node_pool[0].auto_scaling_enabled == true
    error_message = "By default the autoscaler scales."
  }
}

run "keeps_its_nodes_in_a_group_of_a_known_name" {
  command = plan

  assert {
    condition     = azurerm_kubernetes_cluster.private.node_resource_group == "rg-aks-shop-nodes" && output.node_resource_group_name == "rg-aks-shop-nodes"
    error_message = "The guard must be able to name the nodes' resource group before there is a cluster."
  }
}

run "is_watched" {
  command = plan

  assert {
    condition     = azurerm_kubernetes_cluster.private.oms_agent[0].msi_auth_for_monitoring_enabled == true && length(azurerm_kubernetes_cluster.private.monitor_metrics) == 1
    error_message = "Container Insights and managed metrics must be on."
  }
}

run "gives_its_identity_exactly_two_roles" {
  assert {
    condition = [
      azurerm_role_assignment.private_dns_zone.role_definition_name,
      azurerm_role_assignment.network.role_definition_name,
    ] == ["Private DNS Zone Contributor", "Network Contributor"]
    error_message = "The identity needs the zone and the network, no more."
  }

  assert {
    condition     = azurerm_role_assignment.private_dns_zone.scope == azurerm_private_dns_zone.api_server.id
    error_message = "The zone's role must be on the zone."
  }

  assert {
    condition     = azurerm_role_assignment.network.scope == module.network.virtual_network_id
    error_message = "The network's role must be on the network."
  }

  assert {
    condition     = length(azurerm_role_assignment.route_table) == 0
    error_message = "Without a route table there is no role on one."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.identity[0].type == "UserAssigned" && tolist(azurerm_kubernetes_cluster.private.identity[0].identity_ids) == tolist([azurerm_user_assigned_identity.cluster.id])
    error_message = "The identity must be the one that has the roles."
  }

  assert {
    condition     = azurerm_private_dns_zone_virtual_network_link.cluster.virtual_network_id == module.network.virtual_network_id && azurerm_private_dns_zone_virtual_network_link.cluster.private_dns_zone_id == azurerm_private_dns_zone.api_server.id
    error_message = "The zone must be linked with the network."
  }

  assert {
    condition     = output.id == azurerm_kubernetes_cluster.private.id && output.private_dns_zone_id == azurerm_private_dns_zone.api_server.id
    error_message = "The outputs must name the cluster and its zone."
  }
}

run "stands_in_a_subnet_with_vnet_integration" {
  variables {
    api_server_vnet_integration_enabled = true
  }

  assert {
    condition     = azurerm_private_dns_zone.api_server.name == "private.westeurope.azmk8s.io"
    error_message = "With VNet integration AKS takes the zone by this name alone."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.api_server_access_profile[0].virtual_network_integration_enabled == true && azurerm_kubernetes_cluster.private.api_server_access_profile[0].subnet_id == module.network.api_server_subnet_id
    error_message = "The API server must stand in its subnet."
  }
}

run "goes_out_by_a_firewall_when_told" {
  variables {
    outbound_type  = "userDefinedRouting"
    route_table_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/routeTables/rt-hub"
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.network_profile[0].outbound_type == "userDefinedRouting"
    error_message = "Nodes must go out by the route table."
  }

  assert {
    condition     = azurerm_role_assignment.route_table[0].scope == var.route_table_id && azurerm_role_assignment.route_table[0].role_definition_name == "Network Contributor"
    error_message = "AKS needs the route table."
  }
}

run "lets_node_provisioning_scale" {
  state_key = "node_provisioning" # a new cluster: node_count is ignored in later runs

  variables {
    node_provisioning_mode = "Auto"
    tier                   = "Free"
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.node_provisioning_profile[0].mode == "Auto" && azurerm_kubernetes_cluster.private.default_node_pool[0].auto_scaling_enabled == false
    error_message = "Node provisioning and the autoscaler exclude one another."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.default_node_pool[0].node_count == 2 && azurerm_kubernetes_cluster.private.default_node_pool[0].max_count == null
    error_message = "The system pool keeps its smallest size."
  }

  assert {
    condition     = azurerm_kubernetes_cluster.private.cost_analysis_enabled == false
    error_message = "Cost analysis is refused in the tier Free."
  }
}
