provider "azurerm" {
  subscription_id     = var.subscription_id
  storage_use_azuread = true # there are no account keys

  # Since 5.0 the provider registers nothing by itself, and "core" lacks these.
  resource_provider_registrations = "core"
  resource_providers_to_register = [
    "Microsoft.AlertsManagement",
    "Microsoft.App",
    "Microsoft.ContainerService",
    "Microsoft.Dashboard",
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.Monitor",
    "Microsoft.OperationalInsights",
    "Microsoft.OperationsManagement",
    "Microsoft.PolicyInsights",
    "Microsoft.Storage",
    "Microsoft.Web",
  ]

  features {}
}

provider "azuread" {
  tenant_id = var.tenant_id
}

provider "azapi" {
  subscription_id = var.subscription_id
}
