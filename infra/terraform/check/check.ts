import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { checkConfiguration, type Outcome } from './configuration.ts';
import { configurations, TERRAFORM } from './modules.ts';
import { planText, readPlan, writePlan } from './plan.ts';
import { serveProviders } from './provider.ts';
import { readRecorded } from './recorded.ts';
import { createResourceCheck } from './resources.ts';
import { createTerraform, terraformVersion } from './terraform.ts';

/**
 * `npm run check:terraform [-- [--write] MODULE…]`: format, `terraform validate` and `terraform test` of every module and example
 * (or of those named), over the recorded schemas and values. Needs terraform, and neither a registry nor Azure. `--write` writes the
 * examples' plans into their READMEs; without it they must be the same.
 */
const { values, positionals } = parseArgs({ allowPositionals: true, options: { write: { type: 'boolean' } } });
const print = (text: string): boolean => process.stdout.write(`${text}\n`);

process.exitCode = await main();

async function main(): Promise<number> {
  const version = await terraformVersion();
  if (version === undefined) {
    print(
      'SKIPPED: no terraform on this machine. What needs none is checked by npm test (test/infra/terraform.test.ts).',
    );
    return 0;
  }
  const recorded = readRecorded();
  print(`terraform ${version}; ${recorded.map(({ name, version }) => `${name} ${version}`).join(', ')}, as recorded`);
  const providers = await serveProviders(recorded, createResourceCheck(recorded));
  const terraform = createTerraform(providers.reattach);
  try {
    const folders = configurations().filter(
      (folder) => positionals.length === 0 || positionals.some((name) => folder.endsWith(`/${name}`)),
    );
    const outcomes: Outcome[] = [];
    for (const folder of folders)
      outcomes.push(report(folder, await checkConfiguration(terraform, join(TERRAFORM, folder))));
    const mocks = await terraform.run(join(TERRAFORM, 'mocks'), 'fmt', '-check', '-recursive', '-no-color');
    if (mocks.code !== 0) print(`FAILED mocks: not formatted: ${mocks.stdout}`);
    const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
    const failed = outcomes.filter(({ ok }) => !ok).length;
    print(`${passed} runs passed; ${failed} of ${outcomes.length} configurations failed`);
    return failed === 0 && outcomes.length > 0 && mocks.code === 0 ? 0 : 1;
  } finally {
    terraform.close();
    providers.close();
  }
}

function report(folder: string, outcome: Outcome): Outcome {
  const checked = folder.startsWith('examples/') && outcome.ok ? checkPlan(join(TERRAFORM, folder), outcome) : outcome;
  print(`${checked.ok ? 'ok    ' : 'FAILED'} ${folder}: ${checked.passed} runs passed, ${checked.failed} failed`);
  if (!checked.ok) print(checked.report);
  return checked;
}

function checkPlan(folder: string, outcome: Outcome): Outcome {
  const plan = planText(outcome.planned);
  if (values.write === true) writePlan(folder, plan);
  if (readPlan(folder) === plan) return outcome;
  return {
    ...outcome,
    ok: false,
    report: 'the plan in README.md is not that of today: npm run check:terraform -- --write',
  };
}
