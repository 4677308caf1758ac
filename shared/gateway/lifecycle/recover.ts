import type { AuditTrail } from '../../audit/trail.ts';
import { mark } from '../../lib/elapsed.ts';
import { stepId } from '../../store/derived-ids.ts';
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
import { finishEach } from './finish-each.ts';
import { finishAs } from './finish.ts';
import { endsOf, followToEnd } from './follow.ts';
import { followerOf, leaseRecord, updateRecord, type LeasedRecord } from './leased-record.ts';
import { toRunning } from './transitions.ts';

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
  const outcomes = context.outcomesOf(
    taken.flatMap(({ leader, followers }) => [leader, ...followers].map(({ record }) => record)),
  );
  outcomes.catch(() => undefined); // each command gets the error
  for (const { leader, followers } of taken) {
    const { id } = leader.record;
    const steps = async (progress: Progress, signal: AbortSignal): Promise<CommandRecord> => {
      try {
        const record = await resume(context, progress, await outcomes, signal);
        recovery.failures = 0;
        return record;
      } catch (error) {
        if (!signal.aborted) pause(context);
        throw error;
      }
    };
    const carried = carry(context, leader, steps, followers);
    carried.finished.catch((error: unknown) => context.onError(error, id));
  }
  return taken.length;
}

const isWritable = ({ check }: AuditTrail): Promise<boolean> =>
  check().then(
    () => true,
    () => false,
  );

/**
 * Records that stood still for `leaseMs` while this process watched, or that were given back. Never one of its own: two carriers with one name
 * would each take the other's changes for theirs.
 */
async function findOrphans(context: LifecycleContext): Promise<readonly CommandRecord[]> {
  const { records, active, starting, recovery, leaseMs, clock } = context;
  const { records: all, unreadable } = await records.unfinished(MOST_WATCHED);
  for (const id of unreadable) if (!recovery.told.has(id)) tellUnreadable(context, id);
  const now = clock.monotonic();
  const others = all.filter(({ id }) => !active.has(id) && !starting.has(id)).filter(isCarriedAlone(all, unreadable));
  const before = new Map(recovery.seen);
  recovery.seen.clear();
  return others.filter(({ id, version, carrier }) => {
    const known = before.get(id);
    const since = known?.version === version ? known.since : now;
    recovery.seen.set(id, { version, since });
    return carrier === '' || now - since >= leaseMs;
  });
}

/** A step of a batch is taken over with its first one; by itself only when that has ended without it, or was never stored. */
function isCarriedAlone(all: readonly CommandRecord[], unreadable: readonly string[]) {
  const open = new Set([...all.map(({ id }) => id as string), ...unreadable]);
  return ({ batch }: CommandRecord): boolean =>
    batch === undefined || batch.step === 0 || !open.has(stepId(batch.id, 0));
}

function tellUnreadable({ recovery, onError }: LifecycleContext, id: string): void {
  recovery.told.add(id);
  onError(new Error('the record cannot be read: it stays as it is, and the command with it'), id);
}

/** Commands that were taken together and fail together are one failure. */
function pause({ recovery, clock, entropy }: LifecycleContext): void {
  if (clock.monotonic() < recovery.notBefore) return;
  const [chance = 0] = entropy.bytes(1);
  const ms = Math.min(pauseMs.most, pauseMs.first * 2 ** recovery.failures);
  recovery.failures += 1;
  recovery.notBefore = clock.monotonic() + ms * (1 + chance / 512);
}

/**
 * With all that is sent with it. Undefined when another process was quicker, or its carrier lives after all. One that cannot be taken holds
 * up none of the others.
 */
export async function takeOver(context: LifecycleContext, orphan: CommandRecord): Promise<Taken | undefined> {
  const { records, clock, holder, recovery, onError } = context;
  const began = mark(clock);
  try {
    const record = await records.replace({ ...orphan, carrier: holder });
    recovery.seen.delete(orphan.id);
    if (!record) return undefined;
    const leader = leaseRecord(record, began);
    const followers = await takeFollowers(context, leader);
    return followers && { leader, followers };
  } catch (error) {
    onError(error, orphan.id);
    return undefined;
  }
}

interface Taken {
  readonly leader: LeasedRecord;
  readonly followers: readonly LeasedRecord[];
}

/** Those that are stored: nothing was sent before all were. Undefined when another process changes them. */
async function takeFollowers(
  { records, holder }: LifecycleContext,
  leader: LeasedRecord,
): Promise<readonly LeasedRecord[] | undefined> {
  const { batch } = leader.record;
  if (!batch || batch.step > 0) return [];
  const followers: LeasedRecord[] = [];
  for (let step = 1; step < batch.of; step += 1) {
    const stored = await records.get(stepId(batch.id, step));
    if (!stored) continue;
    const record = isFinished(stored) ? stored : await records.replace({ ...stored, carrier: holder });
    if (!record) return undefined;
    followers.push(followerOf(leader, record));
  }
  return followers;
}

/**
 * An outcome that was decided is told, whichever process comes. Without one the status says what may have happened: `accepted` was certainly not
 * sent, `submitting` may have been, `running` is followed to its end. `told` has the outcomes in the trail, which can be ahead of the records
 * only after a power cut, or where the last step is missing. The first step of a batch speaks for the others.
 */
async function resume(
  context: LifecycleContext,
  progress: Progress,
  told: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<CommandRecord> {
  const { record } = progress;
  const audited = (id: string): boolean => told.has(id);
  if (isFinished(record)) return record;
  if (record.ending) return resumeEnding(context, progress, record.ending, audited(record.id), signal);
  switch (record.status) {
    case 'accepted':
      return finishEach(context, progress, 'command.interrupted', interrupted, audited);
    case 'submitting': {
      const outcome = told.get(record.id);
      if (outcome === 'command.rejected' || outcome === 'command.interrupted')
        return finishEach(context, progress, outcome, rejected, audited);
      return finishEach(context, progress, 'command.unknown', lost, audited);
    }
    case 'running':
      return resumeRunning(context, progress, record, audited, signal);
  }
}

async function resumeRunning(
  context: LifecycleContext,
  progress: Progress,
  { azure, ...record }: RunningRecord,
  audited: (id: string) => boolean,
  signal: AbortSignal,
): Promise<CommandRecord> {
  const cluster = context.clusterOf({ azure, ...record });
  if (!cluster) return finishEach(context, progress, 'command.unknown', clusterGone, audited);
  // Alone, a step of a batch cannot be read: its place among the others is lost.
  if (record.batch && record.batch.step > 0) return finishEach(context, progress, 'command.unknown', lost, audited);
  const behind = progress.followers.filter((follower) => follower.record.status === 'submitting');
  await Promise.all(behind.map((follower) => updateRecord(context, follower, toRunning(azure))));
  return followToEnd(context, progress, { azure, cluster, audited }, signal);
}

/** The outcome stands; what may be missing is the output, which Azure has for a while. The first step of a batch is the last to come here. */
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
  const output = stored ?? (await outputOf(context, progress, outcome.exitCode, signal));
  return finishAs(context, progress, ending, { audited, output });
}

/** Undefined where Azure has it no longer: the record then says that it is missing. */
async function outputOf(
  context: LifecycleContext,
  progress: Progress,
  exitCode: number,
  signal: AbortSignal,
): Promise<CommandOutput | undefined> {
  const { record } = progress;
  const cluster = context.clusterOf(record);
  if (!cluster || record.status !== 'running') return undefined;
  const [ended] = await endsOf(context, progress, { azure: record.azure, cluster }, signal);
  const same = ended?.kind === 'completed' && ended.exitCode === exitCode;
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
