import { LruMap } from 'toad-cache';
import { after, type Clock } from '../clock.ts';
import { Problem } from '../errors.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { policyDenied } from '../gateway/policy-denied.ts';
import { ownerKey, type AuthenticatedRequest, type RequestedBatch, type Wait } from '../gateway/request.ts';
import type { ReadVerdict } from '../gateway/judge-reads.ts';
import type { BatchResult } from '../gateway/read-batch.ts';
import type { StartedCommand } from '../gateway/run-command.ts';
import { onAbort } from '../lib/abort.ts';
import type { Relay } from '../relay/relay.ts';
import type { Answer } from './answers.ts';
import { assess, type Health } from './assess.ts';
import type { AzureAnswer } from './azure-view.ts';
import { digestOf, type Digest } from './digest.ts';
import type { HealthMetrics } from './metrics.ts';
import { isFresh, type SharedLooks } from './shared-looks.ts';
import { readLook, type BatchReading } from './read-batch.ts';
import { readsIn, stepsFor, wordsFor, type Read, type ReadName } from './reads.ts';

/** What is looked at. */
interface Scope {
  readonly cluster: string;
  /** All namespaces unless given. */
  readonly namespace?: string | undefined;
}

/** A look, or undefined while it has not ended. */
type Looked = { readonly health: Health } | { readonly health: undefined };

export interface Looks {
  /**
   * One look at a cluster, judged as the caller: what it may not read is `not-allowed`. The reads that it may make are one batch, so one pod.
   * A look of the same caller that is under way or less than 30 s old is shared. Throws Problem as a batch does, but for a cluster that
   * cannot be reached: that is an answer.
   */
  look(request: AuthenticatedRequest, scope: Scope, wait: Wait): Promise<Looked>;
  /** Starts the batch of a job's look. Throws Problem `policy-denied` when none of the reads may be made. */
  start(
    request: AuthenticatedRequest,
    cluster: string,
    about: About,
    until: number,
    signal?: AbortSignal,
  ): Promise<StartedCommand>;
  /** Judges a job's look that has ended, and keeps its numbers as metrics `until` then (epoch ms). */
  note(request: AuthenticatedRequest, cluster: string, batchId: string, until: number): Promise<Digest>;
}

/** What goes into the records with a job's look: all of a batch but the reads themselves. */
type About = Omit<RequestedBatch, 'cluster' | 'steps' | 'onError'>;

interface LooksContext {
  readonly gateway: Pick<
    Gateway,
    'admitCaller' | 'judgeReads' | 'recordDenials' | 'runBatch' | 'awaitBatch' | 'readBatch'
  >;
  readonly relay: Pick<Relay, 'view'>;
  readonly clock: Clock;
  readonly metrics: HealthMetrics;
  /** Looks of other processes. */
  readonly shared: SharedLooks;
}

/** How long a look is as good as a new one. */
const FRESH_MS = 30_000;
/** Looks that are kept to be shared. */
const MOST_SHARED = 200;
/** For each command: an API server that hangs is found within minutes, and holds no slot for an hour. */
const STEP_SECONDS = 60;
/** Longer than any batch may run. */
const LONGEST_MS = 2 * 3_600_000;

interface Look {
  /** Rejects with the Problem when nothing was started. */
  readonly done: Promise<Health>;
  /** When it ended (monotonic). */
  endedAt: number | undefined;
}

export function createLooks(context: LooksContext): Looks {
  const { clock } = context;
  const looks = new LruMap<Look>(MOST_SHARED);

  const share = (key: string, begin: () => Promise<Health>): Look => {
    const known = looks.get(key);
    if (known && (known.endedAt === undefined || clock.monotonic() - known.endedAt < FRESH_MS)) return known;
    const ended = (): void => {
      look.endedAt = clock.monotonic();
    };
    const forget = (): void => {
      // Nothing was seen, so there is nothing to share.
      if (looks.get(key) === look) looks.delete(key);
    };
    const look: Look = { done: noting(begin(), ended, forget), endedAt: undefined };
    looks.set(key, look);
    return look;
  };

  return {
    look: async (request, scope, wait) => {
      const judged = await judge(context, request, scope);
      const { done } = share(keyOf(request, scope, judged), () => begin(context, request, scope, judged));
      return { health: await within(clock, done, wait) };
    },
    start: (request, cluster, about, until, signal) => startForJob(context, request, { cluster }, about, until, signal),
    note: async (request, cluster, batchId, until) => {
      const reading = readLook(await context.gateway.readBatch(request, batchId, { ms: 0 }));
      return digestOf(await noted(context, request, cluster, reading, until));
    },
  };
}

async function noting<T>(work: Promise<T>, ended: () => void, failed: () => void): Promise<T> {
  try {
    const result = await work;
    ended();
    return result;
  } catch (error) {
    failed();
    throw error;
  }
}

async function startForJob(
  context: LooksContext,
  request: AuthenticatedRequest,
  scope: Scope,
  about: About,
  until: number,
  signal: AbortSignal | undefined,
): Promise<StartedCommand> {
  try {
    const judged = await judge(context, request, scope);
    await recordDenied(context, scope, judged);
    return await startBatch(context, request, scope, judged, about, signal);
  } catch (error) {
    // That it cannot be reached is what the look was to find out.
    if (isUnreachable(error))
      await noted(context, request, scope.cluster, { answers: new Map(), run: notRun(error) }, until);
    throw error;
  }
}

/** Of a job, which looks at all namespaces. */
async function noted(
  context: LooksContext,
  request: AuthenticatedRequest,
  cluster: string,
  reading: BatchReading,
  until: number,
): Promise<Health> {
  const azure = await askAzure(context, request, { cluster }, true);
  const seen = { cluster, namespace: undefined, denied: new Map(), now: context.clock.now() };
  const health = assess({ ...seen, ...reading, azure });
  context.metrics.set(health, until);
  return health;
}

/** What a caller may read, and why not the rest. */
interface Judged {
  readonly allowed: readonly Read[];
  readonly denied: ReadonlyMap<ReadName, Answer>;
  readonly verdicts: readonly ReadVerdict[];
}

async function judge({ gateway }: LooksContext, request: AuthenticatedRequest, scope: Scope): Promise<Judged> {
  const wanted = readsIn(scope.namespace);
  const commands = wanted.flatMap((read) =>
    stepsFor([read], scope.namespace).map(({ words }) => ({ cluster: scope.cluster, command: words, files: [] })),
  );
  const verdicts = await gateway.judgeReads(request, commands);
  const denied = new Map<ReadName, Answer>();
  const allowed = wanted.filter(({ name }, index) => {
    const verdict = verdicts[index];
    if (!verdict || verdict.allowed) return verdict !== undefined;
    const kind = verdict.code === 'command-refused' ? 'unknown' : 'not-allowed';
    denied.set(name, { kind, reason: verdict.reason });
    return false;
  });
  // Everybody may ask for the version. By itself that is worth no pod, and shows nothing that is well.
  const worthIt = allowed.some(({ name }) => name !== 'version');
  if (!worthIt) for (const { name } of allowed) denied.set(name, { kind: 'not-allowed', reason: NOTHING_ALLOWED });
  return { allowed: worthIt ? allowed : [], denied, verdicts };
}

/** Once a look, however many ask for it while it is fresh. */
const recordDenied = ({ gateway }: LooksContext, { namespace }: Scope, { denied, verdicts }: Judged): Promise<void> =>
  gateway.recordDenials(wordsFor([...denied.keys()], namespace), verdicts);

const NOTHING_ALLOWED = 'Policy allows none of the reads.';

/**
 * One caller, with the person behind it, in whose name Kubernetes may be asked; one cluster, one set of reads: whoever may read something else
 * gets a look of its own.
 */
const keyOf = (request: AuthenticatedRequest, { cluster, namespace }: Scope, { allowed }: Judged): string =>
  JSON.stringify([ownerKey(request), cluster, namespace, allowed.map(({ name }) => name)]);

async function begin(
  context: LooksContext,
  request: AuthenticatedRequest,
  scope: Scope,
  judged: Judged,
): Promise<Health> {
  const { allowed, denied } = judged;
  await recordDenied(context, scope, judged);
  const may = allowed.length > 0;
  const [reading, azure] = await Promise.all([
    may ? runReads(context, request, scope, judged) : notStarted,
    askAzure(context, request, scope, may),
  ]);
  const { cluster, namespace } = scope;
  return assess({ cluster, namespace, ...reading, azure, denied, now: context.clock.now() });
}

const notStarted: BatchReading = { answers: new Map(), run: { kind: 'not-allowed' } };

/** These say that the cluster cannot be reached, which is what the look was to find out. */
const unreachable: ReadonlySet<string> = new Set(['cluster-unavailable', 'azure-refused', 'azure-unreachable']);

async function runReads(
  context: LooksContext,
  request: AuthenticatedRequest,
  scope: Scope,
  judged: Judged,
): Promise<BatchReading> {
  try {
    return readLook(
      (await joinOther(context, request, scope, judged)) ?? (await runOwn(context, request, scope, judged)),
    );
  } catch (error) {
    if (!isUnreachable(error)) throw error;
    return { answers: new Map(), run: notRun(error) };
  }
}

async function runOwn(
  context: LooksContext,
  request: AuthenticatedRequest,
  scope: Scope,
  judged: Judged,
): Promise<BatchResult> {
  const { gateway, shared } = context;
  const started = await startBatch(context, request, scope, judged, {});
  const { batch } = started.record;
  const owner = ownerKey(request);
  if (batch) await shared.put(owner, scope.cluster, keyOf(request, scope, judged), batch.id);
  return gateway.awaitBatch(request, started, { ms: LONGEST_MS });
}

/** The batch of a look that another process began for the same caller, if it serves. */
async function joinOther(
  { gateway, shared, clock }: LooksContext,
  request: AuthenticatedRequest,
  scope: Scope,
  judged: Judged,
): Promise<BatchResult | undefined> {
  const owner = ownerKey(request);
  const [id] = await shared.find(owner, scope.cluster, keyOf(request, scope, judged));
  if (id === undefined) return undefined;
  try {
    const batch = await gateway.readBatch(request, id, { ms: 0 });
    if (!isFresh(batch, clock.now(), FRESH_MS)) return undefined;
    return batch.status === 'running' ? await gateway.readBatch(request, id, { ms: LONGEST_MS }) : batch;
  } catch (error) {
    // Its record is gone: then it serves nobody.
    if (error instanceof Problem && error.code === 'batch-not-found') return undefined;
    throw error;
  }
}

const isUnreachable = (error: unknown): error is Problem => error instanceof Problem && unreachable.has(error.code);
const notRun = ({ code, message }: Problem): BatchReading['run'] => ({ kind: 'not-run', code, message });

async function startBatch(
  { gateway }: LooksContext,
  request: AuthenticatedRequest,
  { cluster, namespace }: Scope,
  { allowed }: Judged,
  about: About,
  signal?: AbortSignal,
): Promise<StartedCommand> {
  if (allowed.length === 0)
    throw policyDenied(
      { reason: 'no-rule', explanation: 'Policy allows none of the reads of a look at this cluster.' },
      'the reads of a look at its health',
    );
  const commands = stepsFor(allowed, namespace);
  const { config } = await gateway.admitCaller(request);
  const { default: usual, max } = config.limits.timeoutSeconds;
  const timeoutSeconds = Math.min(STEP_SECONDS, usual, Math.floor(max / commands.length));
  const steps = commands.map(({ words }) => ({ command: words, files: [], timeoutSeconds }));
  return gateway.runBatch(request, { ...about, cluster, steps, onError: 'continue' }, signal);
}

/** Azure's own view is about the cluster as a whole: for every caller who may read something there. */
async function askAzure(
  { gateway, relay }: LooksContext,
  request: AuthenticatedRequest,
  { cluster: name }: Scope,
  allowed: boolean,
): Promise<AzureAnswer> {
  if (!allowed) return { kind: 'not-allowed', reason: NOTHING_ALLOWED };
  try {
    const { config } = await gateway.admitCaller(request);
    const cluster = config.clusters.get(name);
    if (!cluster) return { kind: 'unknown', reason: 'The cluster is no longer configured.' };
    const view = await relay.view(cluster);
    return { kind: 'view', view, details: view.details };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { kind: 'unknown', reason: error.message };
  }
}

/** The look's end, or undefined when the wait is over first. */
async function within<T>(clock: Clock, done: Promise<T>, { ms, signal }: Wait): Promise<T | undefined> {
  const { promise: over, resolve } = Promise.withResolvers<undefined>();
  const cancel = after(clock, ms, () => resolve(undefined), { unref: true });
  const stopListening = onAbort(signal, () => resolve(undefined));
  try {
    return await Promise.race([done, over]);
  } finally {
    cancel();
    stopListening();
  }
}
