import type { Clock, Entropy } from '../clock.ts';
import { compose } from '../command/launcher/compose.ts';
import type { Config } from '../config/config.ts';
import { Problem } from '../errors.ts';
import type { Records } from '../store/records.ts';
import { createArm, type Arm } from './arm.ts';
import { authorise } from './authorise.ts';
import { explainPost } from './catalogue.ts';
import { checkAvailable, createClusterViews } from './cluster-view.ts';
import { managedIdentityAssertion, type Credential } from './credential.ts';
import { createOnBehalfOf, type OnBehalfOfOptions } from './on-behalf-of.ts';
import { readOutcome, readRefusedPoll } from './outcome.ts';
import type { Ended, Relay, Run, Submission, Submitted } from './relay.ts';
import { untilAborted } from './until-aborted.ts';

export interface RelayOptions {
  /** Read for each request, so that a reload takes effect. */
  readonly config: () => Pick<Config, 'azure' | 'identity'>;
  readonly credential: Credential;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Where instances that do not know each other agree on shares of the budget. Without it this process counts itself alone. */
  readonly leases?: Pick<Records, 'lease' | 'releaseLease'>;
  /** This process, uniquely. */
  readonly holder: string;
  readonly log?: (message: string) => void;
  readonly fetch?: typeof fetch;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly clientAssertion?: OnBehalfOfOptions['clientAssertion'];
}

/** POSTs of one command: the first, and again after each 429. */
const MAX_POSTS = 3;

export function createRelay(options: RelayOptions): Relay {
  const {
    config,
    credential,
    clock,
    env = process.env,
    fetch: request = fetch,
    clientAssertion = managedIdentityAssertion,
  } = options;
  const arms = new Map<string, Arm>();
  const following = new Map<string, Promise<Ended>>();

  const armOf = (): Arm => {
    const endpoint = config().azure.resourceManager;
    const known = arms.get(endpoint);
    if (known) return known;
    const arm = createArm({ endpoint, token: (signal) => credential(`${endpoint}/.default`, signal), clock });
    arms.set(endpoint, arm);
    return arm;
  };

  const views = createClusterViews(clock, (cluster, signal) => armOf().cluster(cluster.arm, signal));
  const onBehalfOf = createOnBehalfOf({ config, clock, env, fetch: request, clientAssertion });

  const submit = async (submission: Submission, signal?: AbortSignal): Promise<Submitted> => {
    const { cluster, authority, sent, nonce, timeoutSeconds } = submission;
    const { text, context } = await compose({ sent, nonce, timeoutSeconds, namespace: cluster.defaultNamespace });
    for (let attempt = 1; ; attempt += 1) {
      const answer = await armOf().run(cluster.arm, { text, context, clusterToken: authority.clusterToken }, signal);
      if (answer.kind === 'answer') return { kind: 'accepted', ...answer.value };
      const meaning = explainPost(answer);
      if (meaning.kind !== 'throttled') return meaning;
      const retryAfter = Math.min(300, Math.max(1, (answer.kind === 'refused' ? answer.retryAfter : undefined) ?? 5));
      if (attempt === MAX_POSTS || retryAfter > 20)
        return {
          kind: 'not-started',
          problem: new Problem('azure-throttled', 'Azure is throttling this subscription. Nothing ran.', {
            retryAfter,
          }),
        };
      await clock.sleep(retryAfter * 1000, { signal });
    }
  };

  const poll = async (run: Run): Promise<Ended> => {
    for (let refusals = 0; ;) {
      const elapsed = clock.now() - run.submittedAt;
      await clock.sleep(Math.min(30_000, Math.max(300, elapsed / 10)));
      const answer = await armOf().result(run.cluster.arm, run.commandId);
      if (answer.kind === 'answer' && answer.value.ended) return readOutcome(answer.value, run);
      if (answer.kind === 'answer') refusals = 0;
      if (answer.kind !== 'refused' || answer.status === 429 || answer.status >= 500) continue;
      refusals += 1;
      if (refusals === 3) return readRefusedPoll(answer);
    }
  };

  return {
    preflight: async (cluster, signal) => checkAvailable(cluster, await views.get(cluster, signal)),
    authorise: async (cluster, caller, signal) =>
      authorise(cluster, await views.get(cluster, signal), caller, { onBehalfOf, credential }, signal),
    submit,
    follow: async (run, signal) => {
      const key = `${run.cluster.arm.id}/${run.commandId}`;
      const shared = following.get(key) ?? poll(run).finally(() => following.delete(key));
      following.set(key, shared);
      return untilAborted(shared, signal);
    },
    ping: async (signal) => {
      await request(`${config().azure.resourceManager}/`, signal ? { signal } : {});
    },
  };
}
