import { stepsOfBatch } from '../store/batch-steps.ts';
import { isFinished, type CommandRecord } from '../store/records.ts';
import { problems } from '../errors.ts';
import type { JobsContext } from './context.ts';
import { dropUnstarted, fire, isTooLate, isUnsent, notStarted, numbersUntil, requestOf, resume } from './fire.ts';
import type { Job } from './job.ts';
import { NOT_SEEN, tellFound, telling, toldOf, type ToldTroubles } from './tell-look.ts';
import { tellOfJob } from './tell.ts';
import { outcomeOf, type Outcome } from './outcome.ts';
import {
  loadState,
  OtherInstance,
  placeOfRun,
  remember,
  saveState,
  type Due,
  type JobState,
  type StartedRun,
  type StoredState,
} from './state.ts';

/** A slot that is seen later than this was missed: a timer that comes each minute sees it within one. */
const LATE_MS = 90_000;
/** One instance looks at a job at a time; one that is frozen loses its turn. */
const TURN_MS = 60_000;
/** Missed slots are counted up to here. */
const MOST_COUNTED = 1_000;
/** Jobs that are looked at side by side. */
const AT_ONCE = 8;

/** When this process was first refused a job's turn, of those in a row (monotonic). */
export type Refusals = Map<string, number>;

/** Looks at every job once. A job that cannot be looked at now is looked at by the next timer, and holds up no other. */
export async function tick(context: JobsContext, refusals: Refusals): Promise<void> {
  const jobs = [...context.jobsOf(await context.config.fresh()).values()];
  const lookAtRest = async (): Promise<void> => {
    for (let job = jobs.shift(); job; job = jobs.shift()) await lookInTurn(context, refusals, job);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lookAtRest));
}

async function lookInTurn(context: JobsContext, refusals: Refusals, job: Job): Promise<void> {
  const { records, clock, holder, onError } = context;
  const lease = `job/${job.name}`;
  try {
    const now = clock.now();
    const mine = await records.lease(lease, holder, now + TURN_MS, now);
    if (!mine && !isStuck(clock.monotonic(), refusals, job.name)) return;
    refusals.delete(job.name);
    try {
      await look(context, job);
    } finally {
      if (mine) await records.releaseLease(lease, holder);
    }
  } catch (error) {
    if (!(error instanceof OtherInstance)) onError(error);
  }
}

/**
 * A turn keeps two instances from doing the same work; that only one of them takes each step is the state's own compare-and-set. So a turn that
 * was taken while the clock was far ahead, by a process that died, holds nothing up for long.
 */
function isStuck(now: number, refusals: Refusals, job: string): boolean {
  const since = refusals.get(job) ?? now;
  refusals.set(job, since);
  return now - since > 3 * TURN_MS;
}

/** One look at one job: how its run ended, what was about to start, what is due. Each step is stored before the next. */
async function look(context: JobsContext, job: Job): Promise<void> {
  const found = (await loadState(context.records, job.name)) ?? (await firstLook(context, job));
  let stored = withoutAbandoned(found);
  if (stored.state.digest !== job.digest) stored = await noteChange(context, job, stored);
  if (stored.state.starting) stored = await resume(context, job, stored, stored.state.starting);
  stored = await noteEnd(context, job, stored); // also of a command that was found just now: it may have ended long ago
  if (!job.enabled || !job.schedule) return;
  stored = await noteDue(context, job, stored);
  const { waiting, running, starting } = stored.state;
  if (waiting && !running && !starting) await fire(context, job, stored, waiting);
}

/** A slot that was to run at once, and whose process is gone, is due as if nobody had seen it: it may be late by now. */
function withoutAbandoned({ version, state }: StoredState): StoredState {
  const { waiting, running, starting, lastSlot } = state;
  if (!waiting || running || starting) return { version, state };
  return { version, state: { ...state, waiting: undefined, lastSlot: Math.min(lastSlot, waiting.slot - 1) } };
}

/** A job's first start is now: slots before it was there are not missed. */
const firstLook = (context: JobsContext, job: Job): Promise<StoredState> =>
  saveState(context, job.name, undefined, {
    lastSlot: context.clock.now(),
    digest: job.digest,
    schedule: scheduleOf(job),
    history: [],
  });

const scheduleOf = ({ schedule, enabled }: Job): string =>
  enabled && schedule ? `${schedule.cron} ${schedule.timeZone}` : 'none';

/** Another command or schedule under the same name is told before it first fires. A new schedule starts now. */
async function noteChange(context: JobsContext, job: Job, stored: StoredState): Promise<StoredState> {
  const { trail, clock } = context;
  const { state } = stored;
  await trail.record({ event: 'job.changed', job: job.name, detail: `${state.digest} → ${job.digest}` });
  const schedule = scheduleOf(job);
  const next = await saveState(context, job.name, stored, {
    ...state,
    digest: job.digest,
    schedule,
    ...(schedule !== state.schedule && {
      lastSlot: Math.max(state.lastSlot, clock.now()),
      waiting: undefined,
      suspended: undefined,
    }),
  });
  return next.state.starting ? dropUnstarted(context, job, next, next.state.starting) : next;
}

async function noteEnd(context: JobsContext, job: Job, stored: StoredState): Promise<StoredState> {
  const { records } = context;
  const { state } = stored;
  const { running } = state;
  if (!running) return stored;
  const record = await records.get(running.commandId);
  if (record && !isFinished(record)) return stored;
  const { slot, missed, firedAt } = running;
  if (record?.status === 'failed' && isUnsent(record)) {
    const { code, message } = record.failure;
    // Its process ended before the command was sent, or Azure was away: the slot is still to be run.
    if (mayTryAgain(code) && !isTooLate(context, job, running) && job.enabled) {
      const starting = { slot, missed, firedAt };
      return saveState(context, job.name, stored, { ...state, running: undefined, starting });
    }
    return notStarted(context, job, stored, running, { code, why: `${code}: ${message}`, run: running });
  }
  const ended = await endOf(context, running, record);
  const { outcome, told } = job.health
    ? await noteLook(context, job, state, running, ended)
    : { outcome: ended, told: undefined };
  const { status, exitCode, why, commandId } = outcome;
  if (exitCode !== 0) {
    const detail = why ?? `exit code ${exitCode}`;
    const own = !job.health ? 'not' : toldOf(job, state).includes(NOT_SEEN) ? 'as-listed' : 'too';
    await tellOfJob(context, job, { event: 'job.failed', job: job.name, slot, commandId, detail }, { own });
  }
  const past = {
    slot,
    at: firedAt,
    missed: missed || undefined,
    ...placeOfRun(running),
    outcome: status,
    exitCode,
    why,
  };
  return saveState(context, job.name, stored, { ...remember(state, past), running: undefined, told });
}

interface NotedLook {
  readonly outcome: Outcome;
  readonly told: ToldTroubles | undefined;
}

/** A look that ran went well, whatever it saw: that is told for itself. */
async function noteLook(
  context: JobsContext,
  job: Job,
  state: JobState,
  run: StartedRun,
  ended: Outcome,
): Promise<NotedLook> {
  const { health, clock, entropy, onError } = context;
  const notSeen = telling(job, [NOT_SEEN]);
  if (run.batchId === undefined || ended.status !== 'completed') return { outcome: ended, told: notSeen };
  const looked = await health
    .note(requestOf(job, undefined, entropy), job.cluster, run.batchId, numbersUntil(job, clock.now()))
    .catch(onError);
  // Its numbers are lost until the next slot; that it ended is not.
  if (!looked)
    return { outcome: { ...ended, exitCode: undefined, why: 'what it saw could not be read' }, told: notSeen };
  const why = `${looked.status}: ${looked.reason}`;
  return { outcome: { ...ended, exitCode: 0, why }, told: await tellFound(context, job, state, run, looked) };
}

/** The first step of a batch is the last to be finished, so all of them have their end. */
async function endOf(
  { records }: JobsContext,
  { commandId }: StartedRun,
  record: CommandRecord | undefined,
): Promise<Outcome> {
  if (!record) return { status: 'unknown', why: 'the record of the command is gone', commandId };
  const { batch } = record;
  const followers = batch ? (await stepsOfBatch(records, { ...record, batch })).slice(1) : [];
  return outcomeOf([record, ...followers]) ?? { status: 'unknown', why: 'a step has no end', commandId };
}

const mayTryAgain = (code: string): boolean =>
  code === 'interrupted' || (code in problems && problems[code as keyof typeof problems].retryable);

/** Moves `lastSlot` to the newest slot that has come, once and for all; what is to run of it waits its turn. */
async function noteDue(context: JobsContext, job: Job, stored: StoredState): Promise<StoredState> {
  const { clock, telemetry } = context;
  const { state } = stored;
  const now = clock.now();
  const slot = job.schedule?.latest(now, state.lastSlot);
  if (slot === undefined || !job.schedule) return stored;
  const late = now - slot > LATE_MS;
  const missed = job.schedule.count(state.lastSlot, slot - 1, MOST_COUNTED) + (late ? 1 : 0);
  const runs = !late || job.onMissed === 'run';
  let next: JobState = { ...state, lastSlot: slot };
  if (missed > 0) {
    const why = `${missed >= MOST_COUNTED ? 'at least ' : ''}${missed} missed${runs ? ', the newest slot runs' : ''}`;
    await tellOfJob(context, job, { event: 'job.missed', job: job.name, slot, detail: why }, { own: 'too' });
    if (!runs) next = remember(next, { slot, at: now, missed, outcome: 'missed', why });
  }
  if (runs) next = await queue(context, job, next, { slot, missed });
  const saved = await saveState(context, job.name, stored, next);
  if (missed > 0) telemetry.count('aksgw.job.missed', { job: job.name }, missed);
  return saved;
}

/** A slot that comes while the job runs is left out, or waits: one at most. */
async function queue(context: JobsContext, job: Job, state: JobState, due: Due): Promise<JobState> {
  const busy = state.running !== undefined || state.starting !== undefined;
  if (!state.waiting && (!busy || job.onOverlap === 'queue')) return { ...state, waiting: due };
  const why = job.onOverlap === 'queue' ? 'one slot waits already' : 'the run before it has not ended';
  await tellOfJob(context, job, { event: 'job.overlapped', job: job.name, slot: due.slot, detail: why });
  return remember(state, { slot: due.slot, at: context.clock.now(), outcome: 'overlapped', why });
}
