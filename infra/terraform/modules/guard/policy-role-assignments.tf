# Nobody but the gateway and those exempt is given a role that holds run command. Azure Policy sees the assignment, not the run command
# itself, which is a POST; assignments that exist already are reported, not removed.
resource "azurerm_policy_definition" "role_assignments" {
  name         = "${var.name}-deny-run-command-assignments"
  display_name = "Roles with AKS run command are for the access gateway"
  policy_type  = "Custom"
  mode         = "All"
  description  = "Denies assigning a role that holds Microsoft.ContainerService/managedClusters/runcommand/action to anybody else."
  metadata     = jsonencode({ category = "Kubernetes", version = "1.0.0" })

  parameters = jsonencode({
    roles      = { type = "Array", metadata = { displayName = "Roles with run command", description = "GUIDs of role definitions." } }
    principals = { type = "Array", metadata = { displayName = "Who may have them", description = "Object ids." } }
  })

  policy_rule = jsonencode({
    "if" = { # in quotes, since checkov's parser takes a bare one for a keyword
      allOf = [
        { field = "type", equals = "Microsoft.Authorization/roleAssignments" },
        { value = "[last(split(field('Microsoft.Authorization/roleAssignments/roleDefinitionId'), '/'))]", in = "[parameters('roles')]" },
        { field = "Microsoft.Authorization/roleAssignments/principalId", notIn = "[parameters('principals')]" },
      ]
    }
    then = { effect = "deny" }
  })
}

resource "azurerm_subscription_policy_assignment" "role_assignments" {
  name                 = "${var.name}-run-command"
  display_name         = azurerm_policy_definition.role_assignments.display_name
  subscription_id      = local.subscription
  policy_definition_id = azurerm_policy_definition.role_assignments.id
  not_scopes           = var.node_resource_group_ids
  enforce              = var.enforce

  parameters = jsonencode({
    roles      = { value = sort(concat(values(local.roles_with_run_command), [local.gateway_role])) }
    principals = { value = sort(concat([var.gateway.principal_id], tolist(var.exempt_principal_ids))) }
  })

  non_compliance_message {
    content = "This role holds AKS run command, a root shell in the cluster. Ask for access through the gateway; in an emergency, for membership of the break-glass group."
  }
}
