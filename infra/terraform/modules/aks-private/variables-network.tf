variable "network" {
  description = "The cluster's own virtual network: its range, the nodes' subnet, and the API server's subnet (for VNet integration)."
  type = object({
    address_space            = optional(string, "10.40.0.0/16")
    node_subnet_prefix       = optional(string, "10.40.0.0/22")
    api_server_subnet_prefix = optional(string, "10.40.4.0/28")
  })
  nullable = false
  default  = {}
}

variable "api_server_vnet_integration_enabled" {
  description = "Whether the API server stands in a subnet of the network instead of behind a private endpoint: no tunnel between nodes and API server. Cannot be undone."
  type        = bool
  nullable    = false
  default     = false
}

variable "outbound_type" {
  description = "How nodes reach the internet: userAssignedNATGateway (made here), userDefinedRouting (your route table to a firewall), loadBalancer."
  type        = string
  nullable    = false
  default     = "userAssignedNATGateway"

  validation {
    condition     = contains(["loadBalancer", "userAssignedNATGateway", "userDefinedRouting"], var.outbound_type)
    error_message = "The outbound type must be loadBalancer, userAssignedNATGateway or userDefinedRouting."
  }
}

variable "route_table_id" {
  description = "Route table for outbound_type userDefinedRouting; empty otherwise."
  type        = string
  nullable    = false
  default     = ""

  validation {
    condition     = (var.outbound_type == "userDefinedRouting") == (var.route_table_id != "")
    error_message = "Give a route table with outbound_type userDefinedRouting, and only then."
  }
}
