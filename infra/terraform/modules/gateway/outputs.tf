output "principal_id" {
  description = "Object id of the gateway's identity: for the application's federated credential, for the guard, and for alerts on commands that went around the gateway."
  value       = azurerm_user_assigned_identity.gateway.principal_id
}

output "client_id" {
  description = "Client id of the gateway's identity."
  value       = azurerm_user_assigned_identity.gateway.client_id
}

output "url" {
  description = "Where callers reach the gateway."
  value       = local.public_url
}

output "publish_url" {
  description = "Where a package is published, with an Entra token (One Deploy)."
  value       = "https://${replace(azapi_resource.site.output.properties.defaultHostName, "/^([^.]+)\\./", "$1.scm.")}/api/publish"
}

output "site" {
  description = "The app: its name and ARM id."
  value = {
    name = azapi_resource.site.name
    id   = azapi_resource.site.id
  }
}

output "configuration" {
  description = "gateway.yaml as it is uploaded."
  value       = azurerm_storage_blob.configuration.source_content
}

output "configuration_url" {
  description = "Where the app reads gateway.yaml."
  value       = local.configuration_url
}

output "run_command_role_id" {
  description = "ARM id of the custom role that the gateway has on each cluster: the guard lets it be assigned to the gateway alone."
  value       = azurerm_role_definition.run_command.role_definition_resource_id
}

output "audit_storage_account_id" {
  description = "ARM id of the account that holds trail and configuration."
  value       = azurerm_storage_account.audit.id
}

output "audit_retention" {
  description = "For how many days nothing in the trail can be changed or removed, and whether that is locked for good."
  value = {
    days   = azurerm_storage_container_immutability_policy.audit.immutability_period_in_days
    locked = azurerm_storage_container_immutability_policy.audit.locked
  }
}

output "records_storage_account_id" {
  description = "ARM id of the account that holds records, outputs and copies of checkpoints."
  value       = azurerm_storage_account.records.id
}

output "vault_id" {
  description = "ARM id of the vault with the signing key."
  value       = azurerm_key_vault.gateway.id
}

output "signing_key_id" {
  description = "Address of the signing key, without version."
  value       = azurerm_key_vault_key.audit.versionless_id
}
