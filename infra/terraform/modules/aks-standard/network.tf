module "network" {
  source = "../aks-network"

  name                = var.name
  location            = var.location
  resource_group_name = var.resource_group_name
  address_space       = var.network.address_space
  node_subnet_prefix  = var.network.node_subnet_prefix
  tags                = var.tags
}
