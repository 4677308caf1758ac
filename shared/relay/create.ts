import { LruMap } from 'toad-cache';

import type { Clock, Entropy } from '../clock.ts';
import { compose, composeSteps, type Composed } from '../command/launcher/compose.ts';
import type { Cluster, Config } from '../config/config.ts';
import { Problem } from '../errors.ts';
import { createArm, type Arm } from './arm.ts';
import type { Accepted, Answer } from './arm-answers.ts';
import { authorise } from './authorise.ts';
import { createMeter, type Meter } from './budget/meter.ts';
import type { Leases } from './budget/shares.ts';
import { gatewayKey } from '../identity/principal.ts';
import { explainPost } from './catalogue.ts';
import { checkAvailable, createClusterViews, type ClusterViews } from './cluster-view.ts';
import { managedIdentityAssertion, type Credential } from './credential.ts';
import { withDeadline } from '../lib/abort.ts';
import { createFollow } from './follow.ts';
import { createOnBehalfOf, type OnBehalfOfOptions } from './on-behalf-of.ts';
import { readOutcome, readStepOutcomes } from './outcome.ts';
import { createToolReports, type ToolReports } from './tool-reports.ts';
import type { ClusterAuthority, Ended, Relay, StepsSubmission, Submitted } from './relay.ts';

export interface RelayOptions {
  /** Read for each request, so that a reload takes effect. */
  readonly config: () => Pick<Config, 'azure' | 'identity'>;
  readonly credential: Credential;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Where instances that do not know each other agree on shares of the budget. Without it this process counts itself alone. */
  readonly leases?: Leases;
  /** This process, uniquely. */
  readonly holder: string;
  readonly log?: (message: string) => void;
  /** Hears of every request to Azure and what came of it. */
  readonly told?: ToldRequest;
  readonly fetch?: typeof fetch;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly clientAssertion?: OnBehalfOfOptions['clientAssertion'];
}

/** What a request to Azure was for, and what came in answer; `throttled` is a 429. */
type ToldRequest = (
  cluster: string,
  operation: 'post' | 'poll' | 'view',
  answer: 'answered' | 'throttled' | 'refused' | 'unreached' | 'lost',
) => void;

/** POSTs of one command: the first, and again after each 429, which says that it was not taken. */
const MOST_POSTS = 3;
const PING_MS = 5_000;
const MOST_POSTED = 10_000;

/** What is sent, whatever is in it. */
type Sending = Omit<StepsSubmission, 'steps' | 'onError'>;

/** What the steps below share. */
interface Context {
  readonly clock: Clock;
  readonly armOf: () => Arm;
  readonly meterOf: (cluster: Cluster) => Meter;
  readonly views: ClusterViews;
  readonly toolReports: ToolReports;
  readonly told: ToldRequest;
  /** When (epoch ms) Azure took a command of this process: a caller may have waited long before that. */
  readonly posted: LruMap<number>;
}

/** `close` stops every poll and hands the shares of the budget back; runs are found again by the process that follows them next. */
export function createRelay(options: RelayOptions): Relay & { close(): Promise<void> } {
  const { config, credential, clock, holder, leases } = options;
  const { fetch: request = fetch, env = process.env, log = () => undefined, told = () => undefined } = options;
  const { clientAssertion = managedIdentityAssertion } = options;
  const armOf = remembered((endpoint) =>
    createArm({ endpoint, token: (signal) => credential(`${endpoint}/.default`, signal), clock }),
  );
  const meters = new Map<string, Meter>();
  const meterOf = remembered(
    (subscription) => createMeter({ clock, subscription, holder, leases, log, last: gatewayKey }),
    meters,
  );
  const context: Context = {
    clock,
    armOf: () => armOf(config().azure.resourceManager),
    meterOf: ({ arm }) => meterOf(arm.subscription),
    // GET managedClusters has a throttle of its own, per cluster, which one request a minute does not come near (`throttle-view`).
    views: createClusterViews(clock, async (cluster, signal) => {
      const answer = await context.armOf().cluster(cluster.arm, signal);
      learn(context, cluster, answer);
      told(cluster.name, 'view', nameOfAnswer(answer));
      return answer;
    }),
    toolReports: createToolReports(clock),
    told,
    posted: new LruMap(MOST_POSTED),
  };
  const { views, toolReports } = context;
  const onBehalfOf = createOnBehalfOf({ config, clock, env, fetch: request, clientAssertion });
  const follow = createFollow({
    clock,
    meterOf,
    postedAt: (commandId) => context.posted.get(commandId),
    ask: async (run, signal) => {
      const answer = await context.armOf().result(run.cluster.arm, run.commandId, signal);
      told(run.cluster.name, 'poll', nameOfAnswer(answer));
      return answer;
    },
  });

  return {
    preflight: async (cluster, signal) => checkAvailable(cluster, await views.get(cluster, signal)),
    authorise: async (cluster, caller, signal) =>
      authorise(cluster, await views.get(cluster, signal), caller, { onBehalfOf, credential }, signal),
    submit: (submission, signal) => {
      const { sent, nonce, timeoutSeconds, cluster } = submission;
      const launch = { sent, nonce, timeoutSeconds, namespace: cluster.defaultNamespace };
      return send(context, submission, () => compose({ ...launch, tools: toolReports.due(cluster) }), signal);
    },
    submitSteps: (submission, signal) => {
      const { steps, onError, cluster } = submission;
      const launch = { steps, onError, namespace: cluster.defaultNamespace };
      return send(context, submission, () => composeSteps({ ...launch, tools: toolReports.due(cluster) }), signal);
    },
    follow: async (run, signal, told) => {
      const end = await follow(run, signal, told);
      if ('ended' in end) return end.ended;
      const outcome = readOutcome(end.state, run);
      learnTools(context, run.cluster, outcome);
      return outcome;
    },
    followSteps: async (run, signal, told) => {
      const end = await follow(run, signal, told);
      if ('ended' in end) return run.nonces.map(() => end.ended);
      const outcomes = readStepOutcomes(end.state, run.commandId, run.nonces);
      for (const outcome of outcomes) learnTools(context, run.cluster, outcome);
      return outcomes;
    },
    view: (cluster, signal) => views.get(cluster, signal),
    toolsOf: (cluster) => toolReports.of(cluster),
    ping: (signal) => ping(config().azure.resourceManager, request, clock, signal),
    close: async () => {
      await Promise.all([...meters.values()].map((meter) => meter.close()));
    },
  };
}

/** Makes one for each name, when it is first asked for. */
function remembered<T>(make: (name: string) => T, made = new Map<string, T>()): (name: string) => T {
  return (name) => {
    const known = made.get(name);
    if (known !== undefined) return known;
    const one = make(name);
    made.set(name, one);
    return one;
  };
}

function learnTools({ toolReports }: Context, cluster: Cluster, outcome: Ended): void {
  if (outcome.kind === 'completed') toolReports.learn(cluster, outcome.tools);
}

/** Never throws: what is thrown before a POST went out says that nothing was started; what comes after it is an answer. */
async function send(
  context: Context,
  submission: Sending,
  composing: () => Promise<Composed>,
  signal: AbortSignal | undefined,
): Promise<Submitted> {
  try {
    return await post(context, submission, await composing(), signal);
  } catch (error) {
    if (error instanceof Problem) return { kind: 'not-started', problem: error };
    const why = signal?.aborted ? 'The gateway is stopping.' : 'The command could not be prepared.';
    const code = signal?.aborted ? 'gateway-busy' : 'internal-error';
    return { kind: 'not-started', problem: new Problem(code, `${why} Nothing ran.`, { cause: error }) };
  }
}

/** Again after a 429, which says that the command was not taken, and after nothing else. */
async function post(
  context: Context,
  submission: Sending,
  composed: Composed,
  signal: AbortSignal | undefined,
): Promise<Submitted> {
  const { cluster } = submission;
  for (let posts = 1; ; posts += 1) {
    const answer = await postOnce(context, submission, composed, signal);
    learn(context, cluster, answer);
    if (answer.kind === 'answer') {
      context.posted.set(answer.value.commandId, context.clock.now());
      return { kind: 'accepted', ...answer.value };
    }
    const meaning = explainPost(answer);
    if (meaning.kind === 'not-started') context.views.forget(cluster);
    if (meaning.kind !== 'throttled') return meaning;
    if (posts === MOST_POSTS) throw throttled(answer);
  }
}

/** One POST, when its turn in the budget has come and it is still permitted. Throws only when nothing was sent. */
async function postOnce(
  { armOf, meterOf, told }: Context,
  submission: Sending,
  composed: Composed,
  signal: AbortSignal | undefined,
): Promise<Answer<Accepted>> {
  const { cluster, fence, owner } = submission;
  const turn = await meterOf(cluster).pass(owner, signal);
  const authority = await permitted(submission).catch((error: unknown) => {
    turn.release('unsent');
    throw error;
  });
  const fenced = remembering(fence);
  const answer = await armOf()
    .run(cluster.arm, { ...composed, ...authority, fence: fenced.ask }, signal)
    .catch(ownMistake);
  const unsent = fenced.refusal !== undefined || answer.kind === 'unreached';
  turn.release(unsent ? 'unsent' : answer.kind === 'answer' ? 'started' : 'not-started');
  if (fenced.refusal) throw fenced.refusal.reason; // whatever the request failed with after that, it was not written
  told(cluster.name, 'post', nameOfAnswer(answer));
  return answer;
}

const nameOfAnswer = (answer: Answer<unknown>): Parameters<ToldRequest>[2] => {
  if (answer.kind === 'answer') return 'answered';
  return answer.kind === 'refused' && answer.status === 429 ? 'throttled' : answer.kind;
};

function throttled(answer: Answer<unknown>): Problem {
  const retryAfter = answer.kind === 'refused' ? answer.retryAfter : undefined;
  return new Problem('azure-throttled', 'Azure is throttling this subscription. Nothing ran.', {
    retryAfter: Math.min(300, Math.max(1, retryAfter ?? 5)),
  });
}

/** What an answer says about the subscription's budget. */
function learn({ meterOf }: Context, cluster: Cluster, answer: Answer<unknown>): void {
  if (answer.kind === 'refused' || answer.kind === 'answer') meterOf(cluster).learn(answer);
}

/** The credential first: the permission must be the last thing that was waited for. */
async function permitted({ authorise, permit }: Sending): Promise<ClusterAuthority> {
  const authority = await authorise();
  await permit();
  return authority;
}

/** A check that is asked deep inside a request, and what it said. */
function remembering(check: () => void) {
  const asked: { refusal: { readonly reason: unknown } | undefined; ask(): void } = {
    refusal: undefined,
    ask() {
      try {
        check();
      } catch (reason) {
        asked.refusal = { reason };
        throw reason;
      }
    },
  };
  return asked;
}

/** Not foreseen, and the POST may be out: so not "not started". */
const ownMistake = (): Answer<never> => ({
  kind: 'lost',
  code: 'InternalError',
  message: 'The gateway made a mistake while it waited for the answer.',
});

/** Any answer will do, and this address asks for no token and uses no subscription's budget. */
async function ping(endpoint: string, request: typeof fetch, clock: Clock, signal?: AbortSignal): Promise<void> {
  const url = `${endpoint}/metadata/endpoints?api-version=2022-09-01`;
  try {
    const answer = await withDeadline(clock, PING_MS, signal, (both) =>
      request(url, { signal: both, redirect: 'manual' }),
    );
    await answer.body?.cancel();
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    const why = error instanceof Error ? error.name : 'unknown error';
    throw new Problem('azure-unreachable', `Azure Resource Manager could not be reached (${why}).`);
  }
}
