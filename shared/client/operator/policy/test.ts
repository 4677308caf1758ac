import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { interpret } from '../../../command/interpret.ts';
import { runPolicyCases, type CaseResult } from '../../../policy/cases.ts';
import type { Host } from '../../host.ts';
import { readConfig } from '../config.ts';

const USAGE = `aksgw policy test CASES [--config gateway.yaml]

Puts each case (who, on which cluster, which command; what should come of it) to the policy, and exits 1 if any comes out otherwise.
infra/policies/cases.yaml shows the form.
`;

/** `aksgw policy test`: so that a platform team tests its policy in its own CI. */
export async function testPolicy(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { config: { type: 'string', short: 'c' }, help: { type: 'boolean' } },
  });
  const [cases] = positionals;
  const config = readConfig(values.config, host);
  if (values.help || cases === undefined || positionals.length > 1 || !config) {
    host.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const { results, failed, untested } = runPolicyCases(config, readFileSync(cases, 'utf8'), {
    interpret,
    source: cases,
  });
  for (const result of results) host.stdout.write(line(result, cases));
  for (const rule of untested) host.stdout.write(`note: no case turned on ${rule}\n`);
  host.stdout.write(`${results.length - failed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

function line({ passed, name, line, expected, actual }: CaseResult, source: string): string {
  if (passed) return `ok    ${name}\n`;
  const wanted = expected.rule === undefined ? expected.verdict : `${expected.verdict} by ${expected.rule}`;
  const got = actual.rule === undefined ? actual.verdict : `${actual.verdict} by ${actual.rule}`;
  return `WRONG ${name} (${source}:${line})\n      expected ${wanted}, got ${got}${actual.explanation ? `: ${actual.explanation}` : ''}\n`;
}
