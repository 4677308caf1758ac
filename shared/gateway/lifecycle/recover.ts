import type { CommandRecord, Failure, RunningRecord } from '../../store/records.ts';
import { carry, type Progress } from './active-command.ts';
import type { LifecycleContext } from './context.ts';
import { finishWithoutOutput } from './finish.ts';
import { followToEnd } from './follow.ts';
import { toFailed, toUnknown } from './transitions.ts';
import { newLease, updateRecord } from './leased-record.ts';

/** Takes over commands whose process is gone, up to `limit`, and carries each to its end. Returns how many. */
export async function recoverOrphans(context: LifecycleContext, limit: number): Promise<number> {
  const orphans = await context.records.orphans(context.clock.now(), limit);
  const taken = await Promise.all(
    orphans.filter(({ id }) => !context.active.has(id)).map((orphan) => takeOver(context, orphan)),
  );
  return taken.filter(Boolean).length;
}

/** False when another process was quicker. */
async function takeOver(context: LifecycleContext, orphan: CommandRecord): Promise<boolean> {
  const record = await context.records.replace({ ...orphan, lease: newLease(context) });
  if (!record) return false;
  carry(context, record, (progress, signal) => resume(context, progress, signal));
  return true;
}

/**
 * The status says what may have happened: `accepted` was certainly not sent, `submitting` may have been, `running` is followed to
 * its end. The trail may know more than the record, since an outcome is audited first; then only the record is written.
 */
async function resume(context: LifecycleContext, progress: Progress, signal: AbortSignal): Promise<CommandRecord> {
  const { record } = progress;
  const outcome = await context.outcomeOf(record);
  const now = context.clock.now();
  switch (record.status) {
    case 'accepted':
      if (outcome) return updateRecord(context, progress, toFailed(interrupted, now));
      return finishWithoutOutput(context, progress, 'command.interrupted', interrupted);
    case 'submitting':
      if (outcome === 'command.rejected' || outcome === 'command.interrupted')
        return updateRecord(context, progress, toFailed(rejected, now));
      if (outcome) return updateRecord(context, progress, toUnknown(lost, now));
      return finishWithoutOutput(context, progress, 'command.unknown', lost);
    case 'running':
      return resumeRunning(context, progress, record, outcome !== undefined, signal);
    case 'completed':
    case 'failed':
    case 'unknown':
      return record;
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
  if (!cluster) return finishWithoutOutput(context, progress, 'command.unknown', clusterGone);
  return followToEnd(context, progress, { azure: record.azure, cluster, audited }, signal);
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
