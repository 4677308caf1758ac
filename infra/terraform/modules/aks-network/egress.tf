locals {
  nat = var.outbound_type == "userAssignedNATGateway" ? 1 : 0
}

resource "azurerm_public_ip" "egress" {
  count = local.nat

  name                = "pip-${var.name}-egress"
  location            = var.location
  resource_group_name = var.resource_group_name
  allocation_method   = "Static"
  sku                 = "Standard"
  tags                = var.tags
}

resource "azurerm_nat_gateway" "egress" {
  count = local.nat

  name                    = "ng-${var.name}"
  location                = var.location
  resource_group_name     = var.resource_group_name
  sku_name                = "Standard"
  idle_timeout_in_minutes = 4
  tags                    = var.tags
}

resource "azurerm_nat_gateway_public_ip_association" "egress" {
  count = local.nat

  nat_gateway_id       = azurerm_nat_gateway.egress[0].id
  public_ip_address_id = azurerm_public_ip.egress[0].id
}

resource "azurerm_subnet_nat_gateway_association" "nodes" {
  count = local.nat

  subnet_id      = azurerm_subnet.nodes.id
  nat_gateway_id = azurerm_nat_gateway.egress[0].id

  depends_on = [azurerm_nat_gateway_public_ip_association.egress]
}

resource "azurerm_subnet_route_table_association" "nodes" {
  count = var.outbound_type == "userDefinedRouting" ? 1 : 0

  subnet_id      = azurerm_subnet.nodes.id
  route_table_id = var.route_table_id
}
