# AKS takes these names alone: privatelink.<region>.azmk8s.io for a private endpoint, private.<region>.azmk8s.io with API server VNet
# integration (learn.microsoft.com/azure/aks/private-clusters, "Configure a private DNS zone").
resource "azurerm_private_dns_zone" "api_server" {
  name                = "${var.api_server_vnet_integration_enabled ? "private" : "privatelink"}.${var.location}.azmk8s.io"
  resource_group_name = var.resource_group_name
  tags                = var.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "cluster" {
  name                 = "link-${var.name}"
  private_dns_zone_id  = azurerm_private_dns_zone.api_server.id
  virtual_network_id   = module.network.virtual_network_id
  registration_enabled = false
  tags                 = var.tags
}
