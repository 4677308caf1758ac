module "network" {
  source = "../aks-network"

  name                = var.name
  location            = var.location
  resource_group_name = var.resource_group_name
  address_space       = var.network.address_space
  node_subnet_prefix  = var.network.node_subnet_prefix
  api_server_subnet = {
    enabled = var.api_server_vnet_integration_enabled
    prefix  = var.network.api_server_subnet_prefix
  }
  outbound_type  = var.outbound_type
  route_table_id = var.route_table_id
  tags           = var.tags
}
