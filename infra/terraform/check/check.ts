import { join } from 'node:path';

import { checkConfiguration, type Outcome } from './configuration.ts';
import { configurations, TERRAFORM } from './modules.ts';
import { serveProviders } from './provider.ts';
import { readRecorded } from './recorded.ts';
import { createResourceCheck } from './resources.ts';
import { createTerraform, terraformVersion } from './terraform.ts';

/**
 * `npm run check:terraform [-- MODULE…]`: format, `terraform validate` and `terraform test` of every module and example, over the
 * recorded schemas and values. Needs terraform, and neither a registry nor Azure.
 */
const print = (text: string): boolean => process.stdout.write(`${text}\n`);

async function main(wanted: readonly string[]): Promise<number> {
  const version = await terraformVersion();
  if (version === undefined) {
    print('SKIPPED: no terraform on this machine. What needs none is checked by the tests (test/infra/terraform).');
    return 0;
  }
  const recorded = readRecorded();
  print(`terraform ${version}; ${recorded.map(({ name, version }) => `${name} ${version}`).join(', ')}, as recorded`);
  const providers = await serveProviders(recorded, createResourceCheck(recorded));
  const terraform = createTerraform(providers.reattach);
  try {
    const outcomes: Outcome[] = [];
    for (const folder of configurations()) {
      if (wanted.length > 0 && !wanted.some((name) => folder.endsWith(name))) continue;
      const outcome = await checkConfiguration(terraform, join(TERRAFORM, folder));
      outcomes.push(outcome);
      print(`${outcome.ok ? 'ok    ' : 'FAILED'} ${folder}: ${outcome.passed} runs passed, ${outcome.failed} failed`);
      if (!outcome.ok) print(outcome.report);
    }
    const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
    const failed = outcomes.filter(({ ok }) => !ok).length;
    print(`${passed} runs passed; ${failed} of ${outcomes.length} configurations failed`);
    return failed === 0 && outcomes.length > 0 ? 0 : 1;
  } finally {
    terraform.close();
    providers.close();
  }
}

process.exitCode = await main(process.argv.slice(2));
