resource "azurerm_virtual_network" "cluster" {
  name                = "vnet-${var.name}"
  location            = var.location
  resource_group_name = var.resource_group_name
  address_space       = [var.address_space]
  tags                = var.tags
}

resource "azurerm_subnet" "nodes" {
  name                 = "snet-nodes"
  resource_group_name  = var.resource_group_name
  virtual_network_name = azurerm_virtual_network.cluster.name
  address_prefixes     = [var.node_subnet_prefix]

  # On purpose: AKS puts the API server's private endpoint into this subnet, and network policies (a network security group, a route
  # table) must not stand between it and the nodes. "Enabled" would make both apply to it.
  private_endpoint_network_policies = "Disabled"

  # Azure's implicit way out of a subnet, which no log shows: nodes go out by outbound_type alone.
  default_outbound_access_enabled = false
}

# API server VNet integration puts an internal load balancer in front of the API server into a subnet that AKS owns.
resource "azurerm_subnet" "api_server" {
  count = var.api_server_subnet.enabled ? 1 : 0

  name                            = "snet-api-server"
  resource_group_name             = var.resource_group_name
  virtual_network_name            = azurerm_virtual_network.cluster.name
  address_prefixes                = [var.api_server_subnet.prefix]
  default_outbound_access_enabled = false

  delegation {
    name = "aks"

    service_delegation {
      name    = "Microsoft.ContainerService/managedClusters"
      actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }
}
