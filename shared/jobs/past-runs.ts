import { jobPrincipal, principalKey } from '../identity/principal.ts';
import type { PrincipalId } from '../lib/ids.ts';
import { isFollower, type CommandRecord, type Records } from '../store/records.ts';
import type { Job } from './job.ts';
import { outcomeOf } from './outcome.ts';
import { placeOfRun, type JobState, type PastSlot } from './state.ts';

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
  job: Job,
  state: JobState | undefined,
  most: number,
): Promise<readonly PastRun[]> {
  const commands = await lastCommands(records, job, 2 * most * job.steps.length);
  const byHand = commands
    .filter((record) => record.job?.slot === undefined && !isFollower(record))
    .map((record) => runByHand(record, commands));
  const { running, history = [] } = state ?? {};
  const now: readonly PastRun[] = running
    ? [
        {
          slot: running.slot,
          at: running.firedAt,
          ...placeOfRun(running),
          missed: running.missed || undefined,
          outcome: 'running',
        },
      ]
    : [];
  return [...now, ...history, ...byHand].toSorted((a, b) => b.at - a.at).slice(0, most);
}

/** The newest records of a job: of one with steps each step has its own. */
async function lastCommands(
  records: Pick<Records, 'list'>,
  { name, cluster }: Job,
  most: number,
): Promise<readonly CommandRecord[]> {
  const owner = principalKey(jobPrincipal(name));
  const found: CommandRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = await records.list({
      owner,
      cluster,
      limit: most - found.length,
      ...(cursor !== undefined && { cursor }),
    });
    found.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined && found.length < most);
  return found;
}

function runByHand(record: CommandRecord, commands: readonly CommandRecord[]): PastRun {
  const { id, batch, submittedAt: at, requester: by } = record;
  const followers = batch ? commands.filter((other) => isFollower(other) && other.batch?.id === batch.id) : [];
  const { status = 'running' as const, exitCode, why } = outcomeOf([record, ...followers]) ?? {};
  return { at, by, ...(batch ? { batchId: batch.id } : { commandId: id }), outcome: status, exitCode, why };
}
