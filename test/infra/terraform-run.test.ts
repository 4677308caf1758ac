import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { configurations, TERRAFORM } from '../../infra/terraform/check/modules.ts';
import { planText, readPlan } from '../../infra/terraform/check/plan.ts';
import { loadConfig } from '../../shared/config/load.ts';
import { describeTerraform, TerraformCheck, type Mistake } from '../support/terraform.ts';

const MINUTES = 60_000;

describeTerraform('terraform, over the recorded providers', () => {
  let terraform: TerraformCheck;
  beforeAll(async () => {
    terraform = await TerraformCheck.start();
  });
  afterAll(() => {
    terraform[Symbol.dispose]();
  });

  const modules = configurations().filter((folder) => folder.startsWith('modules/'));
  test.each(modules)(
    'validates %s, and passes its tests',
    async (folder) => {
      const { ok, report } = await terraform.run(folder);
      expect(report).toBe('');
      expect(ok).toBe(true);
    },
    5 * MINUTES,
  );

  const examples = configurations().filter((folder) => folder.startsWith('examples/'));
  test.each(examples)(
    'validates %s, passes its tests; its README shows its plan; the gateway takes the gateway.yaml that it writes',
    async (folder) => {
      const { report, planned, outputs } = await terraform.run(folder);
      expect(report).toBe('');
      expect(readPlan(join(TERRAFORM, folder))).toBe(planText(planned));

      const { config } = loadConfig(String(outputs['configuration']), {
        baseDir: '/',
        source: 'gateway.yaml',
        env: {},
      });
      expect(config.azure.credential).toMatchObject({ kind: 'managedIdentity' });
      expect(config.storage).toMatchObject({
        audit: { kind: 'azure' },
        records: { kind: 'azure' },
        signingKey: { kind: 'azure' },
      });
      expect(config.clusters.size).toBe(folder.endsWith('one-cluster') ? 1 : 3);
      expect(readFileSync(join(TERRAFORM, folder, 'policy.yaml'), 'utf8')).toContain('bindings:');
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
  // The first ones are quick. All of them take a minute: AKSGW_TERRAFORM=all.
  const planted = process.env['AKSGW_TERRAFORM'] === 'all' ? mistakes : mistakes.slice(0, 4);

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
