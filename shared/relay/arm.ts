import type { Agent as HttpAgent } from 'node:http';

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

/** What the steps below share. */
interface Context {
  readonly endpoint: string;
  readonly insecure: boolean;
  readonly token: ArmOptions['token'];
  readonly clock: Clock;
  /** By subscription. */
  readonly clients: Map<string, Client>;
  /** The connection of a request that has one of its own, by the signal that is the request's alone. */
  readonly agents: WeakMap<object, HttpAgent>;
}

type Sdk = typeof import('./arm-sdk.ts');

/** A subscription's client: each operation of the SDK takes its context. */
interface Client {
  readonly sdk: Sdk;
  readonly context: ReturnType<Sdk['createContainerService']>;
}

/** The documented SDK, with its own retries off: by default a lost answer makes it send the POST four times. */
export function createArm({ endpoint, token, clock }: ArmOptions): Arm {
  const insecure = endpoint.startsWith('http://');
  if (insecure && !isLoopback(new URL(endpoint).hostname))
    throw new TypeError(`Plain http is for loopback only, not for ${endpoint}`);
  const context: Context = { endpoint, insecure, token, clock, clients: new Map(), agents: new WeakMap() };

  return {
    run: (cluster, { text, context: files, clusterToken, fence }, signal) =>
      ask(context, cluster, signal, {
        ms: POST_MS,
        send: ({ sdk, context }, options) =>
          sdk
            .runCommand(
              context,
              cluster.resourceGroup,
              cluster.name,
              {
                command: text,
                ...(files && { context: Buffer.from(files).toString('base64') }),
                ...(clusterToken && { clusterToken: clusterToken.reveal() }),
              },
              options,
            )
            // The POST alone; the poller would go on at its own pace.
            .submitted(),
        read: readAccepted,
        agent: fencedAgent(!insecure, fence),
      }),
    result: (cluster, commandId, signal) =>
      ask(context, cluster, signal, {
        ms: GET_MS,
        send: ({ sdk, context }, options) =>
          sdk.getCommandResult(context, cluster.resourceGroup, cluster.name, commandId, options),
        read: readState,
      }),
    cluster: (cluster, signal) =>
      ask(context, cluster, signal, {
        ms: GET_MS,
        send: ({ sdk, context }, options) => sdk.get(context, cluster.resourceGroup, cluster.name, options),
        read: (seen) => readView(seen, cluster.id),
      }),
  };
}

async function clientOf(context: Context, subscription: string): Promise<Client> {
  const known = context.clients.get(subscription);
  if (known) return known;
  const sdk = await loadSdk();
  const made = sdk.createContainerService(noCredential, subscription, {
    endpoint: context.endpoint,
    allowInsecureConnection: context.insecure,
    retryOptions: { maxRetries: 0 },
    redirectOptions: { maxRetries: 0 },
  });
  // The token goes in as a header, got beforehand: so a token that cannot be got is never mistaken for a lost request, and the
  // loopback emulation, which this policy refuses, is spoken to in the same way.
  made.pipeline.removePolicy({ name: 'bearerTokenAuthenticationPolicy' });
  made.pipeline.addPolicy({
    name: 'ownConnectionForPost',
    sendRequest: (request, next) => {
      const agent = request.abortSignal && context.agents.get(request.abortSignal);
      if (request.method === 'POST' && !agent) throw new TypeError('a POST goes out on a fenced connection only');
      if (agent) request.agent = agent;
      return next(request);
    },
  });
  made.pipeline.addPolicy(boundedBody);
  const client = { sdk, context: made };
  context.clients.set(subscription, client);
  return client;
}

/** One request: what it sends, how long its answer may take, and how that is read. */
interface Question<T> {
  readonly ms: number;
  readonly send: (client: Client, options: RequestOptions) => Promise<unknown>;
  readonly read: (seen: Seen) => T | undefined;
  readonly agent?: HttpAgent;
}

/** Never rejects: what failed before anything was sent is `unreached`. */
async function ask<T>(
  context: Context,
  { subscription }: ArmId,
  signal: AbortSignal | undefined,
  { ms, send, read, agent }: Question<T>,
): Promise<Answer<T>> {
  let authorization: string;
  try {
    authorization = `Bearer ${(await withDeadline(context.clock, GET_MS, signal, context.token)).reveal()}`;
  } catch (error) {
    return unreached('NoToken', `The gateway could not get its own token for Azure (${nameOf(error)}).`);
  }
  let client: Client;
  try {
    client = await clientOf(context, subscription);
  } catch (error) {
    return unreached('NoClient', `The gateway could not load its client of Azure (${nameOf(error)}).`);
  }
  if (signal?.aborted) return unreached('Aborted', 'The gateway is stopping; nothing was sent.');
  let seen: Seen | undefined;
  try {
    await withDeadline(context.clock, ms, signal, (abortSignal) => {
      if (agent) context.agents.set(abortSignal, agent);
      return send(client, {
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
}

const unreached = (code: string, message: string): Answer<never> => ({ kind: 'unreached', code, message });

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

const loadSdk = (): Promise<Sdk> => import('./arm-sdk.ts');

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
