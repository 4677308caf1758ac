import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';

import { ContainerServiceClient, type ManagedCluster, type RunCommandResult } from '@azure/arm-containerservice';
import type { TokenCredential } from '@azure/core-auth';

import type { Clock } from '../clock.ts';
import type { ArmId } from '../config/config.ts';
import { isLoopback } from '../config/values.ts';
import type { Secret } from '../secret.ts';
import { DeadlineExceeded, withDeadline } from './deadline.ts';

/** Azure Resource Manager as far as the relay needs it. One call is one request: whoever calls decides about another. */
export interface Arm {
  run(cluster: ArmId, command: ArmCommand, signal?: AbortSignal): Promise<Answer<Accepted>>;
  result(cluster: ArmId, commandId: string, signal?: AbortSignal): Promise<Answer<RunState>>;
  cluster(cluster: ArmId, signal?: AbortSignal): Promise<Answer<ClusterView>>;
}

export interface ArmCommand {
  readonly text: string;
  readonly context?: Uint8Array | undefined;
  readonly clusterToken?: Secret | undefined;
}

export interface Accepted {
  /** 32 hex digits, lower case. */
  readonly commandId: string;
  readonly requestId?: string | undefined;
}

/** What commandResults says: 202 while it runs, 200 when it has ended (facts: arm-recordings). */
export type RunState =
  /** `startedAt` (epoch ms, whole seconds) is absent until the container has started (R6). */
  | { readonly ended: false; readonly startedAt?: number | undefined }
  | {
      readonly ended: true;
      /** Lower case. */
      readonly provisioningState: string;
      readonly id?: string | undefined;
      readonly exitCode?: number | undefined;
      readonly startedAt?: number | undefined;
      readonly finishedAt?: number | undefined;
      readonly logs?: string | undefined;
      readonly reason?: string | undefined;
    };

export interface ClusterView {
  /** Lower case; `running` or `stopped`. */
  readonly powerState: string;
  /** Lower case. */
  readonly provisioningState: string;
  readonly runCommandDisabled: boolean;
  /** Managed Entra integration: run command then wants a token of whoever it is to run as. */
  readonly entra: boolean;
}

/** How a request ended. `remaining` is what ARM's rate-limit headers leave to this caller. */
export type Answer<T> =
  | { readonly kind: 'answer'; readonly value: T; readonly remaining?: number | undefined }
  | ({ readonly kind: 'refused' } & Refusal)
  /** Certain: no request left this machine, or nobody was there to take it. */
  | { readonly kind: 'unreached'; readonly code: string; readonly message: string }
  /** It was sent, or may have been, and no answer was read. */
  | { readonly kind: 'lost'; readonly code: string; readonly message: string };

/** An HTTP answer that is an error. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
  /** Azure's words, at most 1,000 characters. */
  readonly message: string;
  /** Seconds. */
  readonly retryAfter?: number | undefined;
  readonly remaining?: number | undefined;
}

export interface ArmOptions {
  /** `https://management.azure.com`; plain http for loopback only. */
  readonly endpoint: string;
  /** The gateway's own token for ARM. */
  readonly token: (signal: AbortSignal) => Promise<Secret>;
  readonly clock: Clock;
}

/** The POST blocks 30–60 s when the pod is slow to start, and says so only then (azure-cli#27776). */
const POST_MS = 90_000;
const GET_MS = 30_000;

const COMMAND_ID = /\/commandResults\/([0-9a-f]{32})(?:[/?#]|$)/i;

/** The documented SDK, with its own retries off: by default a lost answer makes it send the POST four times (facts R9). */
export function createArm({ endpoint, token, clock }: ArmOptions): Arm {
  const insecure = endpoint.startsWith('http://');
  if (insecure && !isLoopback(new URL(endpoint).hostname))
    throw new TypeError(`Plain http is for loopback only, not for ${endpoint}`);
  const clients = new Map<string, ContainerServiceClient>();
  // A kept-alive connection may die just as the POST is written, and then nobody knows whether it arrived: each has its own.
  const agent = insecure ? new HttpAgent({ keepAlive: false }) : new HttpsAgent({ keepAlive: false });

  const clientOf = (subscription: string): ContainerServiceClient => {
    const known = clients.get(subscription);
    if (known) return known;
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
        if (request.method === 'POST') request.agent = agent;
        return next(request);
      },
    });
    clients.set(subscription, client);
    return client;
  };

  const ask = async <V, T>(
    ms: number,
    signal: AbortSignal | undefined,
    send: (options: RequestOptions) => Promise<V | undefined>,
    read: (value: V | undefined, seen: Seen) => T | undefined,
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
    if (signal?.aborted)
      return { kind: 'unreached', code: 'Aborted', message: 'The gateway is stopping; nothing was sent.' };
    let seen: Seen | undefined;
    let value: V | undefined;
    try {
      value = await withDeadline(clock, ms, signal, (abortSignal) =>
        send({
          abortSignal,
          requestOptions: { headers: { authorization } },
          onResponse: ({ status, headers }) => {
            seen = { status, header: (name) => headers.get(name) };
          },
        }),
      );
    } catch (error) {
      // A good status is an answer even when the SDK stumbles over what came with it.
      if (seen === undefined || seen.status >= 300) return failure(error, seen);
    }
    if (seen === undefined)
      return { kind: 'lost', code: 'NoAnswer', message: 'Azure gave no answer that could be read.' };
    const result = read(value, seen);
    if (result === undefined)
      return {
        kind: 'lost',
        code: 'UnreadableAnswer',
        message: `Azure answered ${seen.status}, but not with what was asked for.`,
      };
    return { kind: 'answer', value: result, remaining: remaining(seen) };
  };

  return {
    run: ({ subscription, resourceGroup, name }, { text, context, clusterToken }, signal) =>
      ask(
        POST_MS,
        signal,
        (options) =>
          clientOf(subscription)
            .managedClusters.runCommand(
              resourceGroup,
              name,
              {
                command: text,
                ...(context && { context: Buffer.from(context).toString('base64') }),
                ...(clusterToken && { clusterToken: clusterToken.reveal() }),
              },
              options,
            )
            // The POST alone; the poller would go on at its own pace.
            .submitted(),
        (_, seen) => readAccepted(seen),
      ),
    result: ({ subscription, resourceGroup, name }, commandId, signal) =>
      ask(
        GET_MS,
        signal,
        (options) =>
          clientOf(subscription)
            .managedClusters.getCommandResult(resourceGroup, name, commandId, options)
            .then((body) => body ?? undefined),
        readState,
      ),
    cluster: ({ subscription, resourceGroup, name }, signal) =>
      ask(
        GET_MS,
        signal,
        (options) => clientOf(subscription).managedClusters.get(resourceGroup, name, options),
        readView,
      ),
  };
}

/** The pipeline's bearer policy is removed, so nothing asks this. */
const noCredential: TokenCredential = { getToken: () => Promise.resolve(null) };

interface Seen {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
}

interface RequestOptions {
  readonly abortSignal: AbortSignal;
  readonly requestOptions: { readonly headers: Readonly<Record<string, string>> };
  readonly onResponse: (response: { status: number; headers: { get(name: string): string | undefined } }) => void;
}

/** Only the id is taken from Location, never its host or path: Azure's answers are not followed (facts: run-command, REST). */
function readAccepted({ header }: Seen): Accepted | undefined {
  const requestId = header('x-ms-request-id');
  // Without a Location: the request id without dashes was the command's id in the recordings (assumption `command-id`).
  const id = COMMAND_ID.exec(header('location') ?? '')?.[1] ?? requestId?.replaceAll('-', '');
  return id !== undefined && /^[0-9a-f]{32}$/i.test(id) ? { commandId: id.toLowerCase(), requestId } : undefined;
}

function readState(body: RunCommandResult | undefined, { status }: Seen): RunState | undefined {
  const startedAt = epoch(body?.startedAt);
  const provisioningState = body?.provisioningState?.toLowerCase();
  if (status === 202 || (provisioningState !== undefined && unfinishedStates.has(provisioningState)))
    return { ended: false, startedAt };
  if (body === undefined || provisioningState === undefined) return undefined;
  const { id, exitCode, logs, reason } = body;
  return {
    ended: true,
    provisioningState,
    id: typeof id === 'string' ? id : undefined,
    exitCode: Number.isInteger(exitCode) ? exitCode : undefined,
    startedAt,
    finishedAt: epoch(body.finishedAt),
    logs: typeof logs === 'string' ? logs : undefined,
    reason: typeof reason === 'string' ? reason : undefined,
  };
}

const unfinishedStates: ReadonlySet<string> = new Set(['running', 'accepted', 'creating', 'pending', 'inprogress']);

function epoch(time: Date | undefined): number | undefined {
  const ms = time?.getTime();
  return ms === undefined || Number.isNaN(ms) ? undefined : ms;
}

const readView = (cluster: ManagedCluster | undefined): ClusterView | undefined =>
  cluster && {
    powerState: cluster.powerState?.code?.toLowerCase() ?? 'running',
    provisioningState: cluster.provisioningState?.toLowerCase() ?? 'succeeded',
    runCommandDisabled: cluster.apiServerAccessProfile?.disableRunCommand === true,
    entra: cluster.aadProfile?.managed === true,
  };

/** These never leave a request on the wire: name resolution, a refused connection, a certificate that was not believed. */
const neverSent =
  /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|CERT_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|ERR_TLS_CERT_\w+)$/;

/**
 * What a thrown error says. Nothing of it is kept but code, status and Azure's words: the SDK's error holds the whole request,
 * cluster token and command included (azure-powershell#17454 leaked one so).
 */
function failure(error: unknown, seen: Seen | undefined): Exclude<Answer<never>, { kind: 'answer' }> {
  if (error instanceof DeadlineExceeded)
    return { kind: 'lost', code: 'Timeout', message: `Azure gave no answer within ${error.ms / 1000} s.` };
  const status = seen?.status ?? statusOf(error);
  const code = fieldOf(error, 'code');
  if (status !== undefined) {
    return {
      kind: 'refused',
      status,
      code: code ?? `Http${status}`,
      message: clip(error instanceof Error ? error.message : '', 1000),
      retryAfter: retryAfter(seen?.header('retry-after')),
      remaining: seen && remaining(seen),
    };
  }
  if (code !== undefined && neverSent.test(code))
    return { kind: 'unreached', code, message: `Azure Resource Manager could not be reached (${code}).` };
  return {
    kind: 'lost',
    code: code ?? nameOf(error),
    message: `The connection to Azure broke (${code ?? nameOf(error)}).`,
  };
}

/** Seconds or an HTTP date (RFC 9110, 10.2.3); dates are left out, Azure sends none. */
const retryAfter = (header: string | undefined): number | undefined =>
  header !== undefined && /^\d{1,9}$/.test(header) ? Number(header) : undefined;

/** The least that any of ARM's per-caller buckets has left (learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling). */
function remaining({ header }: Seen): number | undefined {
  const left = ['reads', 'writes']
    .map((kind) => header(`x-ms-ratelimit-remaining-subscription-${kind}`))
    .filter((value) => value !== undefined && /^\d{1,9}$/.test(value))
    .map(Number);
  return left.length === 0 ? undefined : Math.min(...left);
}

const clip = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length)}…` : text);
const nameOf = (error: unknown): string => (error instanceof Error ? error.name : 'unknown error');

function fieldOf(error: unknown, name: string): string | undefined {
  const value: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, name) : undefined;
  return typeof value === 'string' && value !== '' ? clip(value, 100) : undefined;
}

function statusOf(error: unknown): number | undefined {
  const value: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'statusCode') : undefined;
  return typeof value === 'number' && value >= 100 ? value : undefined;
}
