import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PollFault, PostFault } from '../../infra/local/arm.ts';
import { startAzure, type EmulatedAzure } from '../../infra/local/azure.ts';
import { people, writeConfig } from '../../infra/local/stack.ts';
import { eventCodes, outcomeEvents } from '../../shared/audit/events.ts';
import { loadLocalRootKey } from '../../shared/audit/keys.ts';
import { verifyTrail } from '../../shared/audit/verify/verify.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import { startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';
import { clusterId, manyClusters } from './support/many-clusters.ts';

/**
 * Commands over two gateways that are killed (SIGKILL) and replaced, before an Azure that loses requests and answers, says 503 to what it took
 * and to what it did not, and resets connections. Counts what must never be: a command that ran twice, an outcome that is not true, an id that
 * is not found, a record without its pair of events. Prints one JSON object, and fails when any is not zero; `node test/bench/chaos.ts
 * [--quick]`. CHAOS_SEED=… draws the same faults again, which may meet other requests.
 */
const COMMANDS = process.argv.includes('--quick') ? 200 : 2_000;
const CALLERS = 16;
const KILL_EVERY = 100;
const CLUSTERS = 200;
/** How long a caller asks again for one command. */
const PATIENCE_MS = 120_000;
const LEASE_MS = 5_000;
const seed = Number(process.env['CHAOS_SEED'] ?? randomInt(2 ** 31));
const script = join(import.meta.dirname, '../support/mortal-gateway.ts');

const postFaults: readonly (readonly PostFault[])[] = [
  [{ kind: 'resetBefore' }],
  [{ kind: 'resetAfter' }],
  [{ kind: 'slow', ms: 200 }, { kind: 'resetAfter' }],
  [{ kind: 'status', status: 503, retryAfter: 1 }],
  [{ kind: 'status', status: 503, accepted: true }],
  [{ kind: 'status', status: 429, retryAfter: 1 }],
  [{ kind: 'location', location: undefined }],
];
const pollFaults: readonly PollFault[] = [
  { kind: 'resetBefore' },
  { kind: 'resetAfter' },
  { kind: 'status', status: 503, retryAfter: 1 },
  { kind: 'slow', ms: 200 },
];
/** One request in so many meets with one of them. */
const FAULTY = 8;

/** Mulberry32: what is drawn is the same for the same seed. */
function draws(from: number): (below: number) => number {
  let state = from;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** What a caller got for one command in the end. */
interface Told {
  readonly name: string;
  readonly id?: string | undefined;
  /** The problem, when every answer was one. */
  readonly code?: string | undefined;
}

interface CommandAnswer {
  readonly id: string;
  readonly status: string;
  readonly stdout: string;
  readonly exitCode: number | null;
}

interface Chaos {
  readonly folder: string;
  readonly azure: EmulatedAzure;
  readonly start: () => Promise<GatewayProcess>;
  readonly gateways: GatewayProcess[];
  readonly draw: (below: number) => number;
  readonly met: Map<string, number>;
}

const folder = mkdtempSync(join(tmpdir(), 'aksgw-chaos-'));

async function chaos() {
  writeFileSync(join(folder, 'kubectl'), KUBECTL.replaceAll('RAN', join(folder, 'ran')), { mode: 0o755 });
  const clusters = Array.from({ length: CLUSTERS }, (_, index) => ({ resourceId: clusterId(index) }));
  const azure = await startAzure({ tools: folder, clusters });
  const { config, env } = writeConfig(join(folder, 'gateway'), azure, 0, manyClusters(CLUSTERS));
  const start = () => startGatewayProcess(config, { ...env, KILL_AT: '0', LEASE_MS: String(LEASE_MS) }, script, []);
  const context: Chaos = {
    folder,
    azure,
    start,
    gateways: await Promise.all([start(), start()]),
    draw: draws(seed),
    met: new Map(),
  };
  const began = performance.now();
  try {
    disturb(context);
    const { told, kills } = await sendAll(context);
    azure.arm.faults.post.clear();
    azure.arm.faults.poll.clear();
    const records = await readAll(context, told);
    const posts = azure.arm.posts.length;
    for (const gateway of context.gateways) await gateway.stop();
    return {
      bench: 'chaos',
      seed,
      commands: COMMANDS,
      seconds: Math.round((performance.now() - began) / 1000),
      kills,
      azureFaults: Object.fromEntries(context.met),
      posts,
      ended: tally([...records.values()].map((record) => record?.status ?? 'not found')),
      problems: tally(told.filter(({ id }) => id === undefined).map(({ code }) => code ?? 'no answer')),
      faults: await faultsOf(context, told, records),
    };
  } finally {
    for (const gateway of context.gateways) await gateway.kill();
    await azure.close();
  }
}

/** From here on requests to Azure meet with faults. */
function disturb({ azure, draw, met }: Chaos): void {
  const meet = <F extends { readonly kind: string }>(what: string, faults: readonly F[]): readonly F[] => {
    const name = `${what} ${faults.map((fault) => ('status' in fault ? String(fault['status']) : fault.kind)).join(', ')}`;
    met.set(name, (met.get(name) ?? 0) + 1);
    return faults;
  };
  azure.arm.faults.post(() => {
    if (draw(FAULTY) > 0) return undefined;
    return meet('POST', postFaults[draw(postFaults.length)] ?? []);
  });
  azure.arm.faults.poll(() => {
    const fault = draw(FAULTY) > 0 ? undefined : pollFaults[draw(pollFaults.length)];
    return fault && meet('GET', [fault]);
  });
}

async function sendAll(context: Chaos): Promise<{ readonly told: readonly Told[]; readonly kills: number }> {
  const told: Told[] = [];
  let kills = 0;
  const replaced: Promise<void>[] = [];
  const waiting = Array.from({ length: COMMANDS }, (_, at) => at)[Symbol.iterator]();
  const work = async (): Promise<void> => {
    for (const at of waiting) {
      if (at % KILL_EVERY === KILL_EVERY / 2) {
        kills += 1;
        replaced.push(replace(context, kills % 2));
      }
      told.push(await run(context, at));
      if (told.length % 100 === 0) process.stderr.write(`${told.length} of ${COMMANDS}\n`);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, work));
  await Promise.all(replaced);
  return { told, kills };
}

async function replace({ gateways, start }: Chaos, at: number): Promise<void> {
  await gateways[at]?.kill();
  gateways[at] = await start();
}

/** Asks, with one key, until there is a record or time is over. */
async function run(context: Chaos, at: number): Promise<Told> {
  const name = `p-${at}`;
  const body = JSON.stringify({ argv: ['kubectl', 'get', 'pods', name, '-n', 'shop'] });
  const until = performance.now() + PATIENCE_MS;
  let code: string | undefined;
  let sure = true;
  for (let tries = 0; performance.now() < until; tries += 1) {
    const gateway = context.gateways[(at + tries) % 2];
    try {
      const answer = await fetch(`${gateway?.url}/v1/clusters/c${at % CLUSTERS}/commands`, {
        method: 'POST',
        headers: { ...(await headers(context)), prefer: 'wait=5', 'idempotency-key': name },
        body,
      });
      const said = (await answer.json()) as {
        readonly id?: string;
        readonly code?: string;
        readonly retryable?: boolean;
      };
      if (said.id !== undefined) return { name, id: said.id };
      code = said.code;
      if (said.retryable !== true) break;
    } catch {
      sure = false; // killed meanwhile: whether it took the command is not known
    }
    await sleep(250);
  }
  return { name, ...(sure && { code }) };
}

let token: { readonly text: string; readonly until: number } | undefined;
async function headers({ azure }: Chaos): Promise<Record<string, string>> {
  if (!token || performance.now() > token.until)
    token = {
      text: await azure.entra.userToken({ oid: people.user, groups: [people.team] }),
      until: performance.now() + 600_000,
    };
  return { authorization: `Bearer ${token.text}`, 'content-type': 'application/json' };
}

/** Every id's record once it has ended; undefined for one that is not found. */
async function readAll(context: Chaos, told: readonly Told[]): Promise<ReadonlyMap<string, CommandAnswer | undefined>> {
  const records = new Map<string, CommandAnswer | undefined>();
  for (const { id } of told) if (id !== undefined) records.set(id, await ended(context, id));
  return records;
}

async function ended(context: Chaos, id: string): Promise<CommandAnswer | undefined> {
  for (;;) {
    const answer = await fetch(`${context.gateways[1]?.url}/v1/commands/${id}`, { headers: await headers(context) });
    const record = (await answer.json()) as CommandAnswer;
    if (answer.status === 404) return undefined;
    if (answer.status === 200 && ['completed', 'failed', 'unknown'].includes(record.status)) return record;
    await sleep(200);
  }
}

async function faultsOf(
  context: Chaos,
  told: readonly Told[],
  records: ReadonlyMap<string, CommandAnswer | undefined>,
) {
  const ran = ranOf(context);
  const events = await pairsOf(context);
  const key = await loadLocalRootKey(join(context.folder, 'gateway/data/signing.jwk'));
  const report = await verifyTrail(trailOf(context), { rootKeys: [key.keyId], graceMs: 0, now: Date.UTC(9999, 0, 1) });
  const runs = ({ name }: Told): number => ran.get(name) ?? 0;
  const isFalse = (one: Told): boolean => {
    const record = records.get(one.id ?? '');
    if (record?.status === 'completed')
      return runs(one) !== 1 || record.stdout !== `${one.name}\n` || record.exitCode !== 7;
    if (record?.status === 'failed' || (one.id === undefined && one.code !== undefined)) return runs(one) > 0;
    return false;
  };
  const isPaired = (id: string): boolean => {
    const { intents, outcomes } = events.get(id) ?? { intents: 0, outcomes: 0 };
    const record = records.get(id);
    return record?.status === 'failed'
      ? intents <= 1 && outcomes <= 1 && intents <= outcomes
      : intents === 1 && outcomes === 1;
  };
  if (report.verdict !== 'INTACT')
    process.stderr.write(`${report.verdict}: ${JSON.stringify(report.findings.slice(0, 20))}\n`);
  const twice = [...ran].filter(([, times]) => times > 1);
  if (twice.length > 0) process.stderr.write(`ran twice: ${JSON.stringify(twice)}\n`);
  return {
    ranTwice: twice.length,
    falseOutcome: told.filter(isFalse).length,
    idLost: [...records.values()].filter((record) => record === undefined).length,
    withoutPair: [...records.keys()].filter((id) => !isPaired(id)).length + report.commands.open.length,
    trailNotIntact: report.verdict === 'INTACT' ? 0 : 1,
  };
}

/** How often each command ran, as the pods noted. */
function ranOf({ folder: at }: Chaos): ReadonlyMap<string, number> {
  const file = join(at, 'ran');
  const names = existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
  return new Map(Object.entries(tally(names)));
}

const trailOf = ({ folder: at }: Chaos) => createFileLog({ folder: join(at, 'gateway/data/audit') });

async function pairsOf(context: Chaos) {
  const ends = new Set<string>(outcomeEvents.map((event) => eventCodes[event]));
  const events = new Map<string, { intents: number; outcomes: number }>();
  const log = trailOf(context);
  for (const stream of await log.streams())
    for await (const { text } of log.read(stream)) {
      const { code, commandId } = JSON.parse(text) as { readonly code: string; readonly commandId?: string };
      if (commandId === undefined) continue;
      const found = events.get(commandId) ?? { intents: 0, outcomes: 0 };
      if (code === eventCodes['command.intended']) found.intents += 1;
      if (ends.has(code)) found.outcomes += 1;
      events.set(commandId, found);
    }
  return events;
}

function tally(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

/** Notes that it ran, prints the pod's name, and ends with 7. */
const KUBECTL = `#!/bin/sh
for word; do case "$word" in *p-[0-9]*) name=\${word##*/} ;; esac; done
# The gateway looks for pods, too, to find out how a command ended.
[ -z "$name" ] || echo "$name" >> RAN
echo "$name"
exit 7
`;

process.stderr.write(`CHAOS_SEED=${seed}\n`);
try {
  const result = await chaos();
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  if (Object.values(result.faults).some((count) => count > 0)) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
