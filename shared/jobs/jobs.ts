import { Problem } from '../errors.ts';
import { decideOnWebhook } from '../gateway/decide-on-webhook.ts';
import { decideOnJob } from '../gateway/decide-on-job.ts';
import { denyPrincipal } from '../gateway/deny.ts';
import { policyDenied } from '../gateway/policy-denied.ts';
import { askerOf, ownerKey, type AuthenticatedRequest } from '../gateway/request.ts';
import type { StartedCommand } from '../gateway/run-command.ts';
import type { Policy } from '../policy/policy.ts';
import type { JobsContext } from './context.ts';
import { startRun } from './fire.ts';
import { tellOfJob } from './tell.ts';
import { chooseValues, type Job } from './job.ts';
import { lastRuns, type PastRun } from './past-runs.ts';
import { loadState, type JobState } from './state.ts';
import { tick, type Refusals } from './tick.ts';

/** A job as it is shown to those who may see it. */
export interface JobView {
  readonly job: Job;
  /** The next three slots; none where the job is disabled or has no schedule. */
  readonly next: readonly number[];
  readonly suspended?: JobState['suspended'];
  /** Newest first. */
  readonly runs: readonly PastRun[];
}

interface RunByHand {
  readonly options: ReadonlyMap<string, string>;
  readonly reason?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  /** A webhook that is told how it ended. */
  readonly notify?: string | undefined;
}

/** Scheduled maintenance: the timer's part, and what people ask of it. */
export interface Jobs {
  /** One look at every job; to be called each minute or more often. */
  tick(): Promise<void>;
  /** The jobs that the caller may `get` or `run`, each with its last run. */
  list(request: AuthenticatedRequest): Promise<readonly JobView[]>;
  /** With its last hundred runs. Throws Problem `job-not-found`, also for a job that the caller may not see. */
  get(request: AuthenticatedRequest, name: string): Promise<JobView>;
  /** Runs a job now, for somebody with the verb `run` on it by name. Throws Problem; then nothing was started. */
  run(request: AuthenticatedRequest, name: string, by: RunByHand, signal?: AbortSignal): Promise<StartedCommand>;
}

export function createJobs(context: JobsContext): Jobs {
  const refusals: Refusals = new Map();
  return {
    tick: () => tick(context, refusals),
    list: (request) => listJobs(context, request),
    get: async (request, name) => view(context, (await findJob(context, request, name)).job, HISTORY),
    run: (request, name, by, signal) => runByHand(context, request, name, by, signal),
  };
}

const HISTORY = 100;

async function listJobs(context: JobsContext, request: AuthenticatedRequest): Promise<readonly JobView[]> {
  const { config, policy } = await context.gateway.admitCaller(request);
  const visible = [...context.jobsOf(config).values()].filter((job) => maySee(policy, request, job));
  return Promise.all(visible.map((job) => view(context, job, 1)));
}

const maySee = (policy: Policy, request: AuthenticatedRequest, { name, cluster }: Job): boolean =>
  (['get', 'run'] as const).some(
    // Who may run it with a reason only may see it without.
    (verb) =>
      decideOnJob(policy, { asker: askerOf(request), verb, name, cluster, reason: 'to see it' }).verdict === 'allow',
  );

async function findJob(
  context: JobsContext,
  request: AuthenticatedRequest,
  name: string,
): Promise<{ readonly job: Job; readonly policy: Policy }> {
  const { config, policy } = await context.gateway.admitCaller(request);
  const job = context.jobsOf(config).get(name);
  if (job && maySee(policy, request, job)) return { job, policy };
  const problem = new Problem('job-not-found', 'There is no job with this name that you may see.');
  return denyPrincipal(context.trail, request.facts, problem, `asking for job ${name}: ${problem.message}`);
}

async function view(context: JobsContext, job: Job, most: number): Promise<JobView> {
  const { records, clock } = context;
  const state = (await loadState(records, job.name))?.state;
  const next: number[] = [];
  if (job.enabled && job.schedule) {
    for (let at = job.schedule.next(clock.now()); at !== undefined && next.length < 3; at = job.schedule.next(at))
      next.push(at);
  }
  return { job, next, suspended: state?.suspended, runs: await lastRuns(records, job, state, most) };
}

/** By hand the person needs this verb only; what the job does is decided as the job. */
async function runByHand(
  context: JobsContext,
  request: AuthenticatedRequest,
  name: string,
  { options, reason, idempotencyKey, notify }: RunByHand,
  signal: AbortSignal | undefined,
): Promise<StartedCommand> {
  const { gateway, entropy, trail } = context;
  await gateway.limitRate(request);
  const { job, policy } = await findJob(context, request, name);
  const asker = askerOf(request);
  const decision = decideOnJob(policy, { asker, verb: 'run', name, cluster: job.cluster, reason });
  const told =
    notify === undefined || decision.verdict === 'deny'
      ? decision
      : decideOnWebhook(policy, { asker, name: notify, cluster: job.cluster, reason });
  if (told.verdict === 'deny')
    return denyPrincipal(trail, request.facts, policyDenied(told), `running job ${name}: ${told.explanation}`);
  const values = chooseValues(job, options);
  const chosen = Object.fromEntries(values);
  await tellOfJob(context, job, {
    ...request.facts,
    event: 'job.run-by-hand',
    job: name,
    detail: JSON.stringify(chosen),
  });
  // The key is the person's own: the command is the job's.
  const key = `${ownerKey(request)}:${idempotencyKey ?? entropy.uuid()}`;
  const idempotency = { key, body: { job: name, options: chosen, reason, ...(notify !== undefined && { notify }) } };
  return startRun(context, job, values, { idempotency, by: { request, reason, notify } }, signal);
}
