resource "azurerm_key_vault" "gateway" {
  name                          = "kv-${substr(local.letters, 0, 12)}-${local.unique}"
  location                      = var.location
  resource_group_name           = var.resource_group_name
  tenant_id                     = data.azurerm_client_config.current.tenant_id
  sku_name                      = var.vault_sku
  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90
  public_network_access_enabled = local.public_data
  tags                          = var.tags

  network_acls {
    default_action = local.closed ? "Deny" : "Allow"
    bypass         = "None"
    ip_rules       = local.closed ? var.deployer_ip_ranges : []
  }
}

# Signs the keys of audit streams. It is rotated by hand, since a verifier outside must learn of the new one (the trail names its key).
resource "azurerm_key_vault_key" "audit" {
  name         = "audit"
  key_vault_id = azurerm_key_vault.gateway.id
  key_type     = var.vault_sku == "premium" ? "EC-HSM" : "EC"
  curve        = "P-256"
  key_opts     = ["sign", "verify"]
  tags         = var.tags

  depends_on = [azurerm_role_assignment.deployer_keys]
}

# Read keys' public halves and sign: Key Vault Crypto User could also disable the key, let it expire, or take a backup of it.
resource "azurerm_role_definition" "signer" {
  name        = "Sign the audit trail (${var.name}-${local.unique})"
  scope       = local.resource_group_id
  description = "Read keys and sign with them; make, change and delete none. For the identity of ${var.name}."

  permissions {
    actions     = []
    not_actions = []
    data_actions = [
      "Microsoft.KeyVault/vaults/keys/read",
      "Microsoft.KeyVault/vaults/keys/sign/action",
    ]
    not_data_actions = []
  }

  assignable_scopes = [local.resource_group_id]
}

# On the vault, which holds nothing else, and not on the key: the gateway also looks for audit-wrap (the auditor's key), and without a
# right to look Key Vault answers 403, which is not the same as "there is none".
resource "azurerm_role_assignment" "key" {
  scope              = azurerm_key_vault.gateway.id
  role_definition_id = azurerm_role_definition.signer.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.gateway.principal_id
  principal_type     = "ServicePrincipal"
}

resource "azurerm_role_assignment" "deployer_keys" {
  scope                = azurerm_key_vault.gateway.id
  role_definition_name = "Key Vault Crypto Officer"
  principal_id         = var.deployer_principal_id
}
