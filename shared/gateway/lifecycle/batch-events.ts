import type { RequestFacts } from '../../audit/events.ts';
import type { Ended } from '../../relay/relay.ts';
import { batchStatus } from '../../store/batch-status.ts';
import { membersOf, type Progress } from './active-command.ts';
import type { LifecycleContext } from './context.ts';
import { subjectOf } from './finish.ts';

/** Which commands are about to be sent as one: before their own intents. */
export async function recordBatchIntent(
  { trail }: LifecycleContext,
  progress: Progress,
  facts: RequestFacts,
): Promise<void> {
  const { batch } = progress.record;
  if (!batch) return;
  const commandIds = membersOf(progress).map(({ record }) => record.id);
  await trail.record({ ...facts, event: 'batch.intended', batchId: batch.id, commandIds, onError: batch.onError });
}

/** How a batch ended, before its first step is finished: the others are by then, and `end` is the first one's. */
export async function recordBatchEnd(
  { trail }: LifecycleContext,
  { record, followers }: Progress,
  end: Pick<Ended, 'kind'>,
): Promise<void> {
  const { batch } = record;
  if (!batch) return;
  const records = followers.map((follower) => follower.record);
  const status = batchStatus([end.kind, ...records.map((follower) => follower.status)]);
  const stopped = records.some((follower) => follower.status === 'failed' && follower.failure.code === 'not-reached');
  const { whose } = subjectOf(record);
  await trail.record({ event: stopped ? 'batch.stopped' : 'batch.ended', batchId: batch.id, whose, status });
}
