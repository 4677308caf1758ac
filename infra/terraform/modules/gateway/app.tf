resource "azurerm_service_plan" "gateway" {
  name                = "asp-${var.name}"
  location            = var.location
  resource_group_name = var.resource_group_name
  os_type             = "Linux"
  sku_name            = "FC1"
  tags                = var.tags
}

# By azapi, not azurerm_function_app_flex_consumption: up to 5.2.0 that one adds a connection string with an empty key to the settings
# whatever authentication is asked for, and deployments fail with it (terraform-provider-azurerm #29693 and #29149,
# azure-functions-host #11796). Go back to it once those are closed.
resource "azapi_resource" "site" {
  type      = "Microsoft.Web/sites@2025-03-01"
  name      = "func-${var.name}-${local.unique}"
  parent_id = local.resource_group_id
  location  = var.location
  tags      = var.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.gateway.id]
  }

  body = {
    kind = "functionapp,linux"
    properties = merge({
      serverFarmId          = azurerm_service_plan.gateway.id
      httpsOnly             = true
      clientAffinityEnabled = false
      publicNetworkAccess   = var.private_network.inbound ? "Disabled" : "Enabled"

      siteConfig = {
        minTlsVersion    = "1.2"
        scmMinTlsVersion = "1.2"
        ftpsState        = "Disabled"
        http20Enabled    = true
        appSettings      = [for name in sort(keys(local.settings)) : { name = name, value = local.settings[name] }]
      }

      functionAppConfig = {
        deployment = {
          storage = {
            type  = "blobContainer"
            value = "${azurerm_storage_account.runtime.primary_blob_endpoint}${azurerm_storage_container.package.name}"
            authentication = {
              type                           = "UserAssignedIdentity"
              userAssignedIdentityResourceId = azurerm_user_assigned_identity.gateway.id
            }
          }
        }
        runtime = { name = "node", version = var.runtime_version }
        scaleAndConcurrency = {
          maximumInstanceCount = var.scale.maximum_instances
          instanceMemoryMB     = var.scale.memory_mb
          alwaysReady          = [for group in sort(keys(var.always_ready)) : { name = group, instanceCount = var.always_ready[group] }]
        }
      }
    }, local.virtual_network)
  }

  response_export_values = ["properties.defaultHostName"]

  # The host looks for its storage as soon as it starts.
  depends_on = [azurerm_role_assignment.runtime]
}

locals {
  # A "for" over the object, since the two sides of a condition must have one type.
  virtual_network = {
    for name, value in {
      virtualNetworkSubnetId = var.private_network.integration_subnet_id
      outboundVnetRouting    = { allTraffic = true }
    } : name => value if var.private_network.enabled
  }

  # No AzureWebJobsStorage: with it the host would look for a key. FUNCTIONS_WORKER_RUNTIME, FUNCTIONS_EXTENSION_VERSION and
  # WEBSITE_RUN_FROM_PACKAGE are refused on Flex Consumption.
  settings = merge({
    AzureWebJobsStorage__accountName = azurerm_storage_account.runtime.name
    AzureWebJobsStorage__credential  = "managedidentity"
    AzureWebJobsStorage__clientId    = azurerm_user_assigned_identity.gateway.client_id
    AKSGW_CONFIG                     = local.configuration_url
    }, var.telemetry.enabled ? {
    APPLICATIONINSIGHTS_CONNECTION_STRING     = var.telemetry.connection_string
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING = "ClientId=${azurerm_user_assigned_identity.gateway.client_id};Authorization=AAD"
  } : {})

  configuration_url = "${azurerm_storage_account.audit.primary_blob_endpoint}${azurerm_storage_container.configuration.name}/gateway.yaml"
}

# No publish user and password: publishing takes an Entra token (One Deploy).
resource "azapi_update_resource" "publishing" {
  for_each = toset(["ftp", "scm"])

  type      = "Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01"
  name      = each.value
  parent_id = azapi_resource.site.id
  body      = { properties = { allow = false } }
}
