import { describe, expect, test } from '@jest/globals';

import { createResourceCheck } from '../../infra/terraform/check/resources.ts';
import { UNKNOWN, type ObjectValue } from '../../infra/terraform/check/value.ts';
import { recorded } from '../support/terraform.ts';

// What the schema-serving provider says of evaluated values: the providers' own rules, Azure's names, this project's rules.

const check = createResourceCheck(recorded);
const messages = (type: string, config: ObjectValue): string =>
  check(type, config)
    .map(({ path, message }) => `${path.join('.')}: ${message}`)
    .join('\n');

const SUBSCRIPTION = '/subscriptions/00000000-0000-4000-8000-000000000001';
const GROUP = `${SUBSCRIPTION}/resourceGroups/rg`;
const CLUSTER = `${GROUP}/providers/Microsoft.ContainerService/managedClusters/aks`;
const VAULT = `${GROUP}/providers/Microsoft.KeyVault/vaults/kv`;
const cluster = (settings: ObjectValue): ObjectValue => ({ private_cluster_enabled: true, ...settings });

describe('a value is refused', () => {
  test.each<[string, string, ObjectValue, RegExp]>([
    [
      'outside an enum',
      'azurerm_storage_account',
      { account_tier: 'Basic' },
      /account_tier: "Basic" is not accepted: one of Premium, Standard/,
    ],
    ['in the wrong case', 'azurerm_storage_account', { account_replication_type: 'zrs' }, /"zrs" is not accepted/],
    [
      'out of range',
      'azurerm_storage_container_immutability_policy',
      { immutability_period_in_days: 0 },
      /"0" is not accepted: 1 to 146000/,
    ],
    [
      'below a minimum',
      'azurerm_kubernetes_cluster',
      cluster({ default_node_pool: [{ os_disk_size_gb: 0 }] }),
      /default_node_pool.0.os_disk_size_gb: "0" is less than 1/,
    ],
    ['as an id of another kind', 'azurerm_key_vault_key', { key_vault_id: CLUSTER }, /an id of KeyVault/],
    [
      'as an id with the wrong capitals',
      'azurerm_key_vault_key',
      { key_vault_id: VAULT.replace('resourceGroups', 'resourcegroups') },
      /an id of KeyVault/,
    ],
    ['as a GUID that is none', 'azuread_app_role_assignment', { app_role_id: 'Viewer' }, /to be a valid UUID/],
    [
      'as a range that is none',
      'azurerm_kubernetes_cluster',
      cluster({ network_profile: [{ pod_cidr: '10.244.0.0/33' }] }),
      /must start with IPV4 address/,
    ],
    [
      'as a range too small for storage',
      'azurerm_storage_account',
      { network_rules: [{ ip_rules: ['198.51.100.7/32'] }] },
      /0-30/,
    ],
    [
      'as JSON that is none',
      'azurerm_policy_definition',
      { parameters: '{', policy_rule: '{"then":{"effect":"deny"}}' },
      /contains an invalid JSON/,
    ],
    [
      'as a name that storage cannot take',
      'azurerm_storage_account',
      { name: 'st-audit' },
      /lowercase letters and numbers/,
    ],
    ['as a name too long', 'azurerm_key_vault', { name: 'kv-with-a-name-far-too-long' }, /between 3-24 chars/],
    [
      'beside one that excludes it',
      'azurerm_key_vault_key',
      { key_size: 2048 },
      /key_size and curve exclude one another/,
    ],
    [
      'as one of two ways to name a role',
      'azurerm_role_assignment',
      {
        role_definition_id: `${SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-0000000000b1`,
        role_definition_name: 'Storage Blob Data Reader',
      },
      /exclude one another/,
    ],
    [
      'as a role that there is not',
      'azurerm_role_assignment',
      { role_definition_name: 'Storage Blob Reader' },
      /is not a built-in role/,
    ],
    [
      "as a role definition's id",
      'azurerm_role_assignment',
      {
        role_definition_id: `${SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-4000-8000-0000000000b1|${SUBSCRIPTION}`,
      },
      /use role_definition_resource_id/,
    ],
    [
      'as an action that there is not',
      'azurerm_role_definition',
      { permissions: [{ actions: ['*'] }] },
      /"\*" is not an action/,
    ],
    [
      'as a log category of another resource',
      'azurerm_monitor_diagnostic_setting',
      { target_resource_id: VAULT, enabled_log: [{ category: 'kube-audit' }] },
      /"kube-audit" is not a log category of Microsoft.KeyVault\/vaults/,
    ],
    [
      'as a setting that collects nothing',
      'azurerm_monitor_diagnostic_setting',
      { target_resource_id: VAULT, enabled_log: [] },
      /must collect something/,
    ],
    [
      'as a private link service of another resource',
      'azurerm_private_endpoint',
      { private_service_connection: [{ private_connection_resource_id: VAULT, subresource_names: ['blob'] }] },
      /"blob" is not a private link service/,
    ],
    [
      'as a body of azapi that nobody recorded',
      'azapi_resource',
      { type: 'Microsoft.Web/sites@2099-01-01', body: {} },
      /is not recorded/,
    ],
    [
      'in a body of azapi, misspelt',
      'azapi_resource',
      { type: 'Microsoft.Web/sites@2025-03-01', body: { properties: { httpOnly: true } } },
      /body.properties.httpOnly: the API knows no httpOnly here/,
    ],
    [
      'in a body of azapi, of the wrong type',
      'azapi_resource',
      { type: 'Microsoft.Web/sites@2025-03-01', body: { properties: { httpsOnly: 'yes' } } },
      /"yes" is not a bool/,
    ],
    [
      'in a body of azapi, outside an enum',
      'azapi_resource',
      {
        type: 'Microsoft.Web/sites@2025-03-01',
        body: {
          properties: {
            functionAppConfig: { deployment: { storage: { authentication: { type: 'ManagedIdentity' } } } },
          },
        },
      },
      /is not one of SystemAssignedIdentity/,
    ],
    ['as an API server open to all', 'azurerm_kubernetes_cluster', {}, /must name who may reach it/],
    [
      "as a prefix without a zone of the cluster's own",
      'azurerm_kubernetes_cluster',
      cluster({ dns_prefix_private_cluster: 'aks', private_dns_zone_id: 'System' }),
      /a private DNS zone of its own/,
    ],
    [
      'as cost analysis in the tier Free',
      'azurerm_kubernetes_cluster',
      cluster({ sku_tier: 'Free', cost_analysis_enabled: true }),
      /Standard or Premium/,
    ],
    [
      'as two that scale nodes',
      'azurerm_kubernetes_cluster',
      cluster({ node_provisioning_profile: [{ mode: 'Auto' }], default_node_pool: [{ auto_scaling_enabled: true }] }),
      /exclude one another/,
    ],
    [
      'as a pool that shrinks to more than it grows',
      'azurerm_kubernetes_cluster',
      cluster({ default_node_pool: [{ min_count: 5, max_count: 3 }] }),
      /must not be less than min_count/,
    ],
    [
      'as a policy that audits',
      'azurerm_policy_definition',
      { policy_rule: '{"then":{"effect":"audit"}}' },
      /must be deny/,
    ],
    [
      'as a policy that looks for two wildcards at once',
      'azurerm_policy_definition',
      policy({ allOf: [{ not: { field: 'name', like: '*runcommand*' } }] }),
      /"like" takes one wildcard/,
    ],
    [
      'as a policy that looks for a wildcard in a text',
      'azurerm_policy_definition',
      policy({ count: { field: 'a[*]', where: { field: 'a[*]', notContains: '*' } }, greater: 0 }),
      /"notContains" takes no wildcard/,
    ],
    [
      'as a policy with a condition that Azure does not know',
      'azurerm_policy_definition',
      policy({ anyOf: [{ field: 'type', equal: 'Microsoft.Authorization/roleDefinitions' }] }),
      /one operator: not field, equal/,
    ],
    ['as a policy of no conditions', 'azurerm_policy_definition', policy({ allOf: [] }), /must list conditions/],
    ['as a policy that is not JSON', 'azurerm_policy_definition', { policy_rule: 'deny' }, /must be deny/],
    ['as a public container', 'azurerm_storage_container', { container_access_type: 'container' }, /must be private/],
    ['left out where it must be written', 'azurerm_key_vault', {}, /purge_protection_enabled must be true/],
  ])('%s', (_, type, config, message) => {
    // What a key conflicts with stands in the same configuration.
    const whole = type === 'azurerm_key_vault_key' ? { curve: 'P-256', ...config } : config;
    expect(messages(type, whole)).toMatch(message);
  });

  function policy(condition: object): ObjectValue {
    return { policy_rule: `{"if":${JSON.stringify(condition)},"then":{"effect":"deny"}}` };
  }
});

describe('a value passes', () => {
  test.each<[string, string, ObjectValue]>([
    [
      'that is unknown until apply',
      'azurerm_role_assignment',
      { scope: UNKNOWN, role_definition_id: UNKNOWN, principal_id: UNKNOWN },
    ],
    ['that is absent', 'azurerm_role_assignment', { scope: null, role_definition_name: null }],
    [
      'that is one of two kinds of id',
      'azurerm_role_assignment',
      { scope: VAULT, role_definition_name: 'Key Vault Crypto Officer' },
    ],
    [
      'that is a word where an id could be',
      'azurerm_subscription_policy_assignment',
      {
        subscription_id: SUBSCRIPTION,
        policy_definition_id:
          '/providers/Microsoft.Authorization/policyDefinitions/993c2fcd-2b29-49d2-9eb0-df2c3a730c32',
      },
    ],
    [
      'that a data source looks up',
      'data.azuread_service_principal',
      { client_id: '6dae42f8-4368-4678-94ff-3960e28e3630' },
    ],
  ])('%s', (_, type, config) => {
    expect(messages(type, config)).toBe('');
  });
});
