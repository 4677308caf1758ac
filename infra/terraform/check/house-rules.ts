import { checkPolicyRule } from './policy-rule.ts';
import type { Finding } from './provider.ts';
import { isSet, UNKNOWN, valuesAt, type Value } from './value.ts';

type RequiredValues = Readonly<Record<string, string | number | boolean>>;

/** Values that must be written, whatever the provider's default is today. */
const requiredValues: Readonly<Record<string, RequiredValues>> = {
  azurerm_storage_account: {
    shared_access_key_enabled: false,
    default_to_oauth_authentication: true,
    allow_nested_items_to_be_public: false,
    local_user_enabled: false,
    cross_tenant_replication_enabled: false,
    https_traffic_only_enabled: true,
    infrastructure_encryption_enabled: true,
    min_tls_version: 'TLS1_2',
  },
  azurerm_storage_container: { container_access_type: 'private' },
  azurerm_storage_container_immutability_policy: { protected_append_writes_enabled: true },
  azurerm_key_vault: { rbac_authorization_enabled: true, purge_protection_enabled: true },
  azurerm_key_vault_key: { curve: 'P-256' },
  azurerm_kubernetes_cluster: {
    local_account_disabled: true,
    role_based_access_control_enabled: true,
    run_command_enabled: true,
    oidc_issuer_enabled: true,
    workload_identity_enabled: true,
    'azure_active_directory_role_based_access_control.azure_rbac_enabled': true,
    'default_node_pool.node_public_ip_enabled': false,
  },
  azurerm_subnet: { default_outbound_access_enabled: false },
  azuread_application_registration: { sign_in_audience: 'AzureADMyOrg', requested_access_token_version: 2 },
  azuread_service_principal: { app_role_assignment_required: true },
};

/**
 * What holds of every resource of a kind in this project, and rules across attributes that the providers know only when they apply:
 * wherever one is added, it is held to them.
 */
export function checkHouseRules(type: string, config: Value): readonly Finding[] {
  return [...checkRequired(requiredValues[type] ?? {}, config), ...(crossRules[type]?.(config) ?? [])];
}

function checkRequired(required: RequiredValues, config: Value): readonly Finding[] {
  return Object.entries(required).flatMap(([path, expected]) => {
    const found = valuesAt(config, path).map(({ value }) => value);
    if (found.length > 0 && found.every((value) => value === expected || value === UNKNOWN)) return [];
    return [{ path: path.split('.'), message: `${path} must be ${String(expected)}` }];
  });
}

const crossRules: Readonly<Record<string, (config: Value) => readonly Finding[]>> = {
  azurerm_kubernetes_cluster: checkCluster,
  azurerm_policy_definition: checkPolicy,
  azurerm_monitor_diagnostic_setting: (config) =>
    isSet(at(config, 'enabled_log')) || isSet(at(config, 'enabled_metric'))
      ? []
      : [{ path: ['enabled_log'], message: 'a diagnostic setting must collect something' }],
};

const at = (config: Value, path: string): Value | undefined => valuesAt(config, path)[0]?.value;

/** Rules of the provider that only its plan and apply know. */
function checkCluster(config: Value): readonly Finding[] {
  const broken: Finding[] = [];
  const rule = (holds: boolean, path: string, message: string): void => {
    if (!holds) broken.push({ path: path.split('.'), message });
  };
  const isPrivate = at(config, 'private_cluster_enabled') === true;
  const ranges = 'api_server_access_profile.authorized_ip_ranges';
  rule(isPrivate || isSet(at(config, ranges)), ranges, 'an API server that is not private must name who may reach it');
  const zone = at(config, 'private_dns_zone_id');
  const prefix = at(config, 'dns_prefix_private_cluster');
  const customZone = isSet(zone) && zone !== 'System' && zone !== 'None';
  rule(
    !isSet(prefix) || customZone,
    'dns_prefix_private_cluster',
    'is for a cluster with a private DNS zone of its own',
  );
  const free = at(config, 'sku_tier') === 'Free';
  const costs = at(config, 'cost_analysis_enabled') === true;
  rule(!(free && costs), 'cost_analysis_enabled', 'cost analysis needs the tier Standard or Premium');
  const provisioning = at(config, 'node_provisioning_profile.mode') === 'Auto';
  const autoscaler = at(config, 'default_node_pool.auto_scaling_enabled') === true;
  const pool = 'default_node_pool.auto_scaling_enabled';
  rule(!(provisioning && autoscaler), pool, 'node provisioning and the autoscaler exclude one another');
  const [least, most] = ['min_count', 'max_count'].map((name) => at(config, `default_node_pool.${name}`));
  const ordered = typeof least !== 'number' || typeof most !== 'number' || least <= most;
  rule(ordered, 'default_node_pool.max_count', 'must not be less than min_count');
  return broken;
}

/** A policy of this project denies; one that only audits would be a report that nobody reads. */
function checkPolicy(config: Value): readonly Finding[] {
  const text = at(config, 'policy_rule');
  if (text === UNKNOWN) return [];
  const rule = parseJson(text);
  const faults = rule === undefined ? [] : checkPolicyRule(rule);
  const denies = at(rule ?? null, 'then.effect') === 'deny';
  return [...(denies ? [] : ['the effect of a policy must be deny']), ...faults].map((message) => ({
    path: ['policy_rule'],
    message,
  }));
}

function parseJson(text: Value | undefined): Value | undefined {
  try {
    return JSON.parse(typeof text === 'string' ? text : '{}') as Value;
  } catch {
    return undefined; // not JSON: the recorded values say so as well
  }
}
