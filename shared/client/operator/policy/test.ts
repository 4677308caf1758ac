import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { interpret } from '../../../command/interpret.ts';
import type { Config } from '../../../config/config.ts';
import { runPolicyCases, type CaseResult } from '../../../policy/cases.ts';
import type { Host } from '../../host.ts';
import { lacking, readPolicyConfig } from '../config.ts';
import { DISCOVERED_USAGE, discoveredOption, unknownKinds, withDiscovered } from './discovered.ts';

const USAGE = `aksgw policy test CASES [--config gateway.yaml] [--discovered FILE | URL]… [--thawed]

Puts each case (who, on which cluster, which command; what should come of it) to the policy, and exits 1 if any comes out otherwise.
infra/policies/cases.yaml shows the form. Whom blockedFrom names is denied, and what a frozen cluster does not take is refused, as by the gateway;
--thawed tests what the policy says when no cluster is frozen.
${DISCOVERED_USAGE}`;

/** `aksgw policy test`: so that a platform team tests its policy in its own CI. */
export async function testPolicy(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c' },
      thawed: { type: 'boolean' },
      help: { type: 'boolean' },
      ...discoveredOption,
    },
  });
  const [cases] = positionals;
  const given = values.help ? undefined : readPolicyConfig(values.config, { ...host, stderr: host.stdout });
  if (cases === undefined || positionals.length > 1 || !given) {
    host.stderr.write(values.help ? USAGE : lacking(given) + USAGE);
    return values.help ? 0 : 2;
  }
  const [config = given] = await withDiscovered([given], values.discovered, host);
  const { results, failed, untested } = runPolicyCases(
    values.thawed ? thawed(config) : config,
    readFileSync(cases, 'utf8'),
    {
      interpret,
      source: cases,
    },
  );
  for (const note of unknownKinds(config)) host.stdout.write(note);
  for (const result of results) host.stdout.write(line(result, cases));
  for (const rule of untested) host.stdout.write(`note: no case turned on ${rule}\n`);
  host.stdout.write(`${results.length - failed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

const thawed = (config: Config): Config => ({
  ...config,
  clusters: new Map([...config.clusters].map(([name, cluster]) => [name, { ...cluster, frozen: undefined }] as const)),
});

function line({ passed, name, line, expected, actual }: CaseResult, source: string): string {
  if (passed) return `ok    ${name}\n`;
  const wanted = expected.rule === undefined ? expected.verdict : `${expected.verdict} by ${expected.rule}`;
  const got = actual.rule === undefined ? actual.verdict : `${actual.verdict} by ${actual.rule}`;
  return `WRONG ${name} (${source}:${line})\n      expected ${wanted}, got ${got}${actual.explanation ? `: ${actual.explanation}` : ''}\n`;
}
