# What the Functions host needs: the package, timers' locks. The app's identity owns this account, so nothing of the gateway's own
# is kept here: neither its policy nor its trail.
resource "azurerm_storage_account" "runtime" {
  name                     = "st${local.letters}run${local.unique}"
  location                 = var.location
  resource_group_name      = var.resource_group_name
  account_tier             = "Standard"
  account_replication_type = "ZRS"
  tags                     = var.tags

  shared_access_key_enabled         = false
  default_to_oauth_authentication   = true
  allow_nested_items_to_be_public   = false
  local_user_enabled                = false
  cross_tenant_replication_enabled  = false
  allowed_copy_scope                = "AAD"
  infrastructure_encryption_enabled = true
  https_traffic_only_enabled        = true
  min_tls_version                   = "TLS1_2"

  # Publishing uploads the package from outside the network, and fails if the firewall denies it (BlobUploadFailed).
  public_network_access_enabled = !var.private_network.close_runtime_storage

  network_rules {
    default_action = var.private_network.close_runtime_storage ? "Deny" : "Allow"
    bypass         = ["AzureServices"]
  }
}

resource "azurerm_storage_container" "package" {
  name                  = "package"
  storage_account_id    = azurerm_storage_account.runtime.id
  container_access_type = "private"
}

resource "azurerm_role_assignment" "runtime" {
  for_each = toset(["Storage Blob Data Owner", "Storage Queue Data Contributor", "Storage Table Data Contributor"])

  scope                = azurerm_storage_account.runtime.id
  role_definition_name = each.value
  principal_id         = azurerm_user_assigned_identity.gateway.principal_id
  principal_type       = "ServicePrincipal"
}
