import { beforeAll, describe, expect, test } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { isKnownFormat } from '../../infra/terraform/check/formats.ts';
import { readModule, type HclModule } from '../../infra/terraform/check/hcl.ts';
import { configurations, TERRAFORM } from '../../infra/terraform/check/modules.ts';
import { addressOf, typeOf } from '../../infra/terraform/check/walk.ts';
import { recorded, walk, type Mistake } from '../support/terraform.ts';

// The Terraform modules, read as HCL where there is no terraform. test/infra/terraform-run.test.ts has them run.

const modules = new Map<string, HclModule>();
const moduleAt = (folder: string): HclModule => {
  const module = modules.get(folder);
  if (!module) throw new Error(`${folder} is not a module`);
  return module;
};

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

beforeAll(async () => {
  for (const folder of configurations()) modules.set(folder, await readModule(TERRAFORM, folder));
});

describe('the Terraform modules', () => {
  test('are eight, and two examples', () => {
    expect(configurations()).toEqual([
      'modules/aks-network',
      'modules/aks-observability',
      'modules/aks-private',
      'modules/aks-standard',
      'modules/entra',
      'modules/gateway',
      'modules/guard',
      'modules/monitoring',
      'examples/one-cluster',
      'examples/three-clusters',
    ]);
  });

  test.each(configurations())('%s is what the recorded schemas, values and names allow', async (folder) => {
    expect(await walk(folder)).toEqual([]);
  });

  test.each(configurations())(
    '%s types, describes and forbids null for every variable, describes every output',
    (folder) => {
      const { variables, outputs } = moduleAt(folder);
      const untidy = Object.entries(variables).filter(
        ([, { type, description, nullable }]) => type === undefined || !description || nullable !== false,
      );
      expect(untidy.map(([name]) => name)).toEqual([]);
      expect(Object.entries(outputs).flatMap(([name, { description }]) => (description ? [] : [name]))).toEqual([]);
    },
  );

  test.each(configurations())('%s has a README and tests, and asks for the recorded versions', (folder) => {
    expect(globSync('README.md', { cwd: join(TERRAFORM, folder) })).toEqual(['README.md']);
    expect(globSync('tests/*.tftest.hcl', { cwd: join(TERRAFORM, folder) })).not.toEqual([]);
    const { providers, requiredVersion } = moduleAt(folder);
    expect(requiredVersion).toBe('>= 1.11');
    for (const [name, { version }] of Object.entries(providers)) {
      const [major, minor] = recorded.find((provider) => provider.name === name)?.version.split('.') ?? [];
      expect([name, version]).toEqual([name, `~> ${major}.${minor}`]);
    }
  });

  test.each(configurations())('%s passes what the modules that it calls ask for', (folder) => {
    for (const [name, { source, ...given }] of Object.entries(moduleAt(folder).calls)) {
      const called = moduleAt(`modules/${textOf(source).split('/').at(-1)}`);
      const required = Object.entries(called.variables).flatMap(([name, variable]) =>
        'default' in variable ? [] : [name],
      );
      const passed = Object.keys(given).filter(
        (argument) => !['count', 'for_each', 'depends_on', 'providers'].includes(argument),
      );
      expect([name, passed.filter((argument) => !called.variables[argument])]).toEqual([name, []]);
      expect([name, required.filter((argument) => !passed.includes(argument))]).toEqual([name, []]);
    }
  });
});

describe('security, as literal lists', () => {
  /** Every role that is given to anybody: where, which, on what. */
  const roles = (): readonly string[] =>
    [...modules.values()]
      .flatMap(({ folder, resources }) =>
        resources
          .filter((resource) => resource.type === 'azurerm_role_assignment')
          .map(({ name, body }) => {
            const role = textOf(body['role_definition_name'] ?? body['role_definition_id']);
            return `${folder} ${name}: ${role} on ${textOf(body['scope'])}`.replaceAll(/\$\{([^}]*)\}/g, '$1');
          }),
      )
      .sort();

  test('these roles are assigned, and no others', () => {
    expect(roles()).toEqual([
      'modules/aks-private network: Network Contributor on module.network.virtual_network_id',
      'modules/aks-private private_dns_zone: Private DNS Zone Contributor on azurerm_private_dns_zone.api_server.id',
      'modules/aks-private route_table: Network Contributor on var.route_table_id',
      'modules/aks-standard network: Network Contributor on module.network.virtual_network_id',
      'modules/gateway audit: azurerm_role_definition.audit_writer.role_definition_resource_id on azurerm_storage_container.audit.id',
      'modules/gateway audit_ingestion: Monitoring Metrics Publisher on var.audit_ingestion.data_collection_rule_id',
      'modules/gateway checkpoints: azurerm_role_definition.audit_writer.role_definition_resource_id on azurerm_storage_container.checkpoints.id',
      'modules/gateway configuration: Storage Blob Data Reader on azurerm_storage_container.configuration.id',
      'modules/gateway deployer_configuration: Storage Blob Data Contributor on azurerm_storage_container.configuration.id',
      'modules/gateway deployer_keys: Key Vault Crypto Officer on azurerm_key_vault.gateway.id',
      'modules/gateway key: azurerm_role_definition.signer.role_definition_resource_id on azurerm_key_vault.gateway.id',
      'modules/gateway outputs: Storage Blob Data Contributor on azurerm_storage_container.outputs.id',
      'modules/gateway records: Storage Table Data Contributor on azurerm_storage_account.records.id',
      'modules/gateway run_command: azurerm_role_definition.run_command.role_definition_resource_id on each.value.id',
      'modules/gateway runtime: each.value on azurerm_storage_account.runtime.id',
      'modules/gateway telemetry: Monitoring Metrics Publisher on var.telemetry.application_insights_id',
      'modules/monitoring grafana_logs: Monitoring Reader on local.workspace_id',
    ]);
    const runtime = moduleAt('modules/gateway').resources.find(
      (resource) => addressOf(resource) === 'azurerm_role_assignment.runtime',
    );
    expect(runtime?.body['for_each']).toBe(
      '${toset(["Storage Blob Data Owner", "Storage Queue Data Contributor", "Storage Table Data Contributor"])}',
    );
  });

  test('these actions are in custom roles, and no others', () => {
    const actions = [...modules.values()].flatMap(({ folder, resources }) =>
      resources
        .filter(({ type }) => type === 'azurerm_role_definition')
        .map(({ name, body }) => [`${folder} ${name}`, body['permissions']] as const),
    );
    expect(Object.fromEntries(actions)).toEqual({
      'modules/gateway run_command': [
        {
          actions: [
            'Microsoft.ContainerService/managedClusters/read',
            'Microsoft.ContainerService/managedClusters/runcommand/action',
            'Microsoft.ContainerService/managedClusters/commandResults/read',
          ],
          not_actions: [],
        },
      ],
      'modules/gateway audit_writer': [
        {
          actions: ['Microsoft.Storage/storageAccounts/blobServices/containers/read'],
          not_actions: [],
          data_actions: [
            'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read',
            'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action',
          ],
          not_data_actions: [],
        },
      ],
      'modules/gateway signer': [
        {
          actions: [],
          not_actions: [],
          data_actions: ['Microsoft.KeyVault/vaults/keys/read', 'Microsoft.KeyVault/vaults/keys/sign/action'],
          not_data_actions: [],
        },
      ],
      'modules/guard cluster_viewer': [
        {
          actions: [
            'Microsoft.ContainerService/managedClusters/read',
            'Microsoft.ContainerService/managedClusters/agentPools/read',
            'Microsoft.ContainerService/managedClusters/detectors/read',
            'Microsoft.ContainerService/managedClusters/maintenanceConfigurations/read',
            'Microsoft.ContainerService/managedClusters/upgradeProfiles/read',
            'Microsoft.Resources/subscriptions/resourceGroups/read',
          ],
          not_actions: [],
        },
      ],
      'modules/guard cluster_operator': [
        {
          actions: [
            'Microsoft.ContainerService/managedClusters/read',
            'Microsoft.ContainerService/managedClusters/write',
            'Microsoft.ContainerService/managedClusters/start/action',
            'Microsoft.ContainerService/managedClusters/stop/action',
            'Microsoft.ContainerService/managedClusters/agentPools/read',
            'Microsoft.ContainerService/managedClusters/agentPools/write',
            'Microsoft.ContainerService/managedClusters/agentPools/delete',
            'Microsoft.ContainerService/managedClusters/detectors/read',
            'Microsoft.ContainerService/managedClusters/maintenanceConfigurations/read',
            'Microsoft.ContainerService/managedClusters/maintenanceConfigurations/write',
            'Microsoft.ContainerService/managedClusters/upgradeProfiles/read',
            'Microsoft.Resources/subscriptions/resourceGroups/read',
          ],
          not_actions: [],
        },
      ],
    });
  });

  test('the private cluster waits for its roles and its zone', () => {
    const cluster = moduleAt('modules/aks-private').resources.find(({ type }) => type === 'azurerm_kubernetes_cluster');
    expect(cluster?.body['depends_on']).toEqual([
      '${azurerm_role_assignment.private_dns_zone}',
      '${azurerm_role_assignment.network}',
      '${azurerm_role_assignment.route_table}',
      '${azurerm_private_dns_zone_virtual_network_link.cluster}',
    ]);
  });
});

describe('the recordings', () => {
  test('hold the types that modules and examples use, and no others', () => {
    const used = [...modules.values()].flatMap(({ resources }) => resources.map(typeOf));
    const held = recorded.flatMap(({ schema }) => [
      ...Object.keys(schema.resource_schemas),
      ...Object.keys(schema.data_source_schemas).map((type) => `data.${type}`),
    ]);
    expect(held.sort()).toEqual([...new Set(used)].filter((type) => type !== 'terraform_data').sort());
  });

  test('say in whose words what is refused; the sentences that no format stands for are these', () => {
    const sentences = recorded.flatMap(({ values }) =>
      Object.values(values).flatMap((paths) =>
        Object.values(paths).flatMap(({ says = [], text }) => [...says, ...(text === undefined ? [] : [text])]),
      ),
    );
    const handled = /conflicts with|only one of|to be at least|Value must be one of/;
    const open = sentences.filter((sentence) => !isKnownFormat(sentence) && !handled.test(sentence));
    expect([...new Set(open.map((sentence) => sentence.replaceAll(/"[^"]*"|`[^`]*`/g, '…')))].sort()).toEqual([
      "'MetaData' must start with letters or an underscores and be all lowercase. Got …",
      'BillingBenefits scope is invalid',
      'Missing required argument | …: all of … must be specified',
      'The event hub name can contain only letters, numbers, periods (.',
      'The name length must be from 2 to 23 characters. The name can only contain letters, numbers and dashes, and it must begin with a letter and end with a letter or digit.',
      "Value for unconfigurable attribute | Can't configure a value for …: its value will be decided automatically based on the result of applying this configuration.",
      'expected size to be divisible by 512',
      'expected … in the format {<subscription id}|{workSpace id} but ',
      'expected … to have a host',
      'invalid notation of bgp community: expected …',
      'must be alphanumeric, and between 4 to 63 characters',
      'must begin with a letter, contain only letters, numbers, underscores and hyphens',
      'must contain only lowercase alphanumeric characters, numbers and hyphens. It must start with a letter, end only with a number or letter and not exceed 63 characters in length',
      "must end with '_CL'.",
    ]);
  });
});

describe('a planted mistake turns the walk red', () => {
  const gateway = 'modules/gateway';
  const mistakes: readonly (Mistake & { readonly finds: RegExp })[] = [
    {
      name: 'a misspelt attribute',
      file: `${gateway}/storage-audit.tf`,
      from: 'versioning_enabled',
      to: 'versionning_enabled',
      finds: /versionning_enabled: there is no such argument/,
    },
    {
      name: 'an attribute of the last major version',
      file: 'modules/aks-private/dns.tf',
      from: 'private_dns_zone_id  = azurerm_private_dns_zone.api_server.id',
      to: 'private_dns_zone_name = azurerm_private_dns_zone.api_server.name',
      finds: /private_dns_zone_name: there is no such argument/,
    },
    {
      name: 'a required attribute left out',
      file: `${gateway}/storage-runtime.tf`,
      from: 'account_tier             = "Standard"',
      to: '',
      finds: /account_tier: this argument is required/,
    },
    {
      name: 'a required block left out',
      file: 'modules/aks-standard/cluster.tf',
      from: 'node_provisioning_profile {',
      to: 'storage_profile {',
      finds: /node_provisioning_profile: at least 1/,
    },
    {
      name: 'a value that the provider decides',
      file: `${gateway}/identity.tf`,
      from: 'tags                = var.tags',
      to: 'principal_id        = var.name',
      finds: /principal_id: the provider decides/,
    },
    {
      name: 'a wrong type',
      file: 'modules/aks-private/cluster.tf',
      from: 'image_cleaner_interval_hours = 168',
      to: 'image_cleaner_interval_hours = "weekly"',
      finds: /"weekly" is not of type "number"/,
    },
    {
      name: 'a wrong enum',
      file: 'modules/aks-private/cluster.tf',
      from: 'network_plugin_mode = "overlay"',
      to: 'network_plugin_mode = "Overlay"',
      finds: /"Overlay" is not accepted: one of overlay/,
    },
    {
      name: 'a wrong pool name',
      file: 'modules/aks-private/cluster.tf',
      from: '"system"',
      to: '"system-pool"',
      finds: /"system-pool": must begin with a lowercase letter/,
    },
    {
      name: 'a number out of range',
      file: `${gateway}/vault.tf`,
      from: 'soft_delete_retention_days    = 90',
      to: 'soft_delete_retention_days    = 100',
      finds: /"100" is not accepted: 7 to 90/,
    },
    {
      name: 'an id of another kind',
      file: `${gateway}/storage-audit.tf`,
      from: 'scope      = azurerm_storage_account.audit.id',
      to: 'scope      = azurerm_storage_acount.audit.id',
      finds: /azurerm_storage_acount.audit is referred to, and is not declared/,
    },
    {
      name: 'a misspelt output of a resource',
      file: `${gateway}/run-command-role.tf`,
      from: 'azurerm_user_assigned_identity.gateway.principal_id',
      to: 'azurerm_user_assigned_identity.gateway.principalid',
      finds: /has no attribute principalid/,
    },
    {
      name: "a role's id instead of its resource id",
      file: `${gateway}/run-command-role.tf`,
      from: 'role_definition_resource_id',
      to: 'id',
      finds: /azurerm_role_definition.run_command.id/,
    },
    {
      name: 'a variable that is not there',
      file: `${gateway}/vault.tf`,
      from: 'var.vault_sku',
      to: 'var.vault_tier',
      finds: /var.vault_tier is referred to, and is not declared/,
    },
    {
      name: 'a wrong role name',
      file: `${gateway}/storage-records.tf`,
      from: '"Storage Table Data Contributor"',
      to: '"Storage Tables Data Contributor"',
      finds: /is not a built-in role/,
    },
    {
      name: 'a wrong action',
      file: `${gateway}/run-command-role.tf`,
      from: 'managedClusters/runcommand/action',
      to: 'managedClusters/runCommands/action',
      finds: /is not an action/,
    },
    {
      name: 'a wrong data action',
      file: `${gateway}/storage-audit.tf`,
      from: 'blobs/add/action',
      to: 'blobs/append/action',
      finds: /is not a data action/,
    },
    {
      name: 'a built-in policy that is none',
      file: 'modules/guard/policy-clusters.tf',
      from: '89f2d532-c53c-4f8f-9afa-4927b1114a0d',
      to: '89f2d532-c53c-4f8f-9afa-4927b1114a0e',
      finds: /is not a built-in policy/,
    },
    {
      name: 'a public container',
      file: `${gateway}/storage-audit.tf`,
      from: 'container_access_type = "private"',
      to: 'container_access_type = "blob"',
      finds: /container_access_type must be private/,
    },
    {
      name: 'a container that does not say',
      file: `${gateway}/configuration.tf`,
      from: 'container_access_type = "private"',
      to: '',
      finds: /container_access_type must be private/,
    },
    {
      name: 'an account that takes keys',
      file: `${gateway}/storage-records.tf`,
      from: 'shared_access_key_enabled         = false',
      to: 'shared_access_key_enabled         = true',
      finds: /shared_access_key_enabled must be false/,
    },
    {
      name: 'a key that can be purged',
      file: `${gateway}/vault.tf`,
      from: 'purge_protection_enabled      = true',
      to: '',
      finds: /purge_protection_enabled must be true/,
    },
    {
      name: 'local accounts',
      file: 'modules/aks-standard/cluster.tf',
      from: 'local_account_disabled            = true',
      to: 'local_account_disabled            = false',
      finds: /local_account_disabled must be true/,
    },
    {
      name: 'tokens for everybody',
      file: 'modules/entra/application.tf',
      from: 'app_role_assignment_required = true',
      to: 'app_role_assignment_required = false',
      finds: /app_role_assignment_required must be true/,
    },
    {
      name: 'tokens of version 1',
      file: 'modules/entra/application.tf',
      from: 'requested_access_token_version = 2',
      to: '',
      finds: /requested_access_token_version must be 2/,
    },
    {
      name: 'a policy that only audits',
      file: 'modules/guard/policy-role-assignments.tf',
      from: 'then = { effect = "deny" }',
      to: 'then = { effect = "audit" }',
      finds: /the effect of a policy must be deny/,
    },
    {
      name: 'a policy without an effect',
      file: 'modules/guard/policy-role-definitions.tf',
      from: 'then = { effect = "deny" }',
      to: 'then = {}',
      finds: /the effect of a policy must be deny/,
    },
    {
      name: 'a trail that cannot grow',
      file: `${gateway}/storage-audit.tf`,
      from: 'protected_append_writes_enabled       = true',
      to: 'protected_append_writes_enabled       = false',
      finds: /protected_append_writes_enabled must be true/,
    },
  ];

  test.each(mistakes)('$name', async ({ finds, ...mistake }) => {
    const folder = mistake.file.split('/').slice(0, 2).join('/');
    expect((await walk(folder, mistake)).join('\n')).toMatch(finds);
  });

  test('but a mistake whose place is gone is an error', async () => {
    const gone: Mistake = { name: 'gone', file: `${gateway}/vault.tf`, from: 'no such text', to: '' };
    await expect(walk(gateway, gone)).rejects.toThrow('there is no "no such text" to spoil');
  });
});

describe('the README', () => {
  const readme = readFileSync(join(TERRAFORM, 'README.md'), 'utf8');
  const rows = [...readme.matchAll(/^\| [^|]+ \| `(?<file>[^`]+)`, `(?<name>[^`]+)` \|$/gm)].map(({ groups = {} }) => ({
    file: groups['file'] ?? '',
    name: groups['name'] ?? '',
  }));

  test('names tests that exist in its table of security properties', () => {
    const gone = rows.filter(({ file, name }) => {
      if (file.endsWith('.ts')) return !readFileSync(join(TERRAFORM, '../..', file), 'utf8').includes(name);
      return !runsOf(file).includes(name);
    });
    expect(gone).toEqual([]);
  });

  test('names every run of the modules but refusals of bad inputs', () => {
    const all = globSync('modules/*/tests/*.tftest.hcl', { cwd: TERRAFORM }).flatMap((file) =>
      runsOf(file).map((name) => ({ file, name })),
    );
    const listed = new Set(rows.map(({ file, name }) => `${file} ${name}`));
    const missing = all.filter(({ file, name }) => !name.startsWith('refuses_') && !listed.has(`${file} ${name}`));
    expect(missing).toEqual([]);
    expect(rows.length).toBeGreaterThan(50);
  });

  test('asks for outputs that the example has', () => {
    const asked = [...readme.matchAll(/output -raw (\w+)/g)].map(([, name = '']) => name);
    expect(new Set(asked)).toEqual(new Set(['optional_claims_command', 'deploy_command', 'url', 'token_scope']));
    expect(Object.keys(moduleAt('examples/one-cluster').outputs)).toEqual(expect.arrayContaining(asked));
  });

  function runsOf(file: string): readonly string[] {
    const text = readFileSync(join(TERRAFORM, file), 'utf8');
    return [...text.matchAll(/^run "([^"]+)"/gm)].map(([, name = '']) => name);
  }
});
