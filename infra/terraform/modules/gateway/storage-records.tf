# Records (tables) and outputs (blobs). No versions and no soft delete: what a purge removes is gone.
resource "azurerm_storage_account" "records" {
  name                     = "st${local.letters}rec${local.unique}"
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
  public_network_access_enabled     = local.public_data

  blob_properties {
    versioning_enabled  = false
    change_feed_enabled = false
  }

  network_rules {
    default_action = local.closed ? "Deny" : "Allow"
    bypass         = ["None"]
    ip_rules       = local.closed ? var.deployer_ip_ranges : []
  }
}

# By azapi: azurerm_storage_table reads the table's access policy with an account key, and there are none (terraform-provider-azurerm
# #32249, #30815).
resource "azapi_resource" "records_table" {
  type      = "Microsoft.Storage/storageAccounts/tableServices/tables@2025-08-01"
  name      = "aksgwrecords"
  parent_id = "${azurerm_storage_account.records.id}/tableServices/default"
  body      = { properties = {} }
}

resource "azurerm_storage_container" "outputs" {
  name                  = "aksgw-outputs"
  storage_account_id    = azurerm_storage_account.records.id
  container_access_type = "private"
}

resource "azurerm_role_assignment" "records" {
  scope                = azurerm_storage_account.records.id
  role_definition_name = "Storage Table Data Contributor"
  principal_id         = azurerm_user_assigned_identity.gateway.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "outputs" {
  scope                = azurerm_storage_container.outputs.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_user_assigned_identity.gateway.principal_id
  principal_type       = "ServicePrincipal"
}

# Copies of the trail's signed checkpoints, in another account than the trail, as hard to rewrite.
resource "azurerm_storage_container" "checkpoints" {
  name                  = "checkpoints"
  storage_account_id    = azurerm_storage_account.records.id
  container_access_type = "private"
}

resource "azurerm_storage_container_immutability_policy" "checkpoints" {
  storage_container_resource_manager_id = azurerm_storage_container.checkpoints.id
  immutability_period_in_days           = var.audit.retention_days
  protected_append_writes_enabled       = true
  locked                                = var.audit.locked
}

resource "azurerm_role_assignment" "checkpoints" {
  scope              = azurerm_storage_container.checkpoints.id
  role_definition_id = azurerm_role_definition.audit_writer.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.gateway.principal_id
  principal_type     = "ServicePrincipal"
}
