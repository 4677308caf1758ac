# The control plane's own identity. It must be user-assigned: its rights on the zone and the network have to exist before the cluster.
resource "azurerm_user_assigned_identity" "cluster" {
  name                = "id-${var.name}"
  location            = var.location
  resource_group_name = var.resource_group_name
  tags                = var.tags
}

# Writes the API server's record.
resource "azurerm_role_assignment" "private_dns_zone" {
  scope                = azurerm_private_dns_zone.api_server.id
  role_definition_name = "Private DNS Zone Contributor"
  principal_id         = azurerm_user_assigned_identity.cluster.principal_id
  principal_type       = "ServicePrincipal"
}

# Joins the subnets, links the zone, makes internal load balancers.
resource "azurerm_role_assignment" "network" {
  scope                = module.network.virtual_network_id
  role_definition_name = "Network Contributor"
  principal_id         = azurerm_user_assigned_identity.cluster.principal_id
  principal_type       = "ServicePrincipal"
}

# With userDefinedRouting, AKS reads the route table and adds routes for pods.
resource "azurerm_role_assignment" "route_table" {
  count = var.outbound_type == "userDefinedRouting" ? 1 : 0

  scope                = var.route_table_id
  role_definition_name = "Network Contributor"
  principal_id         = azurerm_user_assigned_identity.cluster.principal_id
  principal_type       = "ServicePrincipal"
}
