mock_provider "azurerm" {
  source = "../../mocks/azurerm"
}

variables {
  name                = "aks-shop"
  location            = "westeurope"
  resource_group_name = "rg-shop"
}

run "has_one_way_out" {
  assert {
    condition     = azurerm_subnet.nodes.default_outbound_access_enabled == false
    error_message = "The implicit way out must be closed."
  }

  assert {
    condition     = azurerm_subnet_nat_gateway_association.nodes[0].subnet_id == azurerm_subnet.nodes.id && azurerm_subnet_nat_gateway_association.nodes[0].nat_gateway_id == azurerm_nat_gateway.egress[0].id && azurerm_nat_gateway_public_ip_association.egress[0].public_ip_address_id == azurerm_public_ip.egress[0].id
    error_message = "Nodes must go out by the NAT gateway and its address."
  }

  assert {
    condition     = azurerm_public_ip.egress[0].allocation_method == "Static" && azurerm_public_ip.egress[0].sku == "Standard"
    error_message = "The address must stay, so that others can let it in."
  }

  assert {
    condition     = length(azurerm_subnet_route_table_association.nodes) == 0
    error_message = "There must be one way out, not two."
  }
}

run "lets_the_private_endpoint_be_reached" {
  command = plan

  assert {
    condition     = azurerm_subnet.nodes.private_endpoint_network_policies == "Disabled"
    error_message = "No network policy may stand between nodes and the API server's endpoint."
  }

  assert {
    condition     = azurerm_virtual_network.cluster.address_space == toset(["10.40.0.0/16"]) && tolist(azurerm_subnet.nodes.address_prefixes) == tolist(["10.40.0.0/22"])
    error_message = "The ranges must be those asked for."
  }

  assert {
    condition     = length(azurerm_subnet.api_server) == 0 && output.api_server_subnet_id == ""
    error_message = "Without VNet integration the API server has no subnet."
  }
}

run "delegates_a_subnet_to_the_api_server" {
  variables {
    api_server_subnet = { enabled = true }
  }

  assert {
    condition     = azurerm_subnet.api_server[0].delegation[0].service_delegation[0].name == "Microsoft.ContainerService/managedClusters" && azurerm_subnet.api_server[0].delegation[0].service_delegation[0].actions == toset(["Microsoft.Network/virtualNetworks/subnets/join/action"])
    error_message = "The subnet must be AKS's own."
  }

  assert {
    condition     = output.api_server_subnet_id == azurerm_subnet.api_server[0].id
    error_message = "The output must name the subnet."
  }
}

run "goes_out_by_a_firewall_when_told" {
  state_key = "firewall"

  variables {
    outbound_type  = "userDefinedRouting"
    route_table_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/routeTables/rt-hub"
  }

  assert {
    condition     = azurerm_subnet_route_table_association.nodes[0].route_table_id == var.route_table_id && length(azurerm_nat_gateway.egress) == 0 && length(azurerm_public_ip.egress) == 0
    error_message = "Nodes must go out by the route table alone."
  }
}

run "refuses_ranges_and_names_that_are_none" {
  command = plan

  variables {
    name                = "-"
    location            = "West Europe"
    resource_group_name = ""
    address_space       = "10.40.0.0"
    node_subnet_prefix  = "10.40.0.0/40"
    api_server_subnet   = { enabled = true, prefix = "10.40.4.0/29" }
    outbound_type       = "none"
  }

  expect_failures = [
    var.name,
    var.location,
    var.resource_group_name,
    var.address_space,
    var.node_subnet_prefix,
    var.api_server_subnet,
    var.outbound_type,
  ]
}

run "refuses_a_firewall_without_a_route" {
  command = plan

  variables {
    outbound_type = "userDefinedRouting"
  }

  expect_failures = [var.route_table_id]
}
