output "virtual_network_id" {
  description = "Id of the virtual network: the cluster's identity needs Network Contributor on it."
  value       = azurerm_virtual_network.cluster.id
}

output "node_subnet_id" {
  description = "Id of the nodes' subnet, its way out in place: a cluster that starts before it has none."
  value       = azurerm_subnet.nodes.id

  depends_on = [azurerm_subnet_nat_gateway_association.nodes, azurerm_subnet_route_table_association.nodes]
}

output "api_server_subnet_id" {
  description = "Id of the API server's subnet; empty without API server VNet integration."
  value       = one(azurerm_subnet.api_server[*].id) == null ? "" : one(azurerm_subnet.api_server[*].id)
}
