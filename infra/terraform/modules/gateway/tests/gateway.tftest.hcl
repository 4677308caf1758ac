mock_provider "azurerm" {
  source = "../../mocks/azurerm"

  # Accounts, containers and identities must be told apart for the assertions on scopes.
  override_resource {
    target = azurerm_storage_account.runtime
    values = {
      id                    = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-gateway/providers/Microsoft.Storage/storageAccounts/struntime"
      primary_blob_endpoint = "https://struntime.blob.core.windows.net/"
    }
  }

  override_resource {
    target = azurerm_storage_account.audit
    values = {
      id                    = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-gateway/providers/Microsoft.Storage/storageAccounts/staudit"
      primary_blob_endpoint = "https://staudit.blob.core.windows.net/"
    }
  }

  override_resource {
    target = azurerm_storage_account.records
    values = {
      id                     = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-gateway/providers/Microsoft.Storage/storageAccounts/strecords"
      primary_blob_endpoint  = "https://strecords.blob.core.windows.net/"
      primary_table_endpoint = "https://strecords.table.core.windows.net/"
    }
  }

  override_resource {
    target = azurerm_storage_container.audit
    values = {
      id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-gateway/providers/Microsoft.Storage/storageAccounts/staudit/blobServices/default/containers/audit"
    }
  }

  override_resource {
    target = azurerm_storage_container.configuration
    values = {
      id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-gateway/providers/Microsoft.Storage/storageAccounts/staudit/blobServices/default/containers/configuration"
    }
  }

  override_resource {
    target = azurerm_storage_container.outputs
    values = {
      id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-gateway/providers/Microsoft.Storage/storageAccounts/strecords/blobServices/default/containers/aksgw-outputs"
    }
  }

  override_resource {
    target = azurerm_storage_container.checkpoints
    values = {
      id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-gateway/providers/Microsoft.Storage/storageAccounts/strecords/blobServices/default/containers/checkpoints"
    }
  }

  override_resource {
    target = azurerm_role_definition.run_command
    values = {
      role_definition_resource_id = "/subscriptions/00000000-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-0000000000b1"
    }
  }

  override_resource {
    target = azurerm_role_definition.signer
    values = {
      role_definition_resource_id = "/subscriptions/00000000-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-0000000000b3"
    }
  }

  override_resource {
    target = azurerm_role_definition.audit_writer
    values = {
      role_definition_resource_id = "/subscriptions/00000000-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-0000000000b2"
    }
  }
}

mock_provider "azapi" {
  source = "../../mocks/azapi"
}

variables {
  name                  = "aksgw-shop"
  location              = "westeurope"
  resource_group_name   = "rg-gateway"
  application_client_id = "00000000-0000-4000-8000-0000000000c1"
  deployer_principal_id = "00000000-0000-4000-8000-0000000000d1"

  clusters = {
    stage = { id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-stage/providers/Microsoft.ContainerService/managedClusters/aks-stage" }
    prod  = { id = "/subscriptions/00000000-0000-4000-8000-000000000009/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod" }
  }

  policy = <<-YAML
    policy:
      roles:
        viewer: { allow: [{ verbs: [get, list], resources: ['*'], namespaces: ['*'] }] }
      bindings:
        - { role: viewer, clusters: ['*'], subjects: [{ appRole: Viewer }] }
  YAML
}

run "may_do_three_things_to_each_cluster" {
  assert {
    condition     = length(azurerm_role_definition.run_command.permissions) == 1
    error_message = "The role must have one set of permissions."
  }

  assert {
    condition = sort(azurerm_role_definition.run_command.permissions[0].actions) == tolist([
      "Microsoft.ContainerService/managedClusters/commandResults/read",
      "Microsoft.ContainerService/managedClusters/read",
      "Microsoft.ContainerService/managedClusters/runcommand/action",
    ])
    error_message = "The role must hold exactly these three actions."
  }

  assert {
    condition     = length(coalesce(azurerm_role_definition.run_command.permissions[0].data_actions, [])) == 0
    error_message = "The role must hold no data actions."
  }

  assert {
    condition = azurerm_role_definition.run_command.assignable_scopes == tolist([
      "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-gateway",
      "/subscriptions/00000000-0000-4000-8000-000000000009/resourceGroups/rg-prod",
      "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-stage",
    ])
    error_message = "The role must be assignable in the gateway's and the clusters' resource groups alone."
  }

  assert {
    condition     = { for name, assignment in azurerm_role_assignment.run_command : name => assignment.scope } == { for name, cluster in var.clusters : name => cluster.id }
    error_message = "The role must be assigned on each cluster, and nowhere else."
  }

  assert {
    condition     = alltrue([for assignment in azurerm_role_assignment.run_command : assignment.role_definition_id == "/subscriptions/00000000-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-0000000000b1" && assignment.principal_id == azurerm_user_assigned_identity.gateway.principal_id])
    error_message = "The assignments must give this role to the gateway's identity."
  }
}

run "has_no_keys" {
  command = plan

  assert {
    condition = [
      for account in [azurerm_storage_account.runtime, azurerm_storage_account.audit, azurerm_storage_account.records] :
      [account.shared_access_key_enabled, account.default_to_oauth_authentication, account.local_user_enabled, account.cross_tenant_replication_enabled]
    ] == [[false, true, false, false], [false, true, false, false], [false, true, false, false]]
    error_message = "No account may take keys, local users or other tenants."
  }

  assert {
    condition     = azapi_resource.site.body.properties.functionAppConfig.deployment.storage.authentication.type == "UserAssignedIdentity"
    error_message = "The package must be read with the identity."
  }

  assert {
    condition = sort([for setting in azapi_resource.site.body.properties.siteConfig.appSettings : setting.name]) == tolist([
      "AKSGW_CONFIG",
      "AzureWebJobsStorage__accountName",
      "AzureWebJobsStorage__clientId",
      "AzureWebJobsStorage__credential",
    ])
    error_message = "The app must have exactly these settings: none that holds or asks for a key, none that Flex Consumption refuses."
  }

  assert {
    condition     = one([for setting in azapi_resource.site.body.properties.siteConfig.appSettings : setting.value if setting.name == "AzureWebJobsStorage__credential"]) == "managedidentity"
    error_message = "The host must use the identity."
  }

  assert {
    condition     = { for name, policy in azapi_update_resource.publishing : name => [policy.type, policy.body.properties.allow] } == { ftp = ["Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01", false], scm = ["Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01", false] }
    error_message = "Publishing by user and password must be off."
  }

  assert {
    condition     = azurerm_key_vault.gateway.rbac_authorization_enabled == true
    error_message = "The vault must take roles, not access policies."
  }
}

run "has_no_public_blobs" {
  command = plan

  assert {
    condition     = [for account in [azurerm_storage_account.runtime, azurerm_storage_account.audit, azurerm_storage_account.records] : account.allow_nested_items_to_be_public] == [false, false, false]
    error_message = "No account may allow public blobs."
  }

  assert {
    condition = {
      package       = azurerm_storage_container.package.container_access_type
      audit         = azurerm_storage_container.audit.container_access_type
      configuration = azurerm_storage_container.configuration.container_access_type
      outputs       = azurerm_storage_container.outputs.container_access_type
      checkpoints   = azurerm_storage_container.checkpoints.container_access_type
    } == { package = "private", audit = "private", configuration = "private", outputs = "private", checkpoints = "private" }
    error_message = "Every container must be private."
  }

  assert {
    condition = [
      for account in [azurerm_storage_account.runtime, azurerm_storage_account.audit, azurerm_storage_account.records] :
      [account.https_traffic_only_enabled, account.infrastructure_encryption_enabled, account.min_tls_version == "TLS1_2"]
    ] == [[true, true, true], [true, true, true], [true, true, true]]
    error_message = "Accounts must take TLS 1.2 alone and encrypt twice."
  }
}

run "keeps_the_trail" {
  command = plan

  assert {
    condition     = azurerm_storage_container_immutability_policy.audit.immutability_period_in_days == 365 && azurerm_storage_container_immutability_policy.audit.protected_append_writes_enabled == true && azurerm_storage_container_immutability_policy.audit.locked == false
    error_message = "The trail must be immutable for a year, growing by appends, and not locked unless asked for."
  }

  assert {
    condition     = azurerm_storage_container_immutability_policy.checkpoints.immutability_period_in_days == 365 && azurerm_storage_container_immutability_policy.checkpoints.protected_append_writes_enabled == true
    error_message = "The checkpoints must be as immutable as the trail."
  }

  assert {
    condition     = azurerm_storage_account.audit.blob_properties[0].versioning_enabled == true && azurerm_storage_account.audit.blob_properties[0].change_feed_enabled == true && azurerm_storage_account.audit.blob_properties[0].delete_retention_policy[0].days == 90 && azurerm_storage_account.audit.blob_properties[0].container_delete_retention_policy[0].days == 90
    error_message = "The trail's account must keep versions and what was deleted."
  }

  assert {
    condition     = azurerm_management_lock.audit[0].lock_level == "CanNotDelete"
    error_message = "The trail's account must be locked against deletion."
  }

  assert {
    condition = sort(azurerm_role_definition.audit_writer.permissions[0].data_actions) == tolist([
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",
      "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
    ])
    error_message = "The gateway may read and add, not write or delete."
  }

  assert {
    condition     = azurerm_role_definition.audit_writer.permissions[0].actions == tolist(["Microsoft.Storage/storageAccounts/blobServices/containers/read"])
    error_message = "The gateway may read the container's properties, no more."
  }
}

run "locks_the_trail_when_told" {
  state_key = "locked"

  variables {
    audit = { retention_days = 2000, locked = true, replication = "GZRS", deletion_lock = false }
  }

  assert {
    condition = [
      for policy in [azurerm_storage_container_immutability_policy.audit, azurerm_storage_container_immutability_policy.checkpoints] :
      [policy.locked, policy.immutability_period_in_days == 2000]
    ] == [[true, true], [true, true]]
    error_message = "Trail and checkpoints must be locked for the period asked for."
  }

  assert {
    condition = (
      azurerm_storage_container_immutability_policy.audit.storage_container_resource_manager_id == azurerm_storage_container.audit.id &&
      azurerm_storage_container_immutability_policy.checkpoints.storage_container_resource_manager_id == azurerm_storage_container.checkpoints.id
    )
    error_message = "Each policy must be its own container's."
  }

  assert {
    condition     = output.audit_retention == { days = 2000, locked = true }
    error_message = "What is said of the trail must be what is done to it."
  }

  assert {
    condition     = azurerm_storage_account.audit.account_replication_type == "GZRS" && length(azurerm_management_lock.audit) == 0
    error_message = "Redundancy and the lock against deletion must be those asked for."
  }
}

run "purges_for_good" {
  command = plan

  assert {
    condition     = azurerm_storage_account.records.blob_properties[0].versioning_enabled == false && length(azurerm_storage_account.records.blob_properties[0].delete_retention_policy) == 0 && length(azurerm_storage_account.records.blob_properties[0].container_delete_retention_policy) == 0
    error_message = "What a purge removes must not live on as a version or in soft delete."
  }

  assert {
    condition     = azapi_resource.records_table.type == "Microsoft.Storage/storageAccounts/tableServices/tables@2025-08-01" && azapi_resource.records_table.name == "aksgwrecords" && azurerm_storage_container.outputs.name == "aksgw-outputs"
    error_message = "The gateway looks for its table and container by these names."
  }
}

run "gives_each_place_its_role" {
  assert {
    condition = sort([
      for assignment in concat(values(azurerm_role_assignment.runtime), [
        azurerm_role_assignment.records,
        azurerm_role_assignment.outputs,
        azurerm_role_assignment.configuration,
      ]) : "${assignment.role_definition_name}: ${replace(assignment.scope, "/^.*/providers//", "")}"
      ]) == tolist([
      "Storage Blob Data Contributor: Microsoft.Storage/storageAccounts/strecords/blobServices/default/containers/aksgw-outputs",
      "Storage Blob Data Owner: Microsoft.Storage/storageAccounts/struntime",
      "Storage Blob Data Reader: Microsoft.Storage/storageAccounts/staudit/blobServices/default/containers/configuration",
      "Storage Queue Data Contributor: Microsoft.Storage/storageAccounts/struntime",
      "Storage Table Data Contributor: Microsoft.Storage/storageAccounts/strecords",
      "Storage Table Data Contributor: Microsoft.Storage/storageAccounts/struntime",
    ])
    error_message = "Each place must have its role, and no wider one."
  }

  assert {
    condition = {
      for assignment in [azurerm_role_assignment.audit, azurerm_role_assignment.checkpoints] :
      assignment.scope => assignment.role_definition_id
      } == {
      (azurerm_storage_container.audit.id)       = azurerm_role_definition.audit_writer.role_definition_resource_id
      (azurerm_storage_container.checkpoints.id) = azurerm_role_definition.audit_writer.role_definition_resource_id
    }
    error_message = "Trail and checkpoints must be added to by the role that can only add."
  }

  assert {
    condition     = [azurerm_role_assignment.key.scope, azurerm_role_assignment.key.role_definition_id] == [azurerm_key_vault.gateway.id, azurerm_role_definition.signer.role_definition_resource_id]
    error_message = "Keys must be signed with by the role that can only sign, in the whole vault: the gateway also looks for a key that may not be there."
  }

  assert {
    condition = alltrue([
      for assignment in concat(values(azurerm_role_assignment.runtime), [
        azurerm_role_assignment.records,
        azurerm_role_assignment.outputs,
        azurerm_role_assignment.configuration,
        azurerm_role_assignment.key,
        azurerm_role_assignment.audit,
        azurerm_role_assignment.checkpoints,
      ]) : assignment.principal_id == azurerm_user_assigned_identity.gateway.principal_id
    ])
    error_message = "The roles must be the gateway's identity's."
  }

  assert {
    condition = {
      (azurerm_role_assignment.deployer_keys.role_definition_name)          = [azurerm_role_assignment.deployer_keys.scope == azurerm_key_vault.gateway.id, azurerm_role_assignment.deployer_keys.principal_id]
      (azurerm_role_assignment.deployer_configuration.role_definition_name) = [azurerm_role_assignment.deployer_configuration.scope == azurerm_storage_container.configuration.id, azurerm_role_assignment.deployer_configuration.principal_id]
      } == {
      "Key Vault Crypto Officer"      = [true, var.deployer_principal_id]
      "Storage Blob Data Contributor" = [true, var.deployer_principal_id]
    }
    error_message = "The deployer must be able to make the key and write the configuration, no more."
  }
}

run "signs_with_a_p256_key" {
  command = plan

  assert {
    condition     = azurerm_key_vault_key.audit.key_type == "EC" && azurerm_key_vault_key.audit.curve == "P-256" && azurerm_key_vault_key.audit.key_opts == tolist(["sign", "verify"])
    error_message = "The key must be EC P-256, for signing alone."
  }

  assert {
    condition = length(azurerm_role_definition.signer.permissions) == 1 && length(azurerm_role_definition.signer.permissions[0].actions) == 0 && sort(azurerm_role_definition.signer.permissions[0].data_actions) == tolist([
      "Microsoft.KeyVault/vaults/keys/read",
      "Microsoft.KeyVault/vaults/keys/sign/action",
    ])
    error_message = "The gateway may read keys and sign, not change the key, take a backup or decrypt."
  }

  assert {
    condition     = azurerm_key_vault.gateway.purge_protection_enabled == true && azurerm_key_vault.gateway.soft_delete_retention_days == 90
    error_message = "A deleted key must be recoverable for 90 days, by anybody's wish."
  }
}

run "signs_in_an_hsm_when_told" {
  command = plan

  variables {
    vault_sku = "premium"
  }

  assert {
    condition     = azurerm_key_vault_key.audit.key_type == "EC-HSM" && azurerm_key_vault.gateway.sku_name == "premium"
    error_message = "A premium vault must keep the key in the HSM."
  }
}

run "runs_on_flex_consumption" {
  state_key = "flex"

  variables {
    always_ready = { http = 2, "function:sweep" = 1 }
  }

  assert {
    condition     = azurerm_service_plan.gateway.sku_name == "FC1" && azurerm_service_plan.gateway.os_type == "Linux"
    error_message = "The plan must be Flex Consumption."
  }

  assert {
    condition     = azapi_resource.site.type == "Microsoft.Web/sites@2025-03-01" && azapi_resource.site.body.kind == "functionapp,linux"
    error_message = "The app must be a Linux Functions app."
  }

  assert {
    condition     = azapi_resource.site.body.properties.httpsOnly == true && azapi_resource.site.body.properties.siteConfig.minTlsVersion == "1.2" && azapi_resource.site.body.properties.siteConfig.scmMinTlsVersion == "1.2" && azapi_resource.site.body.properties.siteConfig.ftpsState == "Disabled"
    error_message = "The app must take https of TLS 1.2 alone, and no FTP."
  }

  assert {
    condition     = azapi_resource.site.body.properties.functionAppConfig.runtime == { name = "node", version = "22" }
    error_message = "The app must run on Node 22."
  }

  assert {
    condition     = azapi_resource.site.body.properties.functionAppConfig.scaleAndConcurrency.alwaysReady == [{ name = "function:sweep", instanceCount = 1 }, { name = "http", instanceCount = 2 }]
    error_message = "The always-ready instances must be those asked for."
  }

  assert {
    condition     = azapi_resource.site.identity[0].type == "UserAssigned" && azapi_resource.site.identity[0].identity_ids == tolist([azurerm_user_assigned_identity.gateway.id])
    error_message = "The app must have the user-assigned identity, and no other."
  }

  assert {
    condition = azapi_resource.site.body.properties.functionAppConfig.deployment.storage == {
      type  = "blobContainer"
      value = "https://struntime.blob.core.windows.net/package"
      authentication = {
        type                           = "UserAssignedIdentity"
        userAssignedIdentityResourceId = azurerm_user_assigned_identity.gateway.id
      }
    }
    error_message = "The package must be read from its container, with the identity."
  }

  assert {
    condition = { for setting in azapi_resource.site.body.properties.siteConfig.appSettings : setting.name => setting.value } == {
      AKSGW_CONFIG                     = output.configuration_url
      AzureWebJobsStorage__accountName = azurerm_storage_account.runtime.name
      AzureWebJobsStorage__clientId    = azurerm_user_assigned_identity.gateway.client_id
      AzureWebJobsStorage__credential  = "managedidentity"
    }
    error_message = "The host must reach its own account, as the identity."
  }

  assert {
    condition     = !can(azapi_resource.site.body.properties.virtualNetworkSubnetId) && length(azurerm_private_endpoint.gateway) == 0
    error_message = "Without a private network there is none of it."
  }
}

run "writes_its_configuration" {
  assert {
    condition     = azurerm_storage_blob.configuration.storage_container_id == azurerm_storage_container.configuration.id && azurerm_storage_blob.configuration.name == "gateway.yaml"
    error_message = "gateway.yaml must lie where the gateway may only read."
  }

  assert {
    condition     = one([for setting in azapi_resource.site.body.properties.siteConfig.appSettings : setting.value if setting.name == "AKSGW_CONFIG"]) == "https://staudit.blob.core.windows.net/configuration/gateway.yaml"
    error_message = "The app must read its configuration from the audit account."
  }

  assert {
    condition = yamldecode(output.configuration).storage == {
      audit       = "https://staudit.blob.core.windows.net/audit"
      records     = "https://strecords.table.core.windows.net"
      signingKey  = "https://kv-mock.vault.azure.net/keys/mock"
      checkpoints = "https://strecords.blob.core.windows.net/checkpoints"
    }
    error_message = "The configuration must name the places that were made."
  }

  assert {
    condition     = yamldecode(output.configuration).azure == { credential = { kind = "managedIdentity", clientId = azurerm_user_assigned_identity.gateway.client_id } }
    error_message = "The gateway must use its identity, and without runAs caller nothing on behalf of others."
  }

  assert {
    condition     = yamldecode(output.configuration).clusters.prod.resourceId == var.clusters.prod.id && yamldecode(output.configuration).policy.roles.viewer.allow[0].verbs == ["get", "list"]
    error_message = "The configuration must hold the clusters and the policy given."
  }

  assert {
    condition     = yamldecode(output.configuration).publicUrl == "https://func-mock.azurewebsites.net"
    error_message = "The gateway must know its own address, and not take it from a Host header."
  }

  assert {
    condition     = output.url == "https://func-mock.azurewebsites.net" && output.publish_url == "https://func-mock.scm.azurewebsites.net/api/publish"
    error_message = "The addresses must be the app's."
  }
}

run "is_known_by_another_address_when_told" {
  variables {
    public_url = "https://access.example.com/k8s"
  }

  assert {
    condition     = yamldecode(output.configuration).publicUrl == "https://access.example.com/k8s" && output.url == "https://access.example.com/k8s"
    error_message = "Callers must know the gateway by the address given."
  }

  assert {
    condition     = output.publish_url == "https://func-mock.scm.azurewebsites.net/api/publish"
    error_message = "A package is published to the app itself, whatever stands in front of it."
  }
}

run "acts_on_behalf_of_callers_when_told" {
  variables {
    clusters = {
      prod = { id = "/subscriptions/00000000-0000-4000-8000-000000000009/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod", run_as = "caller" }
    }
  }

  assert {
    condition     = yamldecode(output.configuration).azure.onBehalfOf == { clientId = var.application_client_id, federatedIdentityClientId = azurerm_user_assigned_identity.gateway.client_id }
    error_message = "runAs caller needs the application and the identity that stands in for its secret."
  }
}

run "sends_telemetry_with_its_identity" {
  variables {
    telemetry = {
      enabled                 = true
      application_insights_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Insights/components/appi-mock"
      connection_string       = "InstrumentationKey=00000000-0000-4000-8000-000000000005"
    }
    audit_ingestion = {
      enabled                      = true
      data_collection_rule_id      = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Insights/dataCollectionRules/dcr-audit"
      data_collection_immutable_id = "dcr-00000000000000000000000000000001"
      endpoint                     = "https://dce-mock.westeurope-1.ingest.monitor.azure.com"
    }
    diagnostics = {
      enabled                    = true
      log_analytics_workspace_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.OperationalInsights/workspaces/log-mock"
    }
  }

  assert {
    condition = [for assignment in [azurerm_role_assignment.telemetry[0], azurerm_role_assignment.audit_ingestion[0]] : [assignment.role_definition_name, assignment.scope]] == [
      ["Monitoring Metrics Publisher", var.telemetry.application_insights_id],
      ["Monitoring Metrics Publisher", var.audit_ingestion.data_collection_rule_id],
    ]
    error_message = "The identity must be allowed to send, to these two alone."
  }

  assert {
    condition     = one([for setting in azapi_resource.site.body.properties.siteConfig.appSettings : setting.value if setting.name == "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]) == "ClientId=${azurerm_user_assigned_identity.gateway.client_id};Authorization=AAD"
    error_message = "Telemetry must be sent with the identity."
  }

  assert {
    condition     = yamldecode(output.configuration).telemetry.azureMonitor
    error_message = "The gateway must send the metrics that workbook and alerts read."
  }

  assert {
    condition     = yamldecode(output.configuration).monitorLogs.ruleId == "dcr-00000000000000000000000000000001"
    error_message = "The gateway must know where audit events go."
  }

  assert {
    condition = { for name, setting in merge(azurerm_monitor_diagnostic_setting.storage, { vault = azurerm_monitor_diagnostic_setting.vault[0] }) : name => sort([for log in setting.enabled_log : log.category]) } == {
      audit   = tolist(["StorageDelete", "StorageRead", "StorageWrite"])
      records = tolist(["StorageDelete", "StorageRead", "StorageWrite"])
      vault   = tolist(["AuditEvent"])
    }
    error_message = "Who touched vault, trail and records must be logged."
  }

  assert {
    condition     = azurerm_monitor_diagnostic_setting.storage["audit"].target_resource_id == "${azurerm_storage_account.audit.id}/blobServices/default"
    error_message = "Storage logs belong to the blob service, not to the account."
  }
}

run "closes_storage_and_vault_with_a_private_network" {
  state_key = "private"

  variables {
    private_network = {
      enabled               = true
      inbound               = true
      close_runtime_storage = true
      integration_subnet_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/app"
      endpoint_subnet_id    = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/endpoints"
      dns_zone_ids = {
        blob  = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"
        queue = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.queue.core.windows.net"
        table = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.table.core.windows.net"
        vault = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"
        sites = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.azurewebsites.net"
      }
    }
  }

  assert {
    condition     = [for account in [azurerm_storage_account.runtime, azurerm_storage_account.audit, azurerm_storage_account.records] : [account.public_network_access_enabled, account.network_rules[0].default_action == "Deny"]] == [[false, true], [false, true], [false, true]]
    error_message = "All accounts must be closed to the internet."
  }

  assert {
    condition     = azurerm_key_vault.gateway.public_network_access_enabled == false && azurerm_key_vault.gateway.network_acls[0].default_action == "Deny"
    error_message = "The vault must be closed to the internet."
  }

  assert {
    condition     = sort(keys(azurerm_private_endpoint.gateway)) == tolist(["app", "audit-blob", "records-blob", "records-table", "runtime-blob", "runtime-queue", "runtime-table", "vault"])
    error_message = "Each service that the gateway uses, and the app, must have an endpoint."
  }

  assert {
    condition = { for name, endpoint in azurerm_private_endpoint.gateway : name => endpoint.private_service_connection[0].subresource_names[0] } == {
      app           = "sites"
      audit-blob    = "blob"
      records-blob  = "blob"
      records-table = "table"
      runtime-blob  = "blob"
      runtime-queue = "queue"
      runtime-table = "table"
      vault         = "vault"
    }
    error_message = "Each endpoint must be for its service."
  }

  assert {
    condition = {
      for name, endpoint in azurerm_private_endpoint.gateway :
      name => [endpoint.private_service_connection[0].private_connection_resource_id, one(endpoint.private_dns_zone_group[0].private_dns_zone_ids)]
      } == {
      app           = [azapi_resource.site.id, var.private_network.dns_zone_ids.sites]
      audit-blob    = [azurerm_storage_account.audit.id, var.private_network.dns_zone_ids.blob]
      records-blob  = [azurerm_storage_account.records.id, var.private_network.dns_zone_ids.blob]
      records-table = [azurerm_storage_account.records.id, var.private_network.dns_zone_ids.table]
      runtime-blob  = [azurerm_storage_account.runtime.id, var.private_network.dns_zone_ids.blob]
      runtime-queue = [azurerm_storage_account.runtime.id, var.private_network.dns_zone_ids.queue]
      runtime-table = [azurerm_storage_account.runtime.id, var.private_network.dns_zone_ids.table]
      vault         = [azurerm_key_vault.gateway.id, var.private_network.dns_zone_ids.vault]
    }
    error_message = "Each endpoint must lead to its resource, by the zone of its service."
  }

  assert {
    condition     = alltrue([for endpoint in azurerm_private_endpoint.gateway : endpoint.subnet_id == var.private_network.endpoint_subnet_id])
    error_message = "Endpoints must stand in their subnet."
  }

  assert {
    condition     = azapi_resource.site.body.properties.publicNetworkAccess == "Disabled" && azapi_resource.site.body.properties.outboundVnetRouting.allTraffic == true && azapi_resource.site.body.properties.virtualNetworkSubnetId == var.private_network.integration_subnet_id
    error_message = "The app must be reached privately, and send everything through the network."
  }
}

run "lets_the_deployer_through_a_closed_firewall" {
  command   = plan
  state_key = "deployer"

  variables {
    deployer_ip_ranges = ["198.51.100.7"]
    private_network = {
      enabled               = true
      integration_subnet_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/app"
      endpoint_subnet_id    = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/endpoints"
      dns_zone_ids = {
        blob  = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"
        queue = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.queue.core.windows.net"
        table = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.table.core.windows.net"
        vault = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"
        sites = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-net/providers/Microsoft.Network/privateDnsZones/privatelink.azurewebsites.net"
      }
    }
  }

  assert {
    condition     = azurerm_storage_account.audit.public_network_access_enabled == true && azurerm_storage_account.audit.network_rules[0].default_action == "Deny" && azurerm_storage_account.audit.network_rules[0].ip_rules == toset(["198.51.100.7"])
    error_message = "The trail's account must be open to the deployer's addresses alone."
  }

  assert {
    condition     = azurerm_key_vault.gateway.network_acls[0].default_action == "Deny" && azurerm_key_vault.gateway.network_acls[0].ip_rules == toset(["198.51.100.7"])
    error_message = "The vault must be open to the deployer's addresses alone."
  }

  assert {
    condition     = azurerm_storage_account.runtime.public_network_access_enabled == true && !contains(keys(azurerm_private_endpoint.gateway), "app")
    error_message = "Until asked for, the runtime account stays open for publishing, and the app for callers."
  }
}
