import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Applied } from '../../infra/terraform/check/configuration.ts';
import { configurations, TERRAFORM } from '../../infra/terraform/check/modules.ts';
import { planText, readPlan } from '../../infra/terraform/check/plan.ts';
import { interpret } from '../../shared/command/interpret.ts';
import { loadConfig } from '../../shared/config/load.ts';
import { runPolicyCases } from '../../shared/policy/cases.ts';
import { denies, type PolicyAssignment } from '../support/azure-policy.ts';
import { describeTerraform, TerraformCheck, type Mistake } from '../support/terraform.ts';

const MINUTES = 60_000;

/** Run command by its name and by wildcards that take it in. */
const RUN_COMMAND = [
  'Microsoft.ContainerService/managedClusters/runcommand/action',
  'Microsoft.ContainerService/managedClusters/runCommand/action',
  '*',
  '*/action',
  '*/runCommand/*',
  'Microsoft.*/action',
  'Microsoft.ContainerService/*',
  'Microsoft.ContainerService/managedClusters/*',
  'Microsoft.ContainerService/managedClusters/run*',
  'Microsoft.ContainerService/managedClusters/*/action',
  'Microsoft.ContainerService/managedClusters/runcommand/*',
];
const OTHER_ACTIONS = [
  '*/read',
  'Microsoft.Storage/*',
  'Microsoft.Compute/*/action',
  'Microsoft.ContainerService/*/read',
  'Microsoft.ContainerService/managedClusters/write',
  'Microsoft.ContainerService/managedClusters/commandResults/read',
  'Microsoft.ContainerService/managedClusters/list*/action',
];

/** Run command's name, some stretches of it replaced by a wildcard. */
const anyWildcards = fc
  .array(fc.tuple(fc.nat(60), fc.nat(20)), { minLength: 1, maxLength: 3 })
  .map((stretches) =>
    stretches.reduce(
      (text, [from, length]) => `${text.slice(0, from)}*${text.slice(from + length)}`,
      'Microsoft.ContainerService/managedClusters/runcommand/action',
    ),
  );

describeTerraform('terraform, over the recorded providers', () => {
  let terraform: TerraformCheck;
  beforeAll(async () => {
    terraform = await TerraformCheck.start();
  });
  afterAll(() => {
    terraform[Symbol.dispose]();
  });

  const appSettings = {
    APPLICATIONINSIGHTS_CONNECTION_STRING: 'InstrumentationKey=00000000-0000-4000-8000-000000000005',
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=x;Authorization=AAD',
  };
  const load = (outputs: Applied['outputs']) =>
    loadConfig(String(outputs['configuration']), { baseDir: '/', source: 'gateway.yaml', env: appSettings }).config;

  const modules = configurations().filter((folder) => folder.startsWith('modules/'));
  test.each(modules)(
    'validates %s, and passes its tests',
    async (folder) => {
      const { ok, report, applied } = await terraform.run(folder);
      expect(report).toBe('');
      expect(ok).toBe(true);
      if (folder === 'modules/gateway') expectEveryConfigurationTaken(applied);
      if (folder === 'modules/guard') expectRunCommandDenied(applied);
    },
    5 * MINUTES,
  );

  /** The gateway takes gateway.yaml as each run has it written: with and without ingestion, on behalf of callers, another address. */
  function expectEveryConfigurationTaken(applied: readonly Applied[]): void {
    const taken = new Map(applied.map(({ run, outputs }) => [run, load(outputs)]));
    expect(taken.get('writes_its_configuration')?.publicUrl).toBe('https://func-mock.azurewebsites.net');
    expect(taken.get('is_known_by_another_address_when_told')?.publicUrl).toBe('https://access.example.com/k8s');
    expect(taken.get('acts_on_behalf_of_callers_when_told')?.azure.onBehalfOf).toBeDefined();
    const watched = taken.get('sends_telemetry_with_its_identity');
    expect(watched?.monitorLogs).toBeDefined();
    expect(watched?.telemetry?.to).toMatchObject({ kind: 'azureMonitor', authenticated: true });
    expect(taken.get('closes_storage_and_vault_with_a_private_network')?.publicUrl).toBeDefined();
  }

  /** The guard's policies, as Terraform writes them, decide as Azure would. */
  function expectRunCommandDenied(applied: readonly Applied[]): void {
    const made = applied.find(({ run }) => run === 'denies_custom_roles_with_run_command')?.resources ?? {};
    const policy = (name: string): PolicyAssignment => ({
      rule: JSON.parse(String(made[`azurerm_policy_definition.${name}`]?.['policy_rule'])) as PolicyAssignment['rule'],
      parameters: JSON.parse(
        String(made[`azurerm_subscription_policy_assignment.${name}`]?.['parameters']),
      ) as PolicyAssignment['parameters'],
    });

    const definitions = policy('role_definitions');
    const role = (actions: readonly string[], more: Readonly<Record<string, string>> = {}) =>
      denies(definitions, {
        type: 'Microsoft.Authorization/roleDefinitions',
        name: '00000000-0000-4000-8000-0000000000ff',
        'Microsoft.Authorization/roleDefinitions/type': 'CustomRole',
        'Microsoft.Authorization/roleDefinitions/permissions[*].actions[*]': actions,
        ...more,
      });
    expect(RUN_COMMAND.filter((action) => !role(['*/read', action]))).toEqual([]);
    expect(OTHER_ACTIONS.filter((action) => role([action]))).toEqual([]);
    fc.assert(fc.property(anyWildcards, (action) => role([action])));
    // A request may leave the type out: it is a custom role all the same.
    expect(role(['*'], { 'Microsoft.Authorization/roleDefinitions/type': '' })).toBe(true);
    expect(role(['*'], { 'Microsoft.Authorization/roleDefinitions/type': 'BuiltInRole' })).toBe(false);
    expect(role(['*'], { name: '00000000-0000-4000-8000-0000000000b1' })).toBe(false);

    const assignments = policy('role_assignments');
    const assigned = (roleId: string, principalId: string) =>
      denies(assignments, {
        type: 'Microsoft.Authorization/roleAssignments',
        'Microsoft.Authorization/roleAssignments/roleDefinitionId': `/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/${roleId}`,
        'Microsoft.Authorization/roleAssignments/principalId': principalId,
      });
    const [owner, reader] = ['8e3af657-a8ff-443c-a75c-2fe8c4bcb635', 'acdd72a7-3385-48ef-bd42-f606fba81ae7'];
    const [gateway, breakGlass, somebody] = ['a1', 'b9', 'c7'].map((id) => `00000000-0000-4000-8000-0000000000${id}`);
    expect(assigned(owner, String(somebody))).toBe(true);
    expect(assigned('00000000-0000-4000-8000-0000000000b1', String(somebody))).toBe(true);
    expect(assigned(reader, String(somebody))).toBe(false);
    expect(assigned('00000000-0000-4000-8000-0000000000b1', String(gateway))).toBe(false);
    expect(assigned(owner, String(breakGlass))).toBe(false);
  }

  const examples = configurations().filter((folder) => folder.startsWith('examples/'));
  test.each(examples)(
    'validates %s, passes its tests; its README shows its plan, its policy says what its cases say',
    async (folder) => {
      const { report, planned, applied } = await terraform.run(folder);
      expect(report).toBe('');
      expect(readPlan(join(TERRAFORM, folder))).toBe(planText(planned));

      const config = load(applied.at(-1)?.outputs ?? {});
      expect(config.azure.credential).toMatchObject({ kind: 'managedIdentity' });
      expect(config.storage).toMatchObject({
        audit: { kind: 'azure' },
        records: { kind: 'azure' },
        signingKey: { kind: 'azure' },
      });
      expect(config.clusters.size).toBe(folder.endsWith('one-cluster') ? 1 : 3);
      expect(config.publicUrl).toBe('https://func-mock.azurewebsites.net');

      // The hour's walk ends in one of them.
      const cases = readFileSync(join(TERRAFORM, folder, 'cases.yaml'), 'utf8');
      const { results, untested } = runPolicyCases(config, cases, { interpret, source: 'cases.yaml' });
      expect(results.filter(({ passed }) => !passed)).toEqual([]);
      expect(untested).toEqual([]);
    },
    5 * MINUTES,
  );

  interface Planted extends Mistake {
    readonly folder: string;
    /** The one test file that is run: the one that must turn red. */
    readonly only: string;
    readonly finds: RegExp;
  }

  // Each stands for a kind that only an evaluation finds: what reaches an attribute by a variable, a condition or a function, and what
  // is allowed and wrong all the same.
  const mistakes: readonly Planted[] = [
    {
      name: 'an enum spelt wrong by an expression',
      folder: 'modules/aks-network',
      only: 'network.tftest.hcl',
      file: 'modules/aks-network/egress.tf',
      from: 'sku_name                = "Standard"',
      to: 'sku_name                = lower("Standard")',
      finds: /"standard" is not accepted: one of Standard, StandardV2/,
    },
    {
      name: 'network policies between nodes and API server',
      folder: 'modules/aks-network',
      only: 'network.tftest.hcl',
      file: 'modules/aks-network/network.tf',
      from: 'private_endpoint_network_policies = "Disabled"',
      to: 'private_endpoint_network_policies = "Enabled"',
      finds: /No network policy may stand between nodes and the API server's endpoint/,
    },
    {
      name: 'a check on an input taken away',
      folder: 'modules/guard',
      only: 'refusals.tftest.hcl',
      file: 'modules/guard/variables.tf',
      from: 'length(var.exempt_principal_ids) > 0 && ',
      to: '',
      finds: /var\.exempt_principal_ids, was expected to report an error/,
    },
    {
      name: 'a policy that only audits',
      folder: 'modules/guard',
      only: 'guard.tftest.hcl',
      file: 'modules/guard/policy-role-assignments.tf',
      from: 'effect = "deny"',
      to: 'effect = "audit"',
      finds: /the effect of a policy must be deny/,
    },
    {
      name: 'a policy that denies the gateway and lets everybody else in',
      folder: 'modules/guard',
      only: 'guard.tftest.hcl',
      file: 'modules/guard/policy-role-assignments.tf',
      from: 'notIn = "[parameters(\'principals\')]"',
      to: 'in = "[parameters(\'principals\')]"',
      finds: /The policy must deny the roles in question to all but the principals in question/,
    },
    {
      name: 'a misspelt property of the app',
      folder: 'modules/gateway',
      only: 'gateway.tftest.hcl',
      file: 'modules/gateway/app.tf',
      from: 'instanceMemoryMB ',
      to: 'instanceMemoryMb ',
      finds: /the API knows no instanceMemoryMb here/,
    },
    {
      name: 'a role taken away',
      folder: 'modules/gateway',
      only: 'gateway.tftest.hcl',
      file: 'modules/gateway/storage-runtime.tf',
      from: '"Storage Queue Data Contributor", ',
      to: '',
      finds: /Each place must have its role, and no wider one/,
    },
    {
      name: 'a setting that asks for a key',
      folder: 'modules/gateway',
      only: 'gateway.tftest.hcl',
      file: 'modules/gateway/app.tf',
      from: 'AKSGW_CONFIG                     = local.configuration_url',
      to: 'AKSGW_CONFIG                     = local.configuration_url\n    AzureWebJobsStorage              = ""',
      finds: /The app must have exactly these settings/,
    },
    {
      name: 'a gateway that takes its address from a Host header',
      folder: 'modules/gateway',
      only: 'gateway.tftest.hcl',
      file: 'modules/gateway/configuration.tf',
      from: 'version   = 1\n    publicUrl = local.public_url\n',
      to: 'version = 1\n',
      finds: /publicUrl/,
    },
    {
      name: 'a trail that is never locked',
      folder: 'modules/gateway',
      only: 'gateway.tftest.hcl',
      file: 'modules/gateway/storage-audit.tf',
      from: 'var.audit.locked',
      to: 'false',
      finds: /must be locked for the period asked for/,
    },
    {
      name: 'a signer that finds no other key',
      folder: 'modules/gateway',
      only: 'gateway.tftest.hcl',
      file: 'modules/gateway/vault.tf',
      from: 'scope              = azurerm_key_vault.gateway.id',
      to: 'scope              = azurerm_key_vault_key.audit.resource_versionless_id',
      finds: /the gateway also looks for a key that may not be there/,
    },
    {
      name: "a workload with another's roles",
      folder: 'modules/entra',
      only: 'entra.tftest.hcl',
      file: 'modules/entra/callers.tf',
      from: 'caller[each.value.caller].object_id',
      to: 'caller[keys(local.callers)[0]].object_id',
      finds: /Each workload must have its own roles/,
    },
    {
      name: 'a federated credential for every branch',
      folder: 'modules/entra',
      only: 'entra.tftest.hcl',
      file: 'modules/entra/callers.tf',
      from: 'ref:refs/heads/${caller.branch}',
      to: 'ref:refs/heads/*',
      finds: /Each workload must be known by its issuer and its exact subject/,
    },
    {
      name: 'a cluster without its zone',
      folder: 'modules/aks-private',
      only: 'private.tftest.hcl',
      file: 'modules/aks-private/dns.tf',
      from: '"privatelink"}.',
      to: '"private"}.',
      finds: /AKS takes the private endpoint's zone by this name alone/,
    },
  ];
  // The first ones are quick, and nothing else sees that a role is gone. All of them take minutes: AKSGW_TERRAFORM=all.
  const all = process.env['AKSGW_TERRAFORM'] === 'all';
  const planted = mistakes.filter(({ name }, at) => all || at < 4 || name === 'a role taken away');

  test.each(planted)(
    'turns red with $name',
    async ({ folder, only, finds, ...mistake }) => {
      const { ok, report } = await terraform.runWith(mistake, folder, only);
      expect(ok).toBe(false);
      expect(report).toMatch(finds);
    },
    5 * MINUTES,
  );
});
