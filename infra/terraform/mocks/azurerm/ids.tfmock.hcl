# Ids as Azure writes them, so that the real providers' parsers take them too: the same tests pass with the real providers.

mock_resource "azurerm_resource_group" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock"
  }
}

mock_resource "azurerm_kubernetes_cluster" {
  defaults = {
    id              = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.ContainerService/managedClusters/aks-mock"
    oidc_issuer_url = "https://westeurope.oic.prod-aks.azure.com/00000000-0000-4000-8000-000000000002/00000000-0000-4000-8000-000000000009/"
  }
}

mock_resource "azurerm_virtual_network" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Network/virtualNetworks/vnet-mock"
  }
}

mock_resource "azurerm_subnet" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Network/virtualNetworks/vnet-mock/subnets/snet-mock"
  }
}

mock_resource "azurerm_public_ip" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Network/publicIPAddresses/pip-mock"
  }
}

mock_resource "azurerm_nat_gateway" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Network/natGateways/ng-mock"
  }
}

mock_resource "azurerm_private_dns_zone" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Network/privateDnsZones/mock.example"
  }
}

mock_resource "azurerm_private_endpoint" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Network/privateEndpoints/pe-mock"
  }
}

mock_resource "azurerm_user_assigned_identity" {
  defaults = {
    id           = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-mock"
    principal_id = "00000000-0000-4000-8000-000000000003"
    client_id    = "00000000-0000-4000-8000-000000000004"
    tenant_id    = "00000000-0000-4000-8000-000000000002"
  }
}

mock_resource "azurerm_monitor_data_collection_endpoint" {
  defaults = {
    id                      = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Insights/dataCollectionEndpoints/dce-mock"
    logs_ingestion_endpoint = "https://dce-mock.westeurope-1.ingest.monitor.azure.com"
  }
}

mock_resource "azurerm_monitor_data_collection_rule" {
  defaults = {
    id           = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Insights/dataCollectionRules/dcr-mock"
    immutable_id = "dcr-00000000000000000000000000000001"
  }
}

mock_resource "azurerm_log_analytics_workspace" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.OperationalInsights/workspaces/log-mock"
  }
}

mock_resource "azurerm_monitor_workspace" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Monitor/accounts/amw-mock"
  }
}

mock_resource "azurerm_application_insights" {
  defaults = {
    id                = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Insights/components/appi-mock"
    connection_string = "InstrumentationKey=00000000-0000-4000-8000-000000000005"
  }
}

mock_resource "azurerm_storage_account" {
  defaults = {
    id                     = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Storage/storageAccounts/stmock"
    primary_blob_endpoint  = "https://stmock.blob.core.windows.net/"
    primary_table_endpoint = "https://stmock.table.core.windows.net/"
    primary_queue_endpoint = "https://stmock.queue.core.windows.net/"
  }
}

mock_resource "azurerm_storage_container" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Storage/storageAccounts/stmock/blobServices/default/containers/mock"
  }
}

mock_resource "azurerm_key_vault" {
  defaults = {
    id        = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.KeyVault/vaults/kv-mock"
    vault_uri = "https://kv-mock.vault.azure.net/"
  }
}

mock_resource "azurerm_service_plan" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Web/serverFarms/asp-mock"
  }
}

mock_resource "azurerm_role_definition" {
  defaults = {
    id                          = "/subscriptions/00000000-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-000000000006|/subscriptions/00000000-0000-4000-8000-000000000001"
    role_definition_id          = "00000000-0000-4000-8000-000000000006"
    role_definition_resource_id = "/subscriptions/00000000-0000-4000-8000-000000000001/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-000000000006"
  }
}

mock_resource "azurerm_policy_definition" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-000000000001/providers/Microsoft.Authorization/policyDefinitions/mock"
  }
}

mock_resource "azurerm_key_vault_key" {
  defaults = {
    id                      = "https://kv-mock.vault.azure.net/keys/mock/00000000000000000000000000000007"
    versionless_id          = "https://kv-mock.vault.azure.net/keys/mock"
    resource_versionless_id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.KeyVault/vaults/kv-mock/keys/mock"
  }
}

mock_data "azurerm_client_config" {
  defaults = {
    tenant_id       = "00000000-0000-4000-8000-000000000002"
    subscription_id = "00000000-0000-4000-8000-000000000001"
    object_id       = "00000000-0000-4000-8000-000000000008"
    client_id       = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
  }
}

mock_resource "azurerm_monitor_action_group" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Insights/actionGroups/ag-mock"
  }
}

mock_resource "azurerm_log_analytics_workspace_table_custom_log" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.OperationalInsights/workspaces/log-mock/tables/AksGatewayAudit_CL"
  }
}

mock_resource "azurerm_dashboard_grafana" {
  defaults = {
    id       = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Dashboard/grafana/amg-mock"
    endpoint = "https://amg-mock.weu.grafana.azure.com"
  }
}
