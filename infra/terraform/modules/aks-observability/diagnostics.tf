# What the control plane records. kube-audit-admin leaves out get and list, which are most of the volume and change nothing; guard is
# Entra's and Azure RBAC's part in each decision. "Dedicated" gives them tables of their own (AKSAuditAdmin, AKSControlPlane).
resource "azurerm_monitor_diagnostic_setting" "control_plane" {
  name                           = "control-plane"
  target_resource_id             = var.cluster.id
  log_analytics_workspace_id     = var.log_analytics_workspace_id
  log_analytics_destination_type = "Dedicated"

  enabled_log {
    category = "kube-audit-admin"
  }

  enabled_log {
    category = "guard"
  }

  enabled_log {
    category = "kube-apiserver"
  }
}
