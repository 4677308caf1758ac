mock_provider "azurerm" {
  source = "../../mocks/azurerm"
}

variables {
  gateway = {
    principal_id        = "00000000-0000-4000-8000-0000000000a1"
    run_command_role_id = "/subscriptions/00000000-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-0000000000b1"
  }
  exempt_principal_ids = ["00000000-0000-4000-8000-0000000000b9"]
  cluster_ids          = ["/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod"]
}

run "denies_roles_with_run_command_to_everybody_else" {
  assert {
    condition = jsondecode(azurerm_policy_definition.role_assignments.policy_rule) == {
      "if" = {
        allOf = [
          { field = "type", equals = "Microsoft.Authorization/roleAssignments" },
          { value = "[last(split(field('Microsoft.Authorization/roleAssignments/roleDefinitionId'), '/'))]", in = "[parameters('roles')]" },
          { field = "Microsoft.Authorization/roleAssignments/principalId", notIn = "[parameters('principals')]" },
        ]
      }
      then = { effect = "deny" }
    }
    error_message = "The policy must deny the roles in question to all but the principals in question."
  }

  assert {
    condition = jsondecode(azurerm_subscription_policy_assignment.role_assignments.parameters) == {
      roles = { value = [
        "00000000-0000-4000-8000-0000000000b1",
        "0ab0b1a8-8aac-4efd-b8c2-3ee1fb270be8",
        "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8",
      ] }
      principals = { value = ["00000000-0000-4000-8000-0000000000a1", "00000000-0000-4000-8000-0000000000b9"] }
    }
    error_message = "The roles must be Owner, Contributor, AKS Contributor, AKS Cluster Admin and the gateway's; the principals the gateway's identity and those exempt."
  }

  assert {
    condition     = azurerm_policy_definition.role_assignments.mode == "All" && azurerm_policy_definition.role_definitions.mode == "All"
    error_message = "Role assignments and definitions are seen in the mode All alone."
  }

  assert {
    condition     = length(coalesce(azurerm_subscription_policy_assignment.role_assignments.not_scopes, [])) == 0 && length(coalesce(azurerm_subscription_policy_assignment.role_definitions.not_scopes, [])) == 0
    error_message = "No scope may be left out unless asked for."
  }
}

run "denies_custom_roles_with_run_command" {
  assert {
    condition     = jsondecode(azurerm_policy_definition.role_definitions.policy_rule).then.effect == "deny"
    error_message = "The policy must deny."
  }

  assert {
    condition = jsondecode(azurerm_policy_definition.role_definitions.policy_rule).if.allOf[3] == {
      count = {
        field = "Microsoft.Authorization/roleDefinitions/permissions[*].actions[*]"
        where = {
          allOf = [
            {
              value  = "[startsWith('microsoft.containerservice/managedclusters/runcommand/action', first(split(toLower(current('Microsoft.Authorization/roleDefinitions/permissions[*].actions[*]')), '*')))]"
              equals = true
            },
            {
              value  = "[endsWith('microsoft.containerservice/managedclusters/runcommand/action', last(split(toLower(current('Microsoft.Authorization/roleDefinitions/permissions[*].actions[*]')), '*')))]"
              equals = true
            },
          ]
        }
      }
      greater = 0
    }
    error_message = "The policy must see run command by name and by wildcard."
  }

  assert {
    condition = [for condition in slice(jsondecode(azurerm_policy_definition.role_definitions.policy_rule).if.allOf, 0, 3) : condition] == [
      { field = "type", equals = "Microsoft.Authorization/roleDefinitions" },
      { field = "Microsoft.Authorization/roleDefinitions/type", notEquals = "BuiltInRole" },
      { field = "name", notIn = "[parameters('allowedRoles')]" },
    ]
    error_message = "The policy must look at custom roles but the gateway's."
  }

  assert {
    condition     = jsondecode(azurerm_subscription_policy_assignment.role_definitions.parameters).allowedRoles.value == ["00000000-0000-4000-8000-0000000000b1"]
    error_message = "The gateway's role must be the only one allowed."
  }
}

run "is_in_force_in_the_subscription" {
  command = plan

  assert {
    condition = [
      for assignment in [
        azurerm_subscription_policy_assignment.role_assignments,
        azurerm_subscription_policy_assignment.role_definitions,
        azurerm_subscription_policy_assignment.local_accounts,
        azurerm_subscription_policy_assignment.other_clusters,
      ] : [assignment.enforce, assignment.subscription_id == "/subscriptions/00000000-0000-4000-8000-000000000001"]
    ] == [[true, true], [true, true], [true, true], [true, true]]
    error_message = "Every policy must be enforced in the subscription."
  }

  assert {
    condition     = azurerm_subscription_policy_assignment.local_accounts.policy_definition_id == "/providers/Microsoft.Authorization/policyDefinitions/993c2fcd-2b29-49d2-9eb0-df2c3a730c32" && jsondecode(azurerm_subscription_policy_assignment.local_accounts.parameters).effect.value == "Deny"
    error_message = "Local accounts must be denied."
  }

  assert {
    condition     = azurerm_subscription_policy_assignment.other_clusters.policy_definition_id == "/providers/Microsoft.Authorization/policyDefinitions/89f2d532-c53c-4f8f-9afa-4927b1114a0d" && azurerm_subscription_policy_assignment.other_clusters.not_scopes == tolist(var.cluster_ids)
    error_message = "Run command must be reported on clusters that are not behind the gateway, and on no others."
  }
}

run "gives_people_roles_without_run_command" {
  command = plan

  assert {
    condition = sort(azurerm_role_definition.cluster_viewer.permissions[0].actions) == tolist([
      "Microsoft.ContainerService/managedClusters/agentPools/read",
      "Microsoft.ContainerService/managedClusters/detectors/read",
      "Microsoft.ContainerService/managedClusters/maintenanceConfigurations/read",
      "Microsoft.ContainerService/managedClusters/read",
      "Microsoft.ContainerService/managedClusters/upgradeProfiles/read",
      "Microsoft.Resources/subscriptions/resourceGroups/read",
    ])
    error_message = "Viewers must be able to read, and nothing else."
  }

  assert {
    condition = sort(azurerm_role_definition.cluster_operator.permissions[0].actions) == tolist([
      "Microsoft.ContainerService/managedClusters/agentPools/delete",
      "Microsoft.ContainerService/managedClusters/agentPools/read",
      "Microsoft.ContainerService/managedClusters/agentPools/write",
      "Microsoft.ContainerService/managedClusters/detectors/read",
      "Microsoft.ContainerService/managedClusters/maintenanceConfigurations/read",
      "Microsoft.ContainerService/managedClusters/maintenanceConfigurations/write",
      "Microsoft.ContainerService/managedClusters/read",
      "Microsoft.ContainerService/managedClusters/start/action",
      "Microsoft.ContainerService/managedClusters/stop/action",
      "Microsoft.ContainerService/managedClusters/upgradeProfiles/read",
      "Microsoft.ContainerService/managedClusters/write",
      "Microsoft.Resources/subscriptions/resourceGroups/read",
    ])
    error_message = "Operators must have these actions, without run command and credentials."
  }

  assert {
    condition = alltrue([
      for role in [azurerm_role_definition.cluster_viewer, azurerm_role_definition.cluster_operator] :
      length(role.permissions) == 1 && length(coalesce(role.permissions[0].data_actions, [])) == 0 && role.assignable_scopes == tolist(["/subscriptions/00000000-0000-4000-8000-000000000001"])
    ])
    error_message = "The roles must hold no data actions, and be assignable in the subscription alone."
  }
}

run "reports_without_denying_when_told" {
  command = plan

  variables {
    enforce                 = false
    node_resource_group_ids = ["/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-aks-prod-nodes"]
  }

  assert {
    condition     = azurerm_subscription_policy_assignment.role_assignments.enforce == false && azurerm_subscription_policy_assignment.role_definitions.enforce == false
    error_message = "Without enforcement nothing is denied."
  }

  assert {
    condition     = azurerm_subscription_policy_assignment.role_assignments.not_scopes == tolist(["/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-aks-prod-nodes"])
    error_message = "AKS must be able to give its clusters their resource groups of nodes."
  }
}
