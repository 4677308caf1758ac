resource "azurerm_application_insights_workbook" "gateway" {
  # One name for one workspace, without a provider that makes names.
  name                = uuidv5("oid", "aksgw-workbook-${var.name}-${var.resource_group_name}")
  display_name        = "AKS access gateway ${var.name}"
  location            = var.location
  resource_group_name = var.resource_group_name
  source_id           = lower(local.workspace_id)
  category            = "workbook"
  data_json           = replace(file("${path.module}/workbook.json"), "GATEWAY_PRINCIPAL_ID", var.gateway_principal_id)
  tags                = var.tags
}
