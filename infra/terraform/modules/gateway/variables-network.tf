variable "private_network" {
  description = "Private endpoints for storage and vault, and the app's way to them: a subnet delegated to Microsoft.App/environments with an explicit way out (NAT gateway or firewall: all traffic goes through it), a subnet for endpoints, and the private DNS zones. With inbound, the app itself is reached privately alone. close_runtime_storage also shuts the runtime account to the internet: do it after the first publish, which a closed firewall breaks."
  type = object({
    enabled               = bool
    inbound               = optional(bool, false)
    close_runtime_storage = optional(bool, false)
    integration_subnet_id = optional(string, "")
    endpoint_subnet_id    = optional(string, "")
    dns_zone_ids = optional(object({
      blob  = string
      queue = string
      table = string
      vault = string
      sites = string
    }), { blob = "", queue = "", table = "", vault = "", sites = "" })
  })
  nullable = false
  default  = { enabled = false }

  validation {
    condition     = !var.private_network.enabled || alltrue([for id in [var.private_network.integration_subnet_id, var.private_network.endpoint_subnet_id] : can(regex("/providers/Microsoft.Network/virtualNetworks/[^/]+/subnets/[^/]+$", id))])
    error_message = "An enabled private network needs the ids of a subnet for the app and of one for endpoints."
  }

  validation {
    condition     = !var.private_network.enabled || alltrue([for id in values(var.private_network.dns_zone_ids) : can(regex("/providers/Microsoft.Network/privateDnsZones/[^/]+$", id))])
    error_message = "An enabled private network needs the ids of five private DNS zones."
  }

  validation {
    condition     = var.private_network.enabled || !(var.private_network.inbound || var.private_network.close_runtime_storage)
    error_message = "inbound and close_runtime_storage need an enabled private network."
  }
}

variable "deployer_ip_ranges" {
  description = "With a private network: public ranges from which whoever applies this still reaches storage and vault. Storage takes no range smaller than /30, and single addresses without a suffix."
  type        = list(string)
  nullable    = false
  default     = []

  validation {
    condition     = alltrue([for range in var.deployer_ip_ranges : can(cidrnetmask(range)) ? tonumber(split("/", range)[1]) <= 30 : can(cidrnetmask("${range}/32"))])
    error_message = "A range is an IPv4 address, or an IPv4 range of /30 or larger."
  }
}
