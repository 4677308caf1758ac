# idtyp tells a user's token from an application's, acct a guest's from a member's, auth_time how long ago the person signed in. They are
# written by Microsoft Graph, since azuread 3.9.0 refuses include_user_token, without which users' tokens carry no idtyp.
locals {
  optional_claims = jsonencode({
    optionalClaims = {
      accessToken = [
        { name = "idtyp", essential = false, additionalProperties = ["include_user_token"] },
        { name = "acct", essential = false, additionalProperties = [] },
        { name = "auth_time", essential = false, additionalProperties = [] },
      ]
    }
  })

  optional_claims_command = join(" ", [
    "az rest --method PATCH",
    "--url https://graph.microsoft.com/v1.0/applications/${azuread_application_registration.gateway.object_id}",
    "--headers Content-Type=application/json",
    "--body '${local.optional_claims}'",
  ])
}

resource "terraform_data" "optional_claims" {
  count = var.apply_optional_claims ? 1 : 0

  triggers_replace = [azuread_application_registration.gateway.object_id, local.optional_claims]

  provisioner "local-exec" {
    command = local.optional_claims_command
  }
}
