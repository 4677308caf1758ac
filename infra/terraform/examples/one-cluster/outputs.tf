output "url" {
  description = "Where callers reach the gateway."
  value       = module.gateway.url
}

output "publish_url" {
  description = "Where the built package is published (One Deploy)."
  value       = module.gateway.publish_url
}

output "deploy_command" {
  description = "Builds and publishes the gateway, from the root of the repository; with --rollback behind it, goes back."
  value       = "infra/deploy --resource-group ${azurerm_resource_group.gateway.name} --name ${module.gateway.site.name}"
}

output "token_scope" {
  description = "What a caller asks a token for."
  value       = "${module.entra.identifier_uri}/.default"
}

output "optional_claims_command" {
  description = "Run once: without it users' tokens are refused."
  value       = module.entra.optional_claims_command
}

output "configuration" {
  description = "gateway.yaml as it is uploaded."
  value       = module.gateway.configuration
}

output "gateway_principal_id" {
  description = "Object id of the gateway's identity, for alerts on commands that went around it."
  value       = module.gateway.principal_id
}
