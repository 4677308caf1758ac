output "id" {
  description = "ARM id of the cluster, as the gateway's clusters take it."
  value       = azurerm_kubernetes_cluster.private.id
}

output "name" {
  description = "Name of the cluster."
  value       = azurerm_kubernetes_cluster.private.name
}

output "oidc_issuer_url" {
  description = "Issuer of the cluster's service account tokens, for federated credentials."
  value       = azurerm_kubernetes_cluster.private.oidc_issuer_url
}

output "virtual_network_id" {
  description = "Id of the cluster's virtual network, for peering or a private endpoint."
  value       = module.network.virtual_network_id
}

output "identity_principal_id" {
  description = "Object id of the control plane's identity."
  value       = azurerm_user_assigned_identity.cluster.principal_id
}

output "private_fqdn" {
  description = "Name of the API server, resolved by the private DNS zone alone."
  value       = azurerm_kubernetes_cluster.private.private_fqdn
}

output "private_dns_zone_id" {
  description = "Id of the API server's private DNS zone, to link it with other networks."
  value       = azurerm_private_dns_zone.api_server.id
}

output "node_resource_group_name" {
  description = "Name of the resource group of nodes, known before the cluster exists: the guard must leave it out before AKS makes the cluster's identity Contributor there."
  value       = local.node_resource_group
}

output "node_resource_group_id" {
  description = "ARM id of the resource group of nodes, once the cluster exists."
  value       = azurerm_kubernetes_cluster.private.node_resource_group_id
}
