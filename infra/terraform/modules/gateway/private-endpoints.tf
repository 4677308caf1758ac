locals {
  endpoints = {
    runtime-blob  = { id = azurerm_storage_account.runtime.id, service = "blob", zone = var.private_network.dns_zone_ids.blob }
    runtime-queue = { id = azurerm_storage_account.runtime.id, service = "queue", zone = var.private_network.dns_zone_ids.queue }
    runtime-table = { id = azurerm_storage_account.runtime.id, service = "table", zone = var.private_network.dns_zone_ids.table }
    audit-blob    = { id = azurerm_storage_account.audit.id, service = "blob", zone = var.private_network.dns_zone_ids.blob }
    records-blob  = { id = azurerm_storage_account.records.id, service = "blob", zone = var.private_network.dns_zone_ids.blob }
    records-table = { id = azurerm_storage_account.records.id, service = "table", zone = var.private_network.dns_zone_ids.table }
    vault         = { id = azurerm_key_vault.gateway.id, service = "vault", zone = var.private_network.dns_zone_ids.vault }
    app           = { id = azapi_resource.site.id, service = "sites", zone = var.private_network.dns_zone_ids.sites }
  }
}

resource "azurerm_private_endpoint" "gateway" {
  for_each = { for name, endpoint in local.endpoints : name => endpoint if var.private_network.enabled && (name != "app" || var.private_network.inbound) }

  name                = "pe-${var.name}-${each.key}"
  location            = var.location
  resource_group_name = var.resource_group_name
  subnet_id           = var.private_network.endpoint_subnet_id
  tags                = var.tags

  private_service_connection {
    name                           = each.key
    private_connection_resource_id = each.value.id
    subresource_names              = [each.value.service]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = [each.value.zone]
  }
}
