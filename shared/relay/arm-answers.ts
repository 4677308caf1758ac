import type { ManagedCluster, RunCommandResult } from '@azure/arm-containerservice';

import { DeadlineExceeded } from '../lib/deadline.ts';
import { redactText } from '../lib/redact.ts';

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
  /** Azure Resource Manager says that the failure is its own: the request did not get to AKS (assumption `failure-cause`). */
  readonly byArm?: true | undefined;
}

/** The status and headers of an answer. */
export interface Seen {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
}

const COMMAND_ID = /\/commandResults\/([0-9a-f]{32})(?:[/?#]|$)/i;

/** Only the id is taken from Location, never its host or path: Azure's answers are not followed (facts: run-command, REST). */
export function readAccepted({ header }: Seen): Accepted | undefined {
  const requestId = header('x-ms-request-id');
  // Without a Location: the request id without dashes was the command's id in the recordings (assumption `command-id`).
  const id = COMMAND_ID.exec(header('location') ?? '')?.[1] ?? requestId?.replaceAll('-', '');
  return id !== undefined && /^[0-9a-f]{32}$/i.test(id) ? { commandId: id.toLowerCase(), requestId } : undefined;
}

export function readState(body: RunCommandResult | undefined, { status }: Seen): RunState | undefined {
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
    reason: typeof reason === 'string' ? redactText(reason.slice(0, 8_000)) : undefined,
  };
}

const unfinishedStates: ReadonlySet<string> = new Set(['running', 'accepted', 'creating', 'pending', 'inprogress']);

function epoch(time: Date | undefined): number | undefined {
  const ms = time?.getTime();
  return ms === undefined || Number.isNaN(ms) ? undefined : ms;
}

export const readView = (cluster: ManagedCluster | undefined): ClusterView | undefined =>
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
export function failure(error: unknown, seen: Seen | undefined): Exclude<Answer<never>, { kind: 'answer' }> {
  if (error instanceof DeadlineExceeded)
    return { kind: 'lost', code: 'Timeout', message: `Azure gave no answer within ${error.ms / 1000} s.` };
  const status = seen?.status ?? statusOf(error);
  const code = fieldOf(error, 'code');
  if (status !== undefined) {
    return {
      kind: 'refused',
      status,
      code: code ?? `Http${status}`,
      message: clip(redactText(error instanceof Error ? error.message.slice(0, 8_000) : ''), 1000),
      retryAfter: retryAfter(seen?.header('retry-after')),
      remaining: seen && remaining(seen),
      ...(seen?.header('x-ms-failure-cause')?.toLowerCase() === 'gateway' && { byArm: true }),
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
export function remaining({ header }: Seen): number | undefined {
  const left = ['reads', 'writes']
    .map((kind) => header(`x-ms-ratelimit-remaining-subscription-${kind}`))
    .filter((value) => value !== undefined && /^\d{1,9}$/.test(value))
    .map(Number);
  return left.length === 0 ? undefined : Math.min(...left);
}

const clip = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length)}…` : text);
export const nameOf = (error: unknown): string => (error instanceof Error ? error.name : 'unknown error');

function fieldOf(error: unknown, name: string): string | undefined {
  const value: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, name) : undefined;
  return typeof value === 'string' && value !== '' ? clip(value, 100) : undefined;
}

function statusOf(error: unknown): number | undefined {
  const value: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'statusCode') : undefined;
  return typeof value === 'number' && value >= 100 ? value : undefined;
}
