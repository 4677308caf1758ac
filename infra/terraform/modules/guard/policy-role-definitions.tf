locals {
  actions     = "Microsoft.Authorization/roleDefinitions/permissions[*].actions[*]"
  run_command = "microsoft.containerservice/managedclusters/runcommand/action"

  # An action takes in run command if what stands before its first wildcard begins run command's name, and what follows its last one
  # ends it; without a wildcard both are the whole. A list of wildcards would forget one (managedClusters/run*), and a condition "like"
  # takes a single one (learn.microsoft.com/azure/governance/policy/concepts/definition-structure-policy-rule, "Conditions").
  parts          = "split(toLower(current('${local.actions}')), '*')"
  begins_like_it = "[startsWith('${local.run_command}', first(${local.parts}))]"
  ends_like_it   = "[endsWith('${local.run_command}', last(${local.parts}))]"
}

# A custom role under another name would go around the list of roles.
resource "azurerm_policy_definition" "role_definitions" {
  name         = "${var.name}-deny-run-command-roles"
  display_name = "No custom role but the access gateway's holds AKS run command"
  policy_type  = "Custom"
  mode         = "All"
  description  = "Denies custom roles with Microsoft.ContainerService/managedClusters/runcommand/action, by name or by wildcard."
  metadata     = jsonencode({ category = "Kubernetes", version = "1.0.0" })

  parameters = jsonencode({
    allowedRoles = { type = "Array", metadata = { displayName = "Roles that may", description = "GUIDs of role definitions." } }
  })

  policy_rule = jsonencode({
    "if" = { # in quotes, since checkov's parser takes a bare one for a keyword
      allOf = [
        { field = "type", equals = "Microsoft.Authorization/roleDefinitions" },
        { field = "Microsoft.Authorization/roleDefinitions/type", notEquals = "BuiltInRole" }, # a request may leave it out
        { field = "name", notIn = "[parameters('allowedRoles')]" },
        {
          count = {
            field = local.actions
            where = {
              allOf = [
                { value = local.begins_like_it, equals = true },
                { value = local.ends_like_it, equals = true },
              ]
            }
          }
          greater = 0
        },
      ]
    }
    then = { effect = "deny" }
  })
}

resource "azurerm_subscription_policy_assignment" "role_definitions" {
  name                 = "${var.name}-run-command-roles"
  display_name         = azurerm_policy_definition.role_definitions.display_name
  subscription_id      = local.subscription
  policy_definition_id = azurerm_policy_definition.role_definitions.id
  enforce              = var.enforce

  parameters = jsonencode({
    allowedRoles = { value = [local.gateway_role] }
  })

  non_compliance_message {
    content = "This role would hold AKS run command, a root shell in the cluster. List the actions that are needed instead of a wildcard."
  }
}
