# azapi's output is whatever response_export_values names; a mock gives null unless told.

mock_resource "azapi_resource" {
  defaults = {
    id     = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Web/sites/func-mock"
    output = { properties = { defaultHostName = "func-mock.azurewebsites.net" } }
  }
}

mock_resource "azapi_update_resource" {
  defaults = {
    id     = "/subscriptions/00000000-0000-4000-8000-000000000001/resourceGroups/rg-mock/providers/Microsoft.Web/sites/func-mock"
    output = {}
  }
}
