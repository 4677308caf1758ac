import { createHash } from 'node:crypto';
import { markerOf } from '../command/launcher/compose.ts';
import type { Cluster } from '../config/config.ts';
import { sameArmId } from '../config/values.ts';
import { gatewayKey } from '../identity/principal.ts';
import type { CommandId } from '../lib/ids.ts';
import type { Ended } from '../relay/relay.ts';
import { stepId } from '../store/derived-ids.ts';
import { isFollower, type CompletedRecord, type UnknownRecord } from '../store/records.ts';
import type { GatewayContext } from './context.ts';
import { endDelivery } from './lifecycle/end-delivery.ts';
import { subjectOf, timesOf, withinQuota } from './lifecycle/finish.ts';
import { startOwnCommand } from './own-command.ts';
import { whileLeased } from './while-leased.ts';

/** Pods of run command stay for so long (assumption `pods-stay`): after that nothing can be found. */
const KEPT_MS = 15 * 60_000;
/** A POST whose answer was lost may still be on its way. */
export const SETTLE_AFTER_MS = 60_000;
const MOST_LOOKED_FOR = 500;
/** Pods that say to be the same command: anybody who may create pods can write that. */
const MOST_CANDIDATES = 5;
const LOOK_SECONDS = 60;
const CLUSTERS_AT_ONCE = 8;

/**
 * Commands of which nobody knew whether they ran: their pods tell. One look at each cluster for all of them, as a command of the gateway's own.
 * Names and markers can be forged, so a command is settled only by frames with its own nonce; what is not found stays unknown, with a word
 * on when it was looked for. Nothing is ever run again.
 */
export async function settleUnknown(context: GatewayContext, afterMs: number): Promise<void> {
  const { records, clock } = context;
  const now = clock.now();
  const unknown = await records.unknown(now - KEPT_MS, MOST_LOOKED_FOR);
  const due = unknown.filter(
    (record) =>
      !record.azure && !isFollower(record) && now - record.finishedAt >= afterMs && !record.warnings.some(isEvidence),
  );
  const clusters = Map.groupBy(due, (record) => record.armId).entries();
  // Several at once: where many clusters have lost answers, their pods must not be gone before it is their turn.
  const settleEach = async (): Promise<void> => {
    for (const [armId, lost] of clusters) await settleThere(context, armId, lost).catch(context.onError);
  };
  await Promise.all(Array.from({ length: CLUSTERS_AT_ONCE }, settleEach));
}

async function settleThere(context: GatewayContext, armId: string, lost: readonly UnknownRecord[]): Promise<void> {
  const cluster = [...context.config.current().clusters.values()].find(({ arm }) => sameArmId(arm.id, armId));
  if (cluster?.runAs === 'gateway') await settleOn(context, cluster, lost);
  else for (const record of lost) await note(context, record, NO_RIGHTS);
}

/** One process at a time, and one look: the others find what it noted. */
async function settleOn(context: GatewayContext, cluster: Cluster, lost: readonly UnknownRecord[]): Promise<void> {
  const lease = `settle.${createHash('sha256').update(cluster.arm.id.toLowerCase()).digest('hex').slice(0, 32)}`;
  await whileLeased(context, lease, async () => {
    const pods = await lookForPods(context, cluster, lost.length);
    if (!pods) return; // the look itself failed: the next sweep looks again
    const at = new Date(context.clock.now()).toISOString();
    await Promise.all(
      lost.map(async (record) => {
        const candidates = pods.get(markerOf(record.nonce)) ?? [];
        const settled = await settleOne(context, cluster, record, candidates);
        if (!settled) await note(context, record, `${EVIDENCE} ${at}: ${found(candidates.length)}`);
      }),
    );
  });
}

const EVIDENCE = 'Looked for in the cluster at';
const NO_RIGHTS = `${EVIDENCE} no time: commands run there with their callers' rights, and the gateway has none to look.`;
const isEvidence = (warning: string): boolean => warning.startsWith(EVIDENCE);
const found = (candidates: number): string =>
  candidates === 0
    ? 'no pod of it was there. Most likely it did not run.'
    : 'there were pods that look like its own, and none could prove it.';

async function note({ records }: GatewayContext, record: UnknownRecord, evidence: string): Promise<void> {
  await records.replace({ ...record, warnings: [...record.warnings, evidence] });
}

/** Ids of Azure's commands by the marker in their pod's spec. Undefined when nobody could look. */
async function lookForPods(
  context: GatewayContext,
  cluster: Cluster,
  count: number,
): Promise<ReadonlyMap<string, readonly string[]> | undefined> {
  const id = context.entropy.uuid() as CommandId;
  const reason = `settle ${count} commands whose answers were lost`;
  const own = {
    id,
    cluster,
    purpose: 'settle',
    reason,
    words: ['sh', '-c', program],
    timeoutSeconds: LOOK_SECONDS,
  } as const;
  const ended = await (await startOwnCommand(context, own)).finished;
  if (ended.status !== 'completed' || ended.exitCode !== 0) return undefined;
  const output = await context.records.getOutput(id);
  return output && readPods(Buffer.from(output.stdout).toString('utf8'));
}

/** Only names and markers leave the cluster: the texts of commands are nobody's business here. */
const program = [
  'kubectl get pods -n aks-command -o json',
  `| sed -n -e 's/.*"name": "command-\\([0-9a-f]\\{32\\}\\)".*/p \\1/p' -e 's/.*": \\([0-9a-f]\\{16\\}\\); .*/m \\1/p'`,
].join(' ');

function readPods(text: string): ReadonlyMap<string, readonly string[]> {
  const pods = new Map<string, string[]>();
  let pod: string | undefined;
  for (const line of text.split('\n')) {
    const [kind, value = ''] = line.split(' ');
    if (kind === 'p') pod = value;
    if (kind !== 'm' || pod === undefined) continue;
    const same = pods.get(value) ?? [];
    if (same.length < MOST_CANDIDATES && !same.includes(pod)) same.push(pod);
    pods.set(value, same);
  }
  return pods;
}

/** True when one of the candidates proved to be the command. */
async function settleOne(
  context: GatewayContext,
  cluster: Cluster,
  record: UnknownRecord,
  candidates: readonly string[],
): Promise<boolean> {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, context.lifecycle.stopping]);
  const members = await membersOf(context, record);
  const trying = candidates.map(async (commandId) => {
    const ends = await endsOf(context, cluster, members, commandId, signal);
    if (!ends.some(isProven)) throw new Error('another one');
    return { commandId, ends };
  });
  try {
    const proven = await Promise.any(trying);
    await Promise.all(members.map((member, index) => settle(context, member, proven.commandId, proven.ends[index])));
    return true;
  } catch (error) {
    if (!(error instanceof AggregateError)) throw error;
    return false;
  } finally {
    stop.abort(new Error('settled'));
  }
}

/** All steps of a batch, or the one command. */
async function membersOf({ records }: GatewayContext, record: UnknownRecord): Promise<readonly UnknownRecord[]> {
  const { batch } = record;
  if (!batch) return [record];
  const ids = Array.from({ length: batch.of - 1 }, (_, index) => stepId(batch.id, index + 1));
  const others = await Promise.all(ids.map((id) => records.get(id)));
  const all = [record, ...others];
  return all.filter((one): one is UnknownRecord => one?.status === 'unknown');
}

async function endsOf(
  { relay }: GatewayContext,
  cluster: Cluster,
  members: readonly UnknownRecord[],
  commandId: string,
  signal: AbortSignal,
): Promise<readonly Ended[]> {
  const [first] = members;
  if (!first) return [];
  const timeoutSeconds = members.reduce((sum, record) => sum + record.timeoutSeconds, 0);
  const run = { cluster, commandId, owner: gatewayKey, timeoutSeconds, submittedAt: first.submittedAt, kind: 'settle' };
  if (!first.batch) return [await relay.follow({ ...run, nonce: first.nonce }, signal)];
  return relay.followSteps({ ...run, nonces: members.map(({ nonce }) => nonce) }, signal);
}

/** Streams are told apart only by frames, and frames are told by the nonce. */
const isProven = (end: Ended | undefined): end is Extract<Ended, { kind: 'completed' }> =>
  end?.kind === 'completed' && end.streams === 'separate' && end.inconsistent === undefined;

/** In the trail first. A step that has no proof of its own stays unknown. */
async function settle(
  { trail, records, results, clock }: GatewayContext,
  record: UnknownRecord,
  commandId: string,
  ended: Ended | undefined,
): Promise<void> {
  if (!isProven(ended)) return;
  const { kept: end, counted } = await withinQuota(results, record, ended);
  const { exitCode, stdout, stderr, streams, truncated, timedOut } = end;
  const bytes = stdout.byteLength + stderr.byteLength;
  const outcome = { exitCode, timedOut, cut: truncated, bytes, stdout };
  await trail.record({ event: 'command.settled', ...subjectOf(record), azureCommandId: commandId, ...outcome });
  await Promise.all([records.putOutput(record.id, { stdout, stderr }), counted]);
  const { failure: _failure, ...rest } = record;
  const settled: CompletedRecord = {
    ...rest,
    status: 'completed',
    azure: { commandId },
    exitCode,
    timedOut,
    truncated,
    streams,
    outputBytes: { stdout: stdout.byteLength, stderr: stderr.byteLength },
    ...timesOf({ clock }, record, end),
    warnings: [...record.warnings, ...end.warnings],
    settledBy: 'pod',
  };
  await records.replace(settled, endDelivery(record, settled));
}
