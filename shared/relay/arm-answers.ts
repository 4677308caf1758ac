import { DeadlineExceeded } from '../lib/abort.ts';
import { redactText } from '../lib/redact.ts';
import type { Body } from './arm-body.ts';
import { ClusterBody, ErrorBody, readerOf, ResultBody } from './azure-forms.ts';

export interface Accepted {
  /** 32 hex digits, lower case. */
  readonly commandId: string;
  readonly requestId?: string | undefined;
}

/** What commandResults says: 202 while it runs, 200 when it has ended (as recorded: test/relay/recordings.test.ts). */
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
  /** Managed Entra integration: run command then needs a token of the user that it runs as. */
  readonly entra: boolean;
  readonly details: ClusterDetails;
}

/** What a look at a cluster tells, and no command depends on. Words are in lower case but for names. */
interface ClusterDetails {
  readonly name: string;
  /** `free`, `standard` or `premium`. */
  readonly tier: string;
  readonly private: boolean;
  readonly vnetIntegration: boolean;
  readonly localAccounts: boolean;
  readonly longTermSupport: boolean;
  /** Of the control plane; '' where Azure does not tell. */
  readonly version: string;
  readonly pools: readonly {
    readonly name: string;
    readonly version: string;
    readonly powerState: string;
    readonly provisioningState: string;
  }[];
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

/** An answer as it came. */
export interface Seen {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
  readonly body: Body;
}

const commandIdPattern = /\/commandResults\/([0-9a-f]{32})(?:[/?#]|$)/i;

/**
 * The id of an accepted command. Only the id is taken from Location, never its host or path: Azure's answers are not followed. 202 is
 * the one status of acceptance; the 200 in the API's description "never happens".
 */
export function readAccepted({ status, header }: Seen): Accepted | undefined {
  if (status !== 202) return undefined;
  const requestId = header('x-ms-request-id');
  // Without a Location: the request id without dashes was the command's id in the recordings (assumption `command-id`).
  const id = commandIdPattern.exec(header('location') ?? '')?.[1] ?? requestId?.replaceAll('-', '');
  if (id === undefined || !/^[0-9a-f]{32}$/i.test(id)) return undefined;
  return { commandId: id.toLowerCase(), requestId: requestId?.slice(0, 100) };
}

const resultIn = readerOf(ResultBody);
const clusterIn = readerOf(ClusterBody);
const errorIn = readerOf(ErrorBody);

/** The states after which nothing changes any more (ARM's contract for asynchronous operations); any other is one in progress. */
const finalStates: ReadonlySet<string> = new Set(['succeeded', 'failed', 'canceled']);

/** Undefined for an answer that is neither. 202 says "running" by itself, whatever its body holds. */
export function readState({ status, body }: Seen): RunState | undefined {
  const { id, properties } = resultIn(body.text) ?? {};
  if (status === 202) return { ended: false, startedAt: epoch(properties?.startedAt) };
  if (status !== 200 || properties === undefined) return undefined;
  const provisioningState = properties.provisioningState.toLowerCase();
  const startedAt = epoch(properties.startedAt);
  if (!finalStates.has(provisioningState)) return { ended: false, startedAt };
  const { exitCode, logs, reason } = properties;
  return {
    ended: true,
    provisioningState,
    id: id ?? undefined,
    exitCode: exitCode ?? undefined,
    startedAt,
    finishedAt: epoch(properties.finishedAt),
    logs: logs ?? undefined,
    reason: typeof reason === 'string' ? words(reason, 8_000) : undefined,
  };
}

function epoch(time: string | null | undefined): number | undefined {
  const ms = Date.parse(time ?? '');
  return Number.isNaN(ms) ? undefined : ms;
}

/** Undefined for what is not a managed cluster, or is another one: Azure's word decides as whom a command runs. */
export function readView({ body }: Seen, armId: string): ClusterView | undefined {
  const cluster = clusterIn(body.text);
  if (cluster === undefined || (cluster.id ?? armId).toLowerCase() !== armId.toLowerCase()) return undefined;
  const { powerState, provisioningState, apiServerAccessProfile, aadProfile } = cluster.properties;
  return {
    details: detailsIn(cluster),
    powerState: powerState?.code?.toLowerCase() ?? 'running',
    provisioningState: provisioningState?.toLowerCase() ?? 'succeeded',
    runCommandDisabled: apiServerAccessProfile?.disableRunCommand === true,
    entra: aadProfile?.managed === true,
  };
}

function detailsIn({ name, sku, properties }: ClusterBody): ClusterDetails {
  const { apiServerAccessProfile: access, agentPoolProfiles } = properties;
  return {
    name: name ?? '',
    tier: sku?.tier?.toLowerCase() ?? 'free',
    private: access?.enablePrivateCluster === true,
    vnetIntegration: access?.enableVnetIntegration === true,
    localAccounts: properties.disableLocalAccounts !== true,
    longTermSupport: properties.supportPlan?.toLowerCase() === 'akslongtermsupport',
    version: properties.currentKubernetesVersion ?? '',
    pools: (agentPoolProfiles ?? []).slice(0, MOST_POOLS).map((pool) => ({
      name: pool.name ?? '',
      version: pool.currentOrchestratorVersion ?? '',
      powerState: pool.powerState?.code?.toLowerCase() ?? 'running',
      provisioningState: pool.provisioningState?.toLowerCase() ?? 'succeeded',
    })),
  };
}

/** AKS has at most a hundred pools a cluster (learn.microsoft.com/azure/aks/quotas-skus-regions). */
const MOST_POOLS = 100;

/** These never leave a request on the wire: name resolution, a refused connection, a certificate that was not believed. */
const neverSent =
  /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|CERT_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|ERR_TLS_CERT_\w+)$/;

/** An HTTP answer that is an error. Of its body only ARM's own form of one is read. */
export function refusal(seen: Seen): Refusal {
  const error = errorIn(seen.body.text)?.error;
  return {
    status: seen.status,
    code: error?.code ?? `Http${seen.status}`,
    message: words(error?.message ?? '', 1_000),
    retryAfter: retryAfter(seen.header('retry-after')),
    remaining: remaining(seen),
    ...(seen.header('x-ms-failure-cause')?.toLowerCase() === 'gateway' && { byArm: true }),
  };
}

/**
 * A request that got no answer. Nothing of the error is kept but its code: the SDK's holds the whole request, cluster token and
 * command included (azure-powershell#17454 leaked one so).
 */
export function noAnswer(error: unknown): Extract<Answer<never>, { kind: 'unreached' | 'lost' }> {
  if (error instanceof DeadlineExceeded)
    return { kind: 'lost', code: 'Timeout', message: `Azure gave no answer within ${error.ms / 1000} s.` };
  const code = codeOf(error) ?? nameOf(error);
  if (neverSent.test(code))
    return { kind: 'unreached', code, message: `Azure Resource Manager could not be reached (${code}).` };
  return { kind: 'lost', code, message: `The connection to Azure broke (${code}).` };
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

/** Azure's words as a record can hold them: no secret in them, no half of a surrogate pair, no more than `length` characters. */
const words = (text: string, length: number): string => clip(redactText(text.slice(0, 8_000)), length).toWellFormed();

const clip = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length)}…` : text);
export const nameOf = (error: unknown): string => (error instanceof Error ? error.name : 'unknown error');

function codeOf(error: unknown): string | undefined {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' && code !== '' ? clip(code, 100) : undefined;
}
