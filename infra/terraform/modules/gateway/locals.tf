data "azurerm_client_config" "current" {}

locals {
  subscription_id   = "/subscriptions/${data.azurerm_client_config.current.subscription_id}"
  resource_group_id = "${local.subscription_id}/resourceGroups/${var.resource_group_name}"

  # Accounts and vaults have one name space in all of Azure.
  unique  = substr(sha256("${local.resource_group_id}/${var.name}"), 0, 6)
  letters = substr(replace(var.name, "-", ""), 0, 12)

  # With a private network, storage and vault are closed but for the deployer's addresses.
  closed      = var.private_network.enabled
  public_data = !local.closed || length(var.deployer_ip_ranges) > 0
}
