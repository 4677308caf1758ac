import type { DeliveredLook } from '../store/delivery.ts';
import type { JobsContext } from './context.ts';
import type { Looked } from './health-look.ts';
import type { Job } from './job.ts';
import type { JobState, StartedRun } from './state.ts';
import { tellOfLook } from './tell.ts';

/** What the job's webhook was last told is wrong. */
export type ToldTroubles = NonNullable<JobState['told']>;

/** A run that could not look at all. */
export const NOT_SEEN = 'not-seen';
/** What a job may not see stays unseen: told once, and no reason to call a cluster ill. */
const isIll = (trouble: string): boolean => !trouble.startsWith('not-allowed');

/** What is new against what was last told: something wrong that it did not have, or that nothing is wrong any more. */
export function changeSince(told: readonly string[], now: readonly string[]): DeliveredLook['change'] {
  if (now.some((trouble) => !told.includes(trouble))) return 'found';
  return told.some(isIll) && !now.some(isIll) ? 'recovered' : 'none';
}

/** What the job's present webhook was last told; another webhook was told nothing. */
export const toldOf = ({ notify }: Job, { told }: JobState): readonly string[] =>
  told && told.webhook === notify?.webhook ? told.troubles : [];

/** What is remembered as told, where there is somebody to tell. */
export const telling = ({ notify }: Job, troubles: readonly string[]): ToldTroubles | undefined =>
  notify && { webhook: notify.webhook, troubles };

/**
 * Has the job's webhook told what a look found: with `notifyOn: failure` what it did not know yet, and once that all is well again; with `always`
 * each look. A look goes by what it found: that its reads ran, or that some exited with 1, is no news.
 */
export async function tellFound(
  context: JobsContext,
  job: Job,
  state: JobState,
  { slot, commandId }: StartedRun,
  looked: Looked,
): Promise<ToldTroubles | undefined> {
  const { status, summary, lines, troubles } = looked;
  const change = changeSince(toldOf(job, state), troubles);
  if (job.notify && (change !== 'none' || job.notify.on === 'always')) {
    const { name, cluster } = job;
    await tellOfLook(context, job, {
      event: 'job.looked',
      job: name,
      slot,
      commandId,
      cluster,
      status,
      change,
      summary,
      lines,
    });
  }
  return telling(job, troubles);
}
