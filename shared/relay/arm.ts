import type { Agent as HttpAgent } from 'node:http';

import type { ContainerServiceClient } from '@azure/arm-containerservice';
import type { TokenCredential } from '@azure/core-auth';

import type { Clock } from '../clock.ts';
import type { ArmId } from '../config/config.ts';
import { isLoopback } from '../config/values.ts';
import type { Secret } from '../secret.ts';
import {
  nameOf,
  noAnswer,
  readAccepted,
  readState,
  readView,
  refusal,
  remaining,
  type Accepted,
  type Answer,
  type ClusterView,
  type RunState,
  type Seen,
} from './arm-answers.ts';
import { boundedBody, type Body } from './arm-body.ts';
import { withDeadline } from '../lib/abort.ts';
import { fencedAgent } from './fenced-agent.ts';

/** Azure Resource Manager as far as the relay needs it. One call is one request: the caller decides about another. */
export interface Arm {
  run(cluster: ArmId, command: ArmCommand, signal?: AbortSignal): Promise<Answer<Accepted>>;
  result(cluster: ArmId, commandId: string, signal?: AbortSignal): Promise<Answer<RunState>>;
  cluster(cluster: ArmId, signal?: AbortSignal): Promise<Answer<ClusterView>>;
}

interface ArmCommand {
  readonly text: string;
  readonly context?: Uint8Array | undefined;
  readonly clusterToken?: Secret | undefined;
  /** Asked before the first byte is written; when it throws, nothing was sent. */
  readonly fence: () => void;
}

interface ArmOptions {
  /** `https://management.azure.com`; plain http for loopback only. */
  readonly endpoint: string;
  /** The gateway's own token for ARM. */
  readonly token: (signal: AbortSignal) => Promise<Secret>;
  readonly clock: Clock;
}

/** The POST blocks 30–60 s when the pod is slow to start, and says so only then (azure-cli#27776). */
const POST_MS = 90_000;
const GET_MS = 30_000;

/** The documented SDK, with its own retries off: by default a lost answer makes it send the POST four times. */
export function createArm({ endpoint, token, clock }: ArmOptions): Arm {
  const insecure = endpoint.startsWith('http://');
  if (insecure && !isLoopback(new URL(endpoint).hostname))
    throw new TypeError(`Plain http is for loopback only, not for ${endpoint}`);
  const clients = new Map<string, ContainerServiceClient>();
  /** The connection of a request that has one of its own, by the signal that is the request's alone. */
  const agents = new WeakMap<object, HttpAgent>();

  const clientOf = async (subscription: string): Promise<ContainerServiceClient> => {
    const known = clients.get(subscription);
    if (known) return known;
    const { ContainerServiceClient } = await loadSdk();
    const client = new ContainerServiceClient(noCredential, subscription, {
      endpoint,
      allowInsecureConnection: insecure,
      retryOptions: { maxRetries: 0 },
      redirectOptions: { maxRetries: 0 },
    });
    // The token goes in as a header, got beforehand: so a token that cannot be had is never mistaken for a lost request, and the
    // loopback emulation, which this policy refuses, is spoken to in the same way.
    client.pipeline.removePolicy({ name: 'bearerTokenAuthenticationPolicy' });
    client.pipeline.addPolicy({
      name: 'ownConnectionForPost',
      sendRequest: (request, next) => {
        const agent = request.abortSignal && agents.get(request.abortSignal);
        if (request.method === 'POST' && !agent) throw new TypeError('a POST goes out on a fenced connection only');
        if (agent) request.agent = agent;
        return next(request);
      },
    });
    client.pipeline.addPolicy(boundedBody);
    clients.set(subscription, client);
    return client;
  };

  const ask = async <T>(
    { subscription }: ArmId,
    ms: number,
    signal: AbortSignal | undefined,
    send: (clusters: Clusters, options: RequestOptions) => Promise<unknown>,
    read: (seen: Seen) => T | undefined,
    agent?: HttpAgent,
  ): Promise<Answer<T>> => {
    let authorization: string;
    try {
      authorization = `Bearer ${(await withDeadline(clock, GET_MS, signal, token)).reveal()}`;
    } catch (error) {
      return {
        kind: 'unreached',
        code: 'NoToken',
        message: `The gateway could not get its own token for Azure (${nameOf(error)}).`,
      };
    }
    let clusters: Clusters;
    try {
      clusters = (await clientOf(subscription)).managedClusters;
    } catch (error) {
      return {
        kind: 'unreached',
        code: 'NoClient',
        message: `The gateway could not load its client of Azure (${nameOf(error)}).`,
      };
    }
    if (signal?.aborted)
      return { kind: 'unreached', code: 'Aborted', message: 'The gateway is stopping; nothing was sent.' };
    let seen: Seen | undefined;
    try {
      await withDeadline(clock, ms, signal, (abortSignal) => {
        if (agent) agents.set(abortSignal, agent);
        return send(clusters, {
          abortSignal,
          requestOptions: { headers: { authorization } },
          onResponse: ({ status, headers, body = {} }) => {
            seen = { status, header: (name) => headers.get(name), body };
          },
        });
      });
    } catch (error) {
      // An answer is one even when the SDK stumbles over what came with it.
      if (seen === undefined) return noAnswer(error);
    }
    return seen === undefined ? noAnswer(undefined) : readAnswer(seen, read);
  };

  return {
    run: (cluster, { text, context, clusterToken, fence }, signal) =>
      ask(
        cluster,
        POST_MS,
        signal,
        (clusters, options) =>
          clusters
            .runCommand(
              cluster.resourceGroup,
              cluster.name,
              {
                command: text,
                ...(context && { context: Buffer.from(context).toString('base64') }),
                ...(clusterToken && { clusterToken: clusterToken.reveal() }),
              },
              options,
            )
            // The POST alone; the poller would go on at its own pace.
            .submitted(),
        readAccepted,
        fencedAgent(!insecure, fence),
      ),
    result: (cluster, commandId, signal) =>
      ask(
        cluster,
        GET_MS,
        signal,
        (clusters, options) => clusters.getCommandResult(cluster.resourceGroup, cluster.name, commandId, options),
        readState,
      ),
    cluster: (cluster, signal) =>
      ask(
        cluster,
        GET_MS,
        signal,
        (clusters, options) => clusters.get(cluster.resourceGroup, cluster.name, options),
        (seen) => readView(seen, cluster.id),
      ),
  };
}

function readAnswer<T>(seen: Seen, read: (seen: Seen) => T | undefined): Answer<T> {
  if (seen.status >= 300) return { kind: 'refused', ...refusal(seen) };
  const value = read(seen);
  if (value !== undefined) return { kind: 'answer', value, remaining: remaining(seen) };
  const what = seen.body.tooLong ? 'with more than any answer holds' : 'but not with what was asked for';
  return { kind: 'lost', code: 'UnreadableAnswer', message: `Azure answered ${seen.status}, ${what}.` };
}

/** Loads the SDK ahead of the first request, which hears of it should that fail. A cold start is ready sooner without it. */
export function preloadSdk(): void {
  loadSdk().catch(() => undefined);
}

const loadSdk = () => import('./arm-sdk.ts');

type Clusters = ContainerServiceClient['managedClusters'];

/** The pipeline's bearer policy is removed, so nothing asks this. */
const noCredential: TokenCredential = { getToken: () => Promise.resolve(null) };

interface RequestOptions {
  readonly abortSignal: AbortSignal;
  readonly requestOptions: { readonly headers: Readonly<Record<string, string>> };
  readonly onResponse: (response: {
    readonly status: number;
    readonly headers: { get(name: string): string | undefined };
    /** By the policy `boundedBody`. */
    readonly body?: Body;
  }) => void;
}
