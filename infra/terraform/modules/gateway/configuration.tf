locals {
  # The metrics that the monitoring module's workbook and alerts read; `telemetry` of the policy's text, if there is one, goes before.
  configuration = merge(var.telemetry.enabled ? { telemetry = { azureMonitor = true } } : {}, yamldecode(var.policy), {
    version   = 1
    publicUrl = local.public_url
    identity = {
      tenants  = [data.azurerm_client_config.current.tenant_id]
      audience = var.application_client_id
    }
    azure = merge(
      { credential = { kind = "managedIdentity", clientId = azurerm_user_assigned_identity.gateway.client_id } },
      local.on_behalf_of
    )
    clusters = {
      for name, cluster in var.clusters : name => {
        resourceId       = cluster.id
        runAs            = cluster.run_as
        impersonate      = cluster.impersonate
        defaultNamespace = cluster.default_namespace
      }
    }
    storage = {
      audit       = "${azurerm_storage_account.audit.primary_blob_endpoint}${azurerm_storage_container.audit.name}"
      records     = trimsuffix(azurerm_storage_account.records.primary_table_endpoint, "/")
      signingKey  = azurerm_key_vault_key.audit.versionless_id
      checkpoints = "${azurerm_storage_account.records.primary_blob_endpoint}${azurerm_storage_container.checkpoints.name}"
    }
    }, var.audit_ingestion.enabled ? {
    monitorLogs = {
      endpoint = var.audit_ingestion.endpoint
      ruleId   = var.audit_ingestion.data_collection_immutable_id
      stream   = var.audit_ingestion.stream
    }
  } : {})

  # The application's federated credential (module entra) lets the identity stand in for a client secret.
  on_behalf_of = anytrue([for cluster in var.clusters : cluster.run_as == "caller"]) ? {
    onBehalfOf = {
      clientId                  = var.application_client_id
      federatedIdentityClientId = azurerm_user_assigned_identity.gateway.client_id
    }
  } : {}

  # Always written: a client refuses metadata that name another resource than the one it asked for (RFC 9728, section 3.3), and what a
  # Host header says must not decide which one that is.
  public_url = var.public_url != "" ? var.public_url : "https://${azapi_resource.site.output.properties.defaultHostName}"
}

# In the audit account, where the gateway may only read: in its runtime account it could rewrite its own policy. Earlier versions are
# kept (versioning).
resource "azurerm_storage_container" "configuration" {
  name                  = "configuration"
  storage_account_id    = azurerm_storage_account.audit.id
  container_access_type = "private"
}

resource "azurerm_storage_blob" "configuration" {
  name                 = "gateway.yaml"
  storage_container_id = azurerm_storage_container.configuration.id
  type                 = "Block"
  content_type         = "application/yaml"
  source_content       = yamlencode(local.configuration)

  depends_on = [azurerm_role_assignment.deployer_configuration]
}

resource "azurerm_role_assignment" "configuration" {
  scope                = azurerm_storage_container.configuration.id
  role_definition_name = "Storage Blob Data Reader"
  principal_id         = azurerm_user_assigned_identity.gateway.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "deployer_configuration" {
  scope                = azurerm_storage_container.configuration.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = var.deployer_principal_id
}
