import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startAzure, type EmulatedAzure } from '../../../infra/local/azure.ts';
import { writeStandIn } from '../../../infra/local/pod/tools.ts';
import { writeConfig } from '../../../infra/local/stack.ts';
import { loadLocalRootKey } from '../../../shared/audit/keys.ts';
import { verifyTrail } from '../../../shared/audit/verify/verify.ts';
import { clusterId, manyClusters } from '../../bench/support/many-clusters.ts';
import { startGatewayProcess, type GatewayProcess } from '../gateway-process.ts';
import { disturb } from './azure-faults.ts';
import { createCallers, type CommandAnswer, type Told } from './callers.ts';
import { draws, planOf, SLOW } from './draws.ts';
import { openIn, readTrail, trailIn } from './trail.ts';

interface ChaosOptions {
  /** Commands and batches. */
  readonly count: number;
  /** The same faults are drawn for the same seed, which may meet other requests. */
  readonly seed: number;
  /** A gateway is killed each time so many were sent. */
  readonly killEvery: number;
  readonly say?: (message: string) => void;
}

const CALLERS = 16;
/** Azure takes about one request a second for a subscription, and each cluster here has its own. */
const MOST_CLUSTERS = 200;
const LEASE_MS = 5_000;
/** No POST here is slower than its fault. */
const SETTLE_AFTER_MS = 3_000;
/** How long the gateways may take to bring everything to its end, their own looks too; the last takes more than once. */
const REST_MS = 300_000;
const MOST_LAST = 3;
const script = join(import.meta.dirname, '../mortal-gateway.ts');

/** What must never be: each is a count of commands, and has to be 0. */
interface Faults {
  readonly ranTwice: number;
  readonly falseOutcome: number;
  readonly idLost: number;
  readonly withoutPair: number;
  readonly trailNotIntact: number;
}

/**
 * Commands, batches and cancels over two gateways that are killed (SIGKILL) and replaced, which settle what is unknown meanwhile, before an Azure
 * that loses requests and answers, says 503 to what it took and to what it did not, and resets connections. Counts what must never be: a command
 * that ran twice, an outcome that is not true, an id that is not found, a record without its pair of events.
 */
export async function chaos(options: ChaosOptions) {
  const { count, seed, say = () => undefined } = options;
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-chaos-'));
  const clusters = Math.min(MOST_CLUSTERS, count);
  const tools = await writeTools(folder);
  const azure = await startAzure({
    tools,
    clusters: Array.from({ length: clusters }, (_, index) => ({ resourceId: clusterId(index) })),
  });
  const { config, env } = writeConfig(join(folder, 'gateway'), azure, 0, manyClusters(clusters));
  const times = { LEASE_MS: String(LEASE_MS), SETTLE_AFTER_MS: String(SETTLE_AFTER_MS) };
  const start = () => startGatewayProcess(config, { ...env, ...times, KILL_AT: '0' }, script, []);
  const gateways = await Promise.all([start(), start()]);
  const callers = createCallers(azure, gateways);
  const began = performance.now();
  try {
    const draw = draws(seed);
    const plans = Array.from({ length: count }, (_, at) => planOf(at, draw, clusters));
    const met = disturb(azure.arm, draw);
    const told: Told[] = [];
    const replaced: Promise<void>[] = [];
    const waiting = plans.entries();
    const work = async (): Promise<void> => {
      for (const [at, plan] of waiting) {
        if (at % options.killEvery === Math.floor(options.killEvery / 2))
          replaced.push(replace(gateways, (replaced.length + 1) % 2, start));
        told.push(...(await callers.run(plan, at)));
        if (at % 100 === 99) say(`${at + 1} of ${count}`);
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, work));
    await Promise.all(replaced);
    azure.arm.faults.post.clear();
    azure.arm.faults.poll.clear();
    await atRest(folder);
    const records = new Map<string, CommandAnswer | undefined>();
    for (const { id } of told) if (id !== undefined) records.set(id, await callers.ended(id));
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    const left = await finishWhatIsLeft(folder, start);
    const ended = [...records.values()];
    return {
      seed,
      count,
      commands: told.length,
      seconds: Math.round((performance.now() - began) / 1000),
      kills: replaced.length,
      azureFaults: Object.fromEntries(met),
      posts: azure.arm.posts.length,
      ended: tally(ended.map((record) => record?.status ?? 'not found')),
      cancelled: ended.filter((record) => record?.cancelled === true).length,
      settled: ended.filter((record) => record?.settledBy === 'pod').length,
      leftToTheNext: left,
      problems: tally(told.filter(({ id }) => id === undefined).map(({ code }) => code ?? 'no answer')),
      faults: await faultsOf(folder, azure, told, records, say),
    };
  } finally {
    for (const gateway of gateways) await gateway.kill();
    await azure.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function replace(gateways: GatewayProcess[], at: number, start: () => Promise<GatewayProcess>): Promise<void> {
  await gateways[at]?.kill();
  gateways[at] = await start();
}

/** Waits until every intent in the trail has its outcome, and none has come for longer than a look for unknown commands waits. */
async function atRest(folder: string): Promise<void> {
  const until = performance.now() + REST_MS;
  let known = -1;
  let quietSince = performance.now();
  while (performance.now() < until) {
    const told = await readTrail(folder);
    if (told.size !== known || openIn(told).length > 0) quietSince = performance.now();
    if (performance.now() - quietSince > 2 * SETTLE_AFTER_MS) return;
    known = told.size;
    await sleep(500);
  }
}

/** What a gateway was at when it was stopped is the next one's to end. Gives how many those were. */
async function finishWhatIsLeft(folder: string, start: () => Promise<GatewayProcess>): Promise<number> {
  const left = openIn(await readTrail(folder)).length;
  for (let times = 0; times < MOST_LAST && openIn(await readTrail(folder)).length > 0; times += 1) {
    const next = await start();
    await atRest(folder);
    await next.stop();
  }
  return left;
}

async function faultsOf(
  folder: string,
  azure: EmulatedAzure,
  told: readonly Told[],
  records: ReadonlyMap<string, CommandAnswer | undefined>,
  say: (message: string) => void,
): Promise<Faults> {
  const ran = ranIn(folder);
  const trail = await readTrail(folder);
  const key = await loadLocalRootKey(join(folder, 'gateway/data/signing.jwk'));
  const report = await verifyTrail(trailIn(folder), { rootKeys: [key.keyId], graceMs: 0, now: Date.UTC(9999, 0, 1) });
  const runsOf = ({ name }: Told): number => ran.get(name) ?? 0;
  const unpaired = [...records].filter(([id, record]) => !isPaired(record, trail.get(id)));
  const twice = told.filter((one) => runsOf(one) > 1);
  const untrue = told.filter((one) => isFalse(one, records.get(one.id ?? ''), runsOf(one)));
  const tell = (what: string, { id, name }: Pick<Told, 'id' | 'name'>): void =>
    say(
      `${what}: ${JSON.stringify({
        name,
        ran: ran.get(name),
        record: records.get(id ?? ''),
        codes: trail.get(id ?? '')?.codes,
        posts: azure.arm.posts.filter(({ command }) => command.includes(`'${name}'`)),
      })}`,
    );
  for (const one of twice) tell('ran twice', one);
  for (const one of untrue) tell('false outcome', one);
  for (const [id] of unpaired) tell('without its pair', { id, name: nameOf(told, id) });
  if (report.verdict !== 'INTACT') say(`${report.verdict}: ${JSON.stringify(report.findings.slice(0, 20))}`);
  return {
    ranTwice: [...ran.values()].filter((times) => times > 1).length,
    falseOutcome: untrue.length,
    idLost: [...records.values()].filter((record) => record === undefined).length,
    withoutPair: unpaired.length + report.commands.open.length,
    trailNotIntact: report.verdict === 'INTACT' ? 0 : 1,
  };
}

const nameOf = (told: readonly Told[], id: string): string => told.find((one) => one.id === id)?.name ?? '';

function isFalse({ name, id, code, plan }: Told, record: CommandAnswer | undefined, ran: number): boolean {
  if (record?.status === 'completed') {
    // The signal may come before the command's first line, and after its last.
    const wasEnded = plan.cancelAfterMs !== undefined && record.cancelled && record.exitCode === 143 && ran <= 1;
    return !wasEnded && (ran !== 1 || record.stdout !== `${name}\n` || record.exitCode !== 7);
  }
  if (record?.status === 'failed' || (id === undefined && code !== undefined)) return ran > 0;
  return false;
}

function isPaired(record: CommandAnswer | undefined, told = { intents: 0, outcomes: 0 }): boolean {
  const { intents, outcomes } = told;
  return record?.status === 'failed'
    ? intents <= 1 && outcomes <= 1 && intents <= outcomes
    : intents === 1 && outcomes === 1;
}

/** How often each command ran, as the pods noted. */
function ranIn(folder: string): ReadonlyMap<string, number> {
  const file = join(folder, 'ran');
  const names = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
  return new Map(Object.entries(tally(names)));
}

function tally(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

/** A kubectl that notes that it ran, prints the pod's name and ends with 7; for anything else it is the stand-in: cancels and looks for pods. */
async function writeTools(folder: string): Promise<string> {
  const other = mkdtempSync(join(folder, 'stand-in-'));
  await writeStandIn(other);
  const tools = mkdtempSync(join(folder, 'tools-'));
  const program = `#!/bin/sh
name=; [ "$1" != get ] || for word; do case "$word" in p-[0-9]*|*/p-[0-9]*) name=\${word##*/} ;; esac; done
[ -n "$name" ] || exec '${join(other, 'kubectl')}' "$@"
echo "$name" >> '${join(folder, 'ran')}'
case "$name" in *${SLOW}) sleep 3 ;; esac
echo "$name"
exit 7
`;
  writeFileSync(join(tools, 'kubectl'), program, { mode: 0o755 });
  return tools;
}
