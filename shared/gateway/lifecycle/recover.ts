import type { CommandRecord } from '../../store/records.ts';
import { carry, type Progress } from './active-command.ts';
import type { LifecycleContext } from './context.ts';
import { finishWithoutOutput, type Failure } from './finish.ts';
import { followToEnd } from './follow.ts';
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
 * its end. The trail may know more than the record, since the outcome is audited first.
 */
async function resume(context: LifecycleContext, progress: Progress, signal: AbortSignal): Promise<CommandRecord> {
  const { record } = progress;
  const outcome = await context.outcomeOf(record);
  switch (record.status) {
    case 'accepted':
      if (outcome) return failAsAudited(context, progress, 'failed', interrupted);
      return finishWithoutOutput(context, progress, 'command.interrupted', interrupted);
    case 'submitting':
      if (outcome === 'command.rejected' || outcome === 'command.interrupted')
        return failAsAudited(context, progress, 'failed', rejected);
      if (outcome) return failAsAudited(context, progress, 'unknown', lost);
      return finishWithoutOutput(context, progress, 'command.unknown', lost);
    case 'running':
      return resumeRunning(context, progress, outcome !== undefined, signal);
    case 'completed':
    case 'failed':
    case 'unknown':
      return record;
  }
}

async function resumeRunning(
  context: LifecycleContext,
  progress: Progress,
  audited: boolean,
  signal: AbortSignal,
): Promise<CommandRecord> {
  const { azure } = progress.record;
  if (!azure) throw new Error('a running record has the id that Azure gave it');
  const cluster = context.clusterOf(progress.record);
  if (!cluster) return finishWithoutOutput(context, progress, 'command.unknown', clusterGone);
  return followToEnd(context, progress, { azure, cluster, audited }, signal);
}

/** The trail has the outcome already; only the record is behind. */
const failAsAudited = (
  context: LifecycleContext,
  progress: Progress,
  status: 'failed' | 'unknown',
  failure: Failure,
): Promise<CommandRecord> => updateRecord(context, progress, { status, failure, finishedAt: context.clock.now() });

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
