import { parseArgs } from 'node:util';
import { systemClock, systemEntropy } from '../../clock.ts';
import { createArm } from '../../relay/arm.ts';
import { createCredential } from '../../relay/credential.ts';
import { AKS_SCOPE } from '../../relay/on-behalf-of.ts';
import { runDoctor, type DoctorReport } from '../../relay/doctor.ts';
import { NotRun } from '../exits.ts';
import type { Host } from '../host.ts';
import { lacking, readConfig } from './config.ts';

const USAGE = `aksgw doctor --cluster NAME [--config gateway.yaml] [--json]

Sends a fixed set of harmless commands to a real cluster, with your own Azure sign-in (az login), and tells assumption by
assumption what the gateway relies on and what was found. Runs pods in the namespace aks-command; changes nothing else.
Exits 1 when an assumption does not hold, and 3 when none was found to hold: then nothing was checked.
`;

/** `aksgw doctor`: the operator's own look, on the operator's own rights; no route of the gateway leads here. */
export async function doctor(argv: readonly string[], host: Host): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      cluster: { type: 'string' },
      config: { type: 'string', short: 'c' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  const config = readConfig(values.config, host);
  if (values.help || values.cluster === undefined || !config) {
    (values.help ? host.stdout : host.stderr).write(values.help ? USAGE : lacking(config) + USAGE);
    return values.help ? 0 : 2;
  }
  const cluster = config.clusters.get(values.cluster);
  if (!cluster) throw new Error(`the configuration has no cluster ${JSON.stringify(values.cluster)}`);
  const { azure, identity } = config;
  // The operator's own sign-in; the gateway's fixed token only where that is all there is, on loopback.
  const own = azure.credential.kind === 'static' ? azure : { ...azure, credential: { kind: 'default' } as const };
  const credential = createCredential({ azure: own, authority: identity.authority, clock: systemClock, env: host.env });
  const endpoint = azure.resourceManager;
  try {
    await credential(`${endpoint}/.default`);
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new NotRun(`you are not signed in to Azure: az login, then once more (${why})`, { cause: error });
  }
  const report = await runDoctor({
    arm: createArm({ endpoint, token: (signal) => credential(`${endpoint}/.default`, signal), clock: systemClock }),
    cluster: cluster.arm,
    clusterToken: () => credential(AKS_SCOPE),
    clock: systemClock,
    entropy: systemEntropy,
    progress: (message) => host.stderr.write(`${message} …\n`),
  });
  host.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : render(report));
  const found = new Set(report.checks.map(({ verdict }) => verdict));
  return found.has('refuted') ? 1 : found.has('confirmed') ? 0 : 3;
}

function render({ cluster, checks, findings }: DoctorReport): string {
  const found = Object.entries(findings).map(([name, value]) => `  ${name.padEnd(28)} ${value}`);
  const lines = checks.map(
    ({ assumption, verdict, detail }) =>
      `  ${verdict.padEnd(12)} ${assumption.id}: ${assumption.claim}\n${' '.repeat(15)}${detail}`,
  );
  return `${cluster}\n\nAssumptions\n${lines.join('\n')}\n\nFound\n${found.join('\n')}\n`;
}
