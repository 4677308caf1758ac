import { Problem } from '../errors.ts';
import { ownerKey, type AuthenticatedRequest, type RequestedCommand } from '../gateway/request.ts';
import type { StartedCommand } from '../gateway/run-command.ts';
import { jobPrincipal, principalKey } from '../identity/principal.ts';
import { isFinished, isFollower, MAX_LISTED, type CommandRecord } from '../store/records.ts';
import type { JobsContext } from './context.ts';
import { NOT_SEEN, telling, toldOf } from './tell-look.ts';
import { tellOfJob } from './tell.ts';
import { chooseValues, fillStep, type Job, type OptionValues } from './job.ts';
import {
  placeOfRun,
  remember,
  saveState,
  whyOf,
  type Due,
  type Run,
  type StartedRun,
  type StoredState,
} from './state.ts';

/** How long a run that cannot start for now (Azure or the store is away, no place is free) is tried again. */
const TRY_FOR_MS = 10 * 60_000;
/** Clocks of two machines are taken to be apart by at most this. */
const SKEW_MS = 60 * 60_000;

/** Starts the run of a slot. That it is about to start is stored first: a process that dies on the way leaves a run that the next one starts. */
export async function fire(context: JobsContext, job: Job, stored: StoredState, due: Due): Promise<StoredState> {
  const { clock } = context;
  // A kill between the two tells it twice, alike.
  await tellOfJob(context, job, { event: 'job.fired', job: job.name, slot: due.slot, detail: detailOf(due) });
  const run: Run = { ...due, firedAt: clock.now() };
  const next = await saveState(context, job.name, stored, {
    ...stored.state,
    waiting: undefined,
    starting: run,
  });
  return attempt(context, job, next, run);
}

const detailOf = ({ missed }: Due): string =>
  missed > 0 ? `${missed} ${missed === 1 ? 'slot was' : 'slots were'} missed up to this one` : 'in time';

/**
 * Goes on with a run that was about to start. Its command is looked for first: an idempotency key is kept for a day, and the gateway may have
 * been down for longer.
 */
export async function resume(context: JobsContext, job: Job, stored: StoredState, run: Run): Promise<StoredState> {
  const found = await findCommand(context, job, run);
  if (found) return started(context, job, stored, startedAs(run, found));
  if (isTooLate(context, job, run)) {
    const why = 'it could not be started in time';
    return notStarted(context, job, stored, run, { code: 'not-started', why });
  }
  return attempt(context, job, stored, run);
}

/** A run that was about to start when its job changed: only the command that it may have by now counts. */
export async function dropUnstarted(
  context: JobsContext,
  job: Job,
  stored: StoredState,
  run: Run,
): Promise<StoredState> {
  const found = await findCommand(context, job, run);
  if (found) return started(context, job, stored, startedAs(run, found));
  return notStarted(context, job, stored, run, { code: 'not-started', why: 'the job was changed before it started' });
}

/** With `onMissed: run` a slot counts until the next one is due; otherwise it has its ten minutes. */
export function isTooLate({ clock }: JobsContext, { onMissed, schedule }: Job, { slot, firedAt }: Run): boolean {
  const now = clock.now();
  if (now - firedAt < TRY_FOR_MS) return false;
  return onMissed === 'skip' || (schedule?.next(slot) ?? Number.POSITIVE_INFINITY) <= now;
}

/** One key for one slot: whatever this process does not know of, the key does. */
async function attempt(context: JobsContext, job: Job, stored: StoredState, run: Run): Promise<StoredState> {
  try {
    const idempotency = { key: `slot ${new Date(run.slot).toISOString()}`, body: { job: job.name, slot: run.slot } };
    const { record } = await startRun(context, job, chooseValues(job, new Map()), { idempotency, slot: run.slot });
    return await started(context, job, stored, startedAs(run, record));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    // It may have been started by another instance before this one was refused.
    const found = await findCommand(context, job, run);
    if (found) return started(context, job, stored, startedAs(run, found));
    if (error.retryable && !isTooLate(context, job, run)) return stored;
    return notStarted(context, job, stored, run, { code: error.code, why: whyOf(error) });
  }
}

const startedAs = (run: Run, { id, batch }: CommandRecord): StartedRun => ({
  ...run,
  commandId: id,
  ...(batch && { batchId: batch.id }),
});

const started = (context: JobsContext, { name }: Job, stored: StoredState, run: StartedRun): Promise<StoredState> =>
  saveState(context, name, stored, { ...stored.state, starting: undefined, suspended: undefined, running: run });

/** The command of a slot, or the first of its steps, unless it ended before anything was sent. */
async function findCommand(
  { records }: JobsContext,
  { name, cluster }: Job,
  { slot, firedAt }: Run,
): Promise<CommandRecord | undefined> {
  const owner = principalKey(jobPrincipal(name));
  let cursor: string | undefined;
  do {
    const { items, next } = await records.list({
      owner,
      cluster,
      limit: cursor === undefined ? 10 : MAX_LISTED,
      ...(cursor !== undefined && { cursor }),
    });
    const found = items.find((record) => record.job?.slot === slot && !isFollower(record) && !isUnsent(record));
    if (found) return found;
    const oldest = items.at(-1);
    cursor = oldest && oldest.submittedAt > firedAt - SKEW_MS ? next : undefined;
  } while (cursor !== undefined);
  return undefined;
}

export const isUnsent = (record: CommandRecord): boolean =>
  isFinished(record) && record.status === 'failed' && record.azure === undefined;

const suspending: ReadonlySet<string> = new Set(['policy-denied', 'cluster-not-found']);

/** Nothing was started. A denial suspends the job until policy allows it again: each slot asks. */
export async function notStarted(
  context: JobsContext,
  job: Job,
  stored: StoredState,
  { slot, firedAt, missed }: Run,
  { code, why, run }: { readonly code: string; readonly why: string; readonly run?: StartedRun },
): Promise<StoredState> {
  const { clock } = context;
  const { state } = stored;
  const denied = suspending.has(code);
  const event = denied ? 'job.suspended' : 'job.failed';
  // A look that cannot be made at each slot is told once, as what it finds is.
  const known = job.health && toldOf(job, state).includes(NOT_SEEN);
  await tellOfJob(
    context,
    job,
    { event, job: job.name, slot, commandId: run?.commandId, detail: why },
    { own: known ? 'as-listed' : 'too' },
  );
  const outcome = denied ? 'suspended' : 'not-started';
  return saveState(context, job.name, stored, {
    ...remember(state, { slot, at: firedAt, missed: missed || undefined, outcome, ...(run && placeOfRun(run)), why }),
    starting: undefined,
    running: undefined,
    told: job.health ? telling(job, [NOT_SEEN]) : undefined,
    suspended: denied ? (state.suspended ?? { since: clock.now(), why }) : state.suspended,
  });
}

interface RunOf {
  readonly idempotency: RequestedCommand['idempotency'];
  /** Left out for a run by hand. */
  readonly slot?: number | undefined;
  readonly by?: {
    readonly request: AuthenticatedRequest;
    readonly reason?: string | undefined;
    readonly notify?: string | undefined;
  };
}

/** Runs the job's command, or its steps as one batch, as the job's own principal, judged by the policy of this moment. */
export function startRun(
  { gateway, health, clock, entropy }: JobsContext,
  job: Job,
  values: OptionValues,
  { idempotency, slot, by }: RunOf,
  signal?: AbortSignal,
): Promise<StartedCommand> {
  const request = requestOf(job, by?.request, entropy);
  const shared = {
    cluster: job.cluster,
    reason: by?.reason ?? job.reason,
    job: { name: job.name, ...(slot !== undefined && { slot }) },
    ...(by && { requester: personOf(by.request), startedBy: ownerKey(by.request) }),
    idempotency,
  };
  // Who runs it by hand is told that it ended. What a job's own look found is told once it was judged (tell-look.ts).
  const byHand = by?.notify === undefined ? undefined : ({ webhook: by.notify, on: 'always' } as const);
  if (job.health)
    return health.start(request, job.cluster, { ...shared, notify: byHand }, numbersUntil(job, clock.now()), signal);
  const notify = byHand ?? job.notify;
  const steps = job.steps.map((step) => {
    const { argv, ...filled } = fillStep(step, values);
    return { ...filled, command: argv };
  });
  if (job.batch) return gateway.runBatch(request, { ...shared, notify, steps, onError: job.onError }, signal);
  const [step] = steps;
  if (!step) throw new TypeError(`the job ${job.name} has no command`);
  return gateway.runCommand(request, { ...shared, notify, ...step }, signal);
}

/** Who ran a job by hand: the person behind the caller, where there is one. */
const personOf = ({ caller, requester }: AuthenticatedRequest) => (requester ?? caller).principal;

/** A look by hand says something of now for so long. */
const BY_HAND_MS = 3 * 60 * 60_000;

/** The slot after the next: a process that notes no more looks, since another one does, stops telling of its last one then. */
export const numbersUntil = ({ schedule }: Job, now: number): number =>
  schedule?.next(schedule.next(now) ?? now) ?? now + BY_HAND_MS;

/** The job asks; who ran it by hand is told beside it. */
export function requestOf(
  { name }: Job,
  by: AuthenticatedRequest | undefined,
  entropy: JobsContext['entropy'],
): AuthenticatedRequest {
  const principal = jobPrincipal(name);
  const { tid, oid, azp, uti } = principal;
  const requester = by && personOf(by);
  return {
    caller: { principal },
    facts: {
      requestId: by?.facts.requestId ?? entropy.uuid(),
      traceId: by?.facts.traceId,
      principal: { tid, oid, azp, uti, idtyp: 'job' },
      ...(requester && { requester: { tid: requester.tid, oid: requester.oid, idtyp: requester.kind } }),
      claimed: by?.facts.claimed,
    },
  };
}
