variable "authorized_ip_ranges" {
  description = "Public ranges that may reach the API server. Run command does not need one: it comes from within Azure."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.authorized_ip_ranges) > 0 && alltrue([for range in var.authorized_ip_ranges : can(cidrnetmask(range))])
    error_message = "Name at least one IPv4 range in CIDR notation: without one, the API server is open to the internet."
  }

  validation {
    condition     = alltrue([for range in var.authorized_ip_ranges : try(tonumber(split("/", range)[1]) >= 8, false)])
    error_message = "A range wider than /8 is as good as none."
  }
}

variable "network" {
  description = "The cluster's own virtual network: its range and the nodes' subnet."
  type = object({
    address_space      = optional(string, "10.50.0.0/16")
    node_subnet_prefix = optional(string, "10.50.0.0/22")
  })
  nullable = false
  default  = {}
}
