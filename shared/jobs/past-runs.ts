import { jobPrincipal, principalKey } from '../identity/principal.ts';
import type { PrincipalId } from '../lib/ids.ts';
import { isFinished, type Records } from '../store/records.ts';
import type { Job } from './job.ts';
import type { JobState, PastSlot } from './state.ts';

/** One run, or one slot that was none, as it is shown. */
export interface PastRun extends Omit<PastSlot, 'slot' | 'outcome'> {
  readonly slot?: number | undefined;
  readonly outcome: PastSlot['outcome'] | 'running';
  /** Who ran it by hand. */
  readonly by?: PrincipalId | undefined;
}

/** The last `most`, newest first: slots from the job's state, runs by hand from their own records. */
export async function lastRuns(
  records: Pick<Records, 'list'>,
  { name, cluster }: Pick<Job, 'name' | 'cluster'>,
  state: JobState | undefined,
  most: number,
): Promise<readonly PastRun[]> {
  const { items } = await records.list({ owner: principalKey(jobPrincipal(name)), cluster, limit: 2 * most });
  const byHand = items
    .filter((record) => record.job?.slot === undefined)
    .map((record): PastRun => {
      const outcome = isFinished(record) ? record.status : 'running';
      const failure = 'failure' in record ? `${record.failure.code}: ${record.failure.message}` : undefined;
      const exitCode = record.status === 'completed' ? record.exitCode : undefined;
      return { at: record.submittedAt, by: record.requester, commandId: record.id, outcome, exitCode, why: failure };
    });
  const { running, history = [] } = state ?? {};
  const now: readonly PastRun[] = running
    ? [
        {
          slot: running.slot,
          at: running.firedAt,
          commandId: running.commandId,
          missed: running.missed || undefined,
          outcome: 'running',
        },
      ]
    : [];
  return [...now, ...history, ...byHand].toSorted((a, b) => b.at - a.at).slice(0, most);
}
