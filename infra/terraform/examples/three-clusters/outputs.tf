output "url" {
  description = "Where callers reach the gateway, from within the network."
  value       = module.gateway.url
}

output "publish_url" {
  description = "Where the built package is published (One Deploy), from within the network."
  value       = module.gateway.publish_url
}

output "release_client_id" {
  description = "Client id that the workflow signs in with (azure/login)."
  value       = module.entra.caller_client_ids.release
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
