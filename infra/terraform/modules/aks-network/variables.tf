variable "name" {
  description = "Prefix of every name, usually the cluster's name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name))
    error_message = "The name must be 3 to 40 lowercase letters, digits and hyphens, starting with a letter and not ending with a hyphen."
  }
}

variable "location" {
  description = "Azure region in its short form, such as westeurope."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+[a-z0-9]*$", var.location))
    error_message = "The location must be a region's short name, such as westeurope."
  }
}

variable "resource_group_name" {
  description = "Resource group that holds the network."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[-\\w().]{1,89}[-\\w()]$", var.resource_group_name))
    error_message = "The resource group's name may have letters, digits, hyphens, underscores, parentheses and periods, and must not end with a period."
  }
}

variable "address_space" {
  description = "Address range of the virtual network, in CIDR notation."
  type        = string
  nullable    = false
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrnetmask(var.address_space))
    error_message = "The address space must be an IPv4 range such as 10.40.0.0/16."
  }
}

variable "node_subnet_prefix" {
  description = "Address range of the nodes. With Azure CNI overlay each node takes one address of it; pods take none."
  type        = string
  nullable    = false
  default     = "10.40.0.0/22"

  validation {
    condition     = can(cidrnetmask(var.node_subnet_prefix))
    error_message = "The node subnet must be an IPv4 range such as 10.40.0.0/22."
  }
}

variable "api_server_subnet" {
  description = "The delegated subnet for API server VNet integration: whether it exists, and its address range (at least /28)."
  type = object({
    enabled = bool
    prefix  = optional(string, "10.40.4.0/28")
  })
  nullable = false
  default  = { enabled = false }

  validation {
    condition     = can(cidrnetmask(var.api_server_subnet.prefix)) && try(tonumber(split("/", var.api_server_subnet.prefix)[1]) <= 28, false)
    error_message = "The API server's subnet must be an IPv4 range of at least 16 addresses (/28 or larger)."
  }
}

variable "outbound_type" {
  description = "How nodes reach the internet: userAssignedNATGateway (this module makes one), userDefinedRouting (your route table), loadBalancer."
  type        = string
  nullable    = false
  default     = "userAssignedNATGateway"

  validation {
    condition     = contains(["loadBalancer", "userAssignedNATGateway", "userDefinedRouting"], var.outbound_type)
    error_message = "The outbound type must be loadBalancer, userAssignedNATGateway or userDefinedRouting."
  }
}

variable "route_table_id" {
  description = "Route table for outbound_type userDefinedRouting, with a default route to a firewall; empty otherwise."
  type        = string
  nullable    = false
  default     = ""

  validation {
    condition     = (var.outbound_type == "userDefinedRouting") == (var.route_table_id != "")
    error_message = "Give a route table with outbound_type userDefinedRouting, and only then."
  }
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  nullable    = false
  default     = {}
}
