# The trail and the gateway's configuration: an account of its own, in which the gateway may append to the one and read the other.
resource "azurerm_storage_account" "audit" {
  name                     = "st${local.letters}aud${local.unique}"
  location                 = var.location
  resource_group_name      = var.resource_group_name
  account_tier             = "Standard"
  account_replication_type = var.audit.replication
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
    versioning_enabled  = true
    change_feed_enabled = true

    delete_retention_policy {
      days = 90
    }

    container_delete_retention_policy {
      days = 90
    }
  }

  network_rules {
    default_action = local.closed ? "Deny" : "Allow"
    bypass         = ["None"]
    ip_rules       = local.closed ? var.deployer_ip_ranges : []
  }
}

resource "azurerm_storage_container" "audit" {
  name                  = "audit"
  storage_account_id    = azurerm_storage_account.audit.id
  container_access_type = "private"
}

# Write once: append blobs may grow, and nothing may be changed or removed, by anybody, for the period. Once locked, the period can be
# extended, but not by this provider, which would plan to shorten it: use az storage container immutability-policy extend.
resource "azurerm_storage_container_immutability_policy" "audit" {
  storage_container_resource_manager_id = azurerm_storage_container.audit.id
  immutability_period_in_days           = var.audit.retention_days
  protected_append_writes_enabled       = true
  locked                                = var.audit.locked
}

resource "azurerm_management_lock" "audit" {
  count = var.audit.deletion_lock ? 1 : 0

  name       = "keep-audit-trail"
  scope      = azurerm_storage_account.audit.id
  lock_level = "CanNotDelete"
  notes      = "The audit trail of ${var.name}."
}

# Read, and add: create a new blob or append to one. Storage Blob Data Contributor could also overwrite and delete whatever the
# policy does not hold (any more).
resource "azurerm_role_definition" "audit_writer" {
  name        = "Append to the audit trail (${var.name}-${local.unique})"
  scope       = local.resource_group_id
  description = "Read blobs, create them and append to them; change and delete none. For the identity of ${var.name}."

  permissions {
    actions     = ["Microsoft.Storage/storageAccounts/blobServices/containers/read"]
    not_actions = []
    data_actions = [
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",
    ]
    not_data_actions = []
  }

  assignable_scopes = [local.resource_group_id]
}

resource "azurerm_role_assignment" "audit" {
  scope              = azurerm_storage_container.audit.id
  role_definition_id = azurerm_role_definition.audit_writer.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.gateway.principal_id
  principal_type     = "ServicePrincipal"
}
