# Bad inputs, each refused by the variable that it is for.

mock_provider "azuread" {
  source = "../../mocks/azuread"
}

run "refuses_ids_that_are_none_and_roles_that_are_scopes" {
  command = plan

  variables {
    name         = "!"
    owners       = ["me@example.com"]
    on_behalf_of = { enabled = true }
    app_roles    = { "Commands.Run" = { display_name = "Run", description = "Run." } }
  }

  expect_failures = [var.name, var.owners, var.on_behalf_of, var.app_roles]
}

run "refuses_roles_for_members_that_are_none" {
  command = plan

  variables {
    app_roles = { Viewer = { display_name = "Viewer", description = "Look.", allowed_member_types = ["Group"] } }
  }

  expect_failures = [var.app_roles]
}

run "refuses_assignments_to_unknown_roles" {
  command = plan

  variables {
    assignments = { team = { principal_object_id = "00000000-0000-4000-8000-0000000000f1", app_role = "Veiwer" } }
  }

  expect_failures = [var.assignments]
}

run "refuses_a_workflow_of_any_branch" {
  command = plan

  variables {
    github_callers = { release = { repository = "contoso/shop", app_roles = ["Viewer"] } }
  }

  expect_failures = [var.github_callers]
}

run "refuses_callers_without_roles" {
  command = plan

  variables {
    github_callers     = { release = { repository = "contoso/shop", branch = "main", app_roles = [] } }
    kubernetes_callers = { janitor = { issuer_url = "https://issuer.example.com/", namespace = "ops", service_account = "janitor", app_roles = ["Admin"] } }
  }

  expect_failures = [var.github_callers, var.kubernetes_callers]
}

run "refuses_every_service_account_of_a_cluster" {
  command = plan

  variables {
    kubernetes_callers = { all = { issuer_url = "https://issuer.example.com/", namespace = "*", service_account = "*", app_roles = ["Viewer"] } }
  }

  expect_failures = [var.kubernetes_callers]
}
