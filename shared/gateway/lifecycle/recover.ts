import type { AuditTrail } from '../../audit/trail.ts';
import { mark } from '../../lib/elapsed.ts';
import {
  isFinished,
  type CommandOutput,
  type CommandRecord,
  type Ending,
  type Failure,
  type RunningRecord,
} from '../../store/records.ts';
import { carry, type Progress } from './active-command.ts';
import type { LifecycleContext } from './context.ts';
import { finishAs, finishWithoutOutput } from './finish.ts';
import { followToEnd } from './follow.ts';
import { leaseRecord } from './leased-record.ts';

/** Unfinished records that one sweep looks at, oldest first. */
const MOST_WATCHED = 1_000;
/** After a command that could not be brought to its end, ms: doubles with each, with up to half more by chance. */
const pauseMs = { first: 15_000, most: 10 * 60_000 } as const;

/**
 * Takes over commands whose process is gone, up to `limit`, and carries each to its end. Returns how many. A process takes over only what it
 * could finish: not while its trail cannot be written, and not soon after it failed.
 */
export async function recoverOrphans(context: LifecycleContext, limit: number): Promise<number> {
  const { trail, clock, recovery } = context;
  if (clock.monotonic() < recovery.notBefore || !(await isWritable(trail))) return 0;
  const orphans = (await findOrphans(context)).slice(0, limit);
  if (orphans.length === 0) return 0;
  // Taken over first: what the trail is asked for then can no longer change under this process.
  const taken = (await Promise.all(orphans.map((orphan) => takeOver(context, orphan)))).filter(
    (one) => one !== undefined,
  );
  const outcomes = context.outcomesOf(taken.map(({ record }) => record));
  outcomes.catch(() => undefined); // each command gets the error
  for (const leased of taken) {
    const { id } = leased.record;
    const carried = carry(context, leased, async (progress, signal) => {
      try {
        const record = await resume(context, progress, (await outcomes).get(id), signal);
        recovery.failures = 0;
        return record;
      } catch (error) {
        if (!signal.aborted) pause(context);
        throw error;
      }
    });
    carried.finished.catch((error: unknown) => context.onError(error, id));
  }
  return taken.length;
}

const isWritable = ({ check }: AuditTrail): Promise<boolean> =>
  check().then(
    () => true,
    () => false,
  );

/** Records that stood still for `leaseMs` while this process watched, or that were given back. */
async function findOrphans(context: LifecycleContext): Promise<readonly CommandRecord[]> {
  const { records, active, recovery, leaseMs, clock } = context;
  const { records: all, unreadable } = await records.unfinished(MOST_WATCHED);
  for (const id of unreadable) if (!recovery.told.has(id)) tellUnreadable(context, id);
  const now = clock.monotonic();
  const others = all.filter(({ id }) => !active.has(id));
  const before = new Map(recovery.seen);
  recovery.seen.clear();
  return others.filter(({ id, version, carrier }) => {
    const known = before.get(id);
    const since = known?.version === version ? known.since : now;
    recovery.seen.set(id, { version, since });
    return carrier === '' || now - since >= leaseMs;
  });
}

function tellUnreadable({ recovery, onError }: LifecycleContext, id: string): void {
  recovery.told.add(id);
  onError(new Error('the record cannot be read: it stays as it is, and the command with it'), id);
}

function pause({ recovery, clock, entropy }: LifecycleContext): void {
  const [chance = 0] = entropy.bytes(1);
  const ms = Math.min(pauseMs.most, pauseMs.first * 2 ** recovery.failures);
  recovery.failures += 1;
  recovery.notBefore = clock.monotonic() + ms * (1 + chance / 512);
}

/** Undefined when another process was quicker, or its carrier lives after all. One that cannot be taken holds up none of the others. */
async function takeOver(context: LifecycleContext, orphan: CommandRecord) {
  const { records, clock, holder, recovery, onError } = context;
  const began = mark(clock);
  try {
    const record = await records.replace({ ...orphan, carrier: holder });
    recovery.seen.delete(orphan.id);
    return record && leaseRecord(record, began);
  } catch (error) {
    onError(error, orphan.id);
    return undefined;
  }
}

/**
 * An outcome that was decided is told, by whoever comes. Without one the status says what may have happened: `accepted` was certainly not
 * sent, `submitting` may have been, `running` is followed to its end. `told` is the outcome in the trail, which can be ahead of the record only
 * after a power cut, or where the last step is missing.
 */
async function resume(
  context: LifecycleContext,
  progress: Progress,
  told: string | undefined,
  signal: AbortSignal,
): Promise<CommandRecord> {
  const { record } = progress;
  const audited = told !== undefined;
  if (isFinished(record)) return record;
  if (record.ending) return resumeEnding(context, progress, record.ending, audited, signal);
  switch (record.status) {
    case 'accepted':
      return finishWithoutOutput(context, progress, 'command.interrupted', interrupted, { audited });
    case 'submitting':
      if (told === 'command.rejected' || told === 'command.interrupted')
        return finishWithoutOutput(context, progress, told, rejected, { audited });
      return finishWithoutOutput(context, progress, 'command.unknown', lost, { audited });
    case 'running':
      return resumeRunning(context, progress, record, audited, signal);
  }
}

async function resumeRunning(
  context: LifecycleContext,
  progress: Progress,
  record: RunningRecord,
  audited: boolean,
  signal: AbortSignal,
): Promise<CommandRecord> {
  const cluster = context.clusterOf(record);
  if (!cluster) return finishWithoutOutput(context, progress, 'command.unknown', clusterGone, { audited });
  return followToEnd(context, progress, { azure: record.azure, cluster, audited }, signal);
}

/** The outcome stands; what may be missing is the output, which Azure has for a while. */
async function resumeEnding(
  context: LifecycleContext,
  progress: Progress,
  ending: Ending,
  audited: boolean,
  signal: AbortSignal,
): Promise<CommandRecord> {
  const { outcome } = ending;
  if (outcome.status !== 'completed') return finishAs(context, progress, ending, { audited });
  const stored = await context.records.getOutput(progress.record.id);
  const output = stored ?? (await outputOf(context, progress.record, outcome.exitCode, signal));
  return finishAs(context, progress, ending, { audited, output });
}

/** Undefined where Azure has it no longer: the record then says that it is missing. */
async function outputOf(
  context: LifecycleContext,
  record: CommandRecord,
  exitCode: number,
  signal: AbortSignal,
): Promise<CommandOutput | undefined> {
  const cluster = context.clusterOf(record);
  if (!cluster || record.status !== 'running') return undefined;
  const { nonce, owner, timeoutSeconds, submittedAt, azure } = record;
  const run = { cluster, commandId: azure.commandId, nonce, owner, timeoutSeconds, submittedAt };
  const ended = await context.relay.follow(run, signal);
  const same = ended.kind === 'completed' && ended.exitCode === exitCode;
  return same ? { stdout: ended.stdout, stderr: ended.stderr } : undefined;
}

const interrupted: Failure = {
  code: 'interrupted',
  message: 'The gateway stopped before the command was sent. Nothing was run; send it again if you still want it.',
};
const rejected: Failure = {
  code: 'interrupted',
  message:
    'The command was not accepted, and the gateway stopped before it could say why. Nothing was run; send it again if you still want it.',
};
const lost: Failure = {
  code: 'interrupted',
  message:
    'The gateway stopped while it sent the command. It may or may not have run; look at the cluster before you send it again.',
};
const clusterGone: Failure = {
  code: 'cluster-not-configured',
  message: 'The cluster was removed from the configuration while the command ran, so its end is not known.',
};
