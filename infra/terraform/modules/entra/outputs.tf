output "client_id" {
  description = "Client id of the application: the audience in gateway.yaml."
  value       = azuread_application_registration.gateway.client_id
}

output "identifier_uri" {
  description = "Address of the API: tokens are asked for with <this>/.default, or <this>/Commands.Run."
  value       = azuread_application_identifier_uri.gateway.identifier_uri
}

output "service_principal_object_id" {
  description = "Object id of the application's service principal, for further assignments."
  value       = azuread_service_principal.gateway.object_id
}

output "caller_client_ids" {
  description = "Client ids of the workflows' and service accounts' applications, by name."
  value       = { for name, application in azuread_application_registration.caller : name => application.client_id }
}

output "optional_claims_command" {
  description = "What writes the optional claims idtyp, acct and auth_time. Run it once, signed in as somebody who may write the application."
  value       = local.optional_claims_command
}
