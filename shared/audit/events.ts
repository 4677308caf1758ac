import type { BatchId, CommandId } from '../lib/ids.ts';
import type { ResourceAttributes } from '../kubernetes/attributes.ts';
import type { ProblemCode } from '../errors.ts';
import type { PresentedToken } from '../identity/refusals.ts';
import type { Ending } from '../store/records.ts';

/** The events of which each command that was sent gets one, and the record says which. */
export type OutcomeEvent = Ending['event'];

/**
 * Every event of the audit trail: AKG, a number that is never reused, and I (information), W (warning) or E (error). The gateway
 * composes these; the trail adds v, stream, seq, prev, time and monoMs, redacts, caps and escapes, and writes them as one
 * canonical line.
 */
export const eventCodes = {
  'stream.opened': 'AKG000I',
  checkpoint: 'AKG001I',
  'stream.closed': 'AKG002I',
  recovered: 'AKG003W',
  'config.loaded': 'AKG004I',
  'config.refused': 'AKG005W',
  'config.loading': 'AKG006I',
  'batch.signed': 'AKG007I',
  'auth.failed': 'AKG100W',
  'principal.denied': 'AKG101W',
  'command.refused': 'AKG200W',
  'command.denied': 'AKG201W',
  'command.explained': 'AKG202I',
  'rate-limited': 'AKG203W',
  'request.refused': 'AKG204W',
  'command.intended': 'AKG300I',
  'command.replayed': 'AKG301I',
  'command.accepted': 'AKG302I',
  'command.rejected': 'AKG303W',
  'command.unknown': 'AKG304E',
  'command.completed': 'AKG305I',
  'command.failed': 'AKG306W',
  'command.inconsistent': 'AKG307W',
  'command.interrupted': 'AKG308W',
  'command.settled': 'AKG309I',
  'command.cancel-asked': 'AKG310I',
  'command.cancelled': 'AKG311I',
  'batch.intended': 'AKG320I',
  'batch.ended': 'AKG321I',
  'batch.stopped': 'AKG322I',
  'result.read': 'AKG400I',
  'audit.read': 'AKG401I',
  'list.read': 'AKG402I',
  'result.purged': 'AKG403I',
  'job.fired': 'AKG500I',
  'job.failed': 'AKG501W',
  'job.missed': 'AKG502W',
  'job.overlapped': 'AKG503I',
  'job.suspended': 'AKG504W',
  'job.run-by-hand': 'AKG505I',
  'job.changed': 'AKG506I',
  'delivery.sent': 'AKG510I',
  'delivery.failed': 'AKG511W',
  'delivery.refused': 'AKG512W',
} as const;

export type EventName = keyof typeof eventCodes;

/** Numbers that are taken by events which nothing writes yet: each moves to `eventCodes` with what writes it. */
export const reservedCodes = {
  'approval.requested': 'AKG410I',
  'approval.given': 'AKG411I',
  'approval.denied': 'AKG412I',
  'approval.expired': 'AKG413I',
  'approval.withdrawn': 'AKG414I',
  'approval.void': 'AKG415I',
  'approval.released': 'AKG416I',
  'grant.given': 'AKG417I',
  'break-glass': 'AKG418E',
  'session.opened': 'AKG520I',
  'session.closed': 'AKG521I',
  'session.request-intended': 'AKG522I',
  'session.request-completed': 'AKG523I',
  'session.request-unknown': 'AKG524E',
  'session.request-denied': 'AKG525W',
  'doctor.probed': 'AKG600I',
} as const;

interface AuditPrincipal {
  readonly tid: string;
  readonly oid: string;
  readonly idtyp: 'user' | 'app' | 'job';
  readonly azp: string;
  readonly uti: string;
}

/** Who, where from, and on which cluster: what every event about a request carries. */
export interface RequestFacts {
  readonly requestId: string;
  /** The trace that the request is part of, 32 hex digits: the caller's where it named one. */
  readonly traceId?: string | undefined;
  readonly principal?: AuditPrincipal | undefined;
  /** The other end of the socket: a proxy, mostly. */
  readonly peer?: string | undefined;
  /** The person behind the caller: who runs a job by hand. */
  readonly requester?: Pick<AuditPrincipal, 'tid' | 'oid' | 'idtyp'> | undefined;
  /** What the caller says about itself: recorded as a claim, believed nowhere. */
  readonly claimed?:
    | {
        readonly requestedBy?: string | undefined;
        readonly ip?: string | undefined;
        readonly userAgent?: string | undefined;
      }
    | undefined;
  readonly cluster?:
    | { readonly name: string; readonly armId: string; readonly runAs: 'gateway' | 'caller' }
    | undefined;
}

/** What a decision goes by beside a principal's id. */
export interface Memberships {
  readonly appRoles: readonly string[];
  readonly groups: readonly string[];
  readonly groupsUnknown: boolean;
}

/** What was asked. The trail turns texts, files and stdin into HMACs, and hides and digests the data in argv. */
export interface CommandFacts {
  /** The caller's own words, data included; one word for a line that was not split. */
  readonly argv: readonly string[];
  readonly attributes?: readonly ResourceAttributes[] | undefined;
  /** The caller's app roles and groups that a binding there names, and whether its token leaves groups out: what policy went by. */
  readonly memberships?: Memberships | undefined;
  /** The same of the person behind the caller. */
  readonly requesterMemberships?: Memberships | undefined;
  readonly reason?: string | undefined;
  /** The exact words that are sent, quoted: goes in as an HMAC. */
  readonly text?: string | undefined;
  readonly files?: readonly { readonly path: string; readonly bytes: Uint8Array }[] | undefined;
  readonly stdin?: Uint8Array | undefined;
}

/** Whose command it is and where it runs: what makes a question by principal or cluster find how it ended. */
export interface CommandSubject {
  readonly whose?:
    | {
        readonly principal: { readonly tid: string; readonly oid: string };
        readonly cluster: { readonly name: string };
      }
    | undefined;
}

interface DecisionFacts {
  readonly decision: 'allow' | 'deny';
  /** `viewer/allow[0]`. */
  readonly rule?: string | undefined;
  readonly policyDigest: string;
}

/** A configuration: where it was read, and what it holds. */
interface ConfigFacts {
  readonly source: string;
  readonly configDigest: string;
  readonly policyDigest: string;
}

/** A time at which a job was due, and what came of it. */
interface SlotFacts {
  readonly job: string;
  /** Epoch ms. */
  readonly slot: number;
  readonly detail: string;
}

export interface OutcomeFacts {
  readonly exitCode?: number | undefined;
  readonly timedOut?: boolean | undefined;
  /** stdout's and stderr's bytes together. */
  readonly bytes?: number | undefined;
  /** True when output was lost to a limit. */
  readonly cut?: boolean | undefined;
  /** Goes in as an HMAC. */
  readonly stdout?: Uint8Array | undefined;
  readonly failure?: { readonly code: string; readonly message: string } | undefined;
}

export type AuditEvent =
  | { readonly event: 'config.refused'; readonly source: string; readonly detail: string }
  | (ConfigFacts & {
      readonly event: 'config.loading';
      readonly previousConfigDigest: string;
      /** Where the file differs: `+ policy.roles.viewer`, `policy.bindings[2].role`. */
      readonly changed: readonly string[];
    })
  | {
      readonly event: 'config.loaded';
      readonly configDigest: string;
      readonly policyDigest: string;
      readonly build: string;
    }
  | (RequestFacts & {
      readonly event: 'auth.failed';
      readonly problem: ProblemCode;
      readonly detail: string;
      readonly presented?: PresentedToken | undefined;
    })
  | (RequestFacts & { readonly event: 'principal.denied'; readonly detail: string })
  | (RequestFacts &
      CommandFacts & { readonly event: 'command.refused'; readonly problem: ProblemCode; readonly detail: string })
  | (RequestFacts & CommandFacts & DecisionFacts & { readonly event: 'command.denied'; readonly detail: string })
  | (RequestFacts & CommandFacts & Partial<DecisionFacts> & { readonly event: 'command.explained' })
  | (RequestFacts & { readonly event: 'rate-limited'; readonly detail: string })
  | (RequestFacts &
      CommandFacts &
      DecisionFacts & {
        readonly event: 'command.intended';
        readonly commandId: CommandId;
        /** The batch that it is sent in. */
        readonly batchId?: BatchId | undefined;
        readonly configDigest: string;
      })
  | (RequestFacts & {
      readonly event: 'batch.intended';
      readonly batchId: BatchId;
      /** In their order. */
      readonly commandIds: readonly CommandId[];
      readonly onError: 'stop' | 'continue';
    })
  | (CommandSubject & {
      /** `stopped`: a step failed or was ended, and the rest was not started. */
      readonly event: 'batch.ended' | 'batch.stopped';
      readonly batchId: BatchId;
      readonly status: string;
    })
  | (RequestFacts & { readonly event: 'command.replayed' | 'command.cancel-asked'; readonly commandId: string })
  | (CommandSubject & {
      readonly event: 'command.accepted';
      readonly commandId: CommandId;
      readonly azureCommandId: string;
      readonly azureRequestId?: string | undefined;
    })
  | ({
      readonly event: OutcomeEvent;
      readonly commandId: CommandId;
    } & CommandSubject &
      OutcomeFacts)
  | ({
      /** After an outcome that was unknown: how it ended, by its pod's own word. No second outcome. */
      readonly event: 'command.settled';
      readonly commandId: CommandId;
      readonly azureCommandId: string;
    } & CommandSubject &
      OutcomeFacts)
  | (CommandSubject & {
      readonly event: 'command.inconsistent';
      readonly commandId: CommandId;
      readonly detail: string;
    })
  | (RequestFacts & { readonly event: 'result.read'; readonly commandId: string })
  | (RequestFacts & { readonly event: 'audit.read' | 'list.read'; readonly detail: string })
  | (RequestFacts & { readonly event: 'request.refused'; readonly problem: ProblemCode; readonly detail: string })
  | { readonly event: 'result.purged'; readonly count: number }
  | (SlotFacts & { readonly event: 'job.fired' | 'job.missed' | 'job.overlapped' })
  | (SlotFacts & { readonly event: 'job.failed' | 'job.suspended'; readonly commandId?: string | undefined })
  | (CommandSubject & {
      /** `failed`: it was given up. `refused`: the address is not one that the gateway sends to; it may be tried again. */
      readonly event: 'delivery.sent' | 'delivery.failed' | 'delivery.refused';
      readonly deliveryId: string;
      readonly webhook: string;
      /** What it tells: `command.ended`, `job.failed`. */
      readonly about: string;
      readonly commandId?: string | undefined;
      readonly job?: string | undefined;
      readonly attempts: number;
      readonly detail: string;
    })
  | { readonly event: 'job.changed'; readonly job: string; readonly detail: string }
  | (RequestFacts & {
      readonly event: 'job.run-by-hand';
      readonly job: string;
      /** The options that were chosen. The command has the same requestId. */
      readonly detail: string;
    });

/** Events that a caller can cause at will, without a right to anything: many of a kind are told as one, with their number. */
export const floodEvents = [
  'auth.failed',
  'principal.denied',
  'rate-limited',
  'request.refused',
] as const satisfies readonly EventName[];

/** The events that close a command: exactly one for each intent. */
export const outcomeEvents = [
  'command.rejected',
  'command.unknown',
  'command.completed',
  'command.failed',
  'command.interrupted',
  'command.cancelled',
] as const satisfies readonly EventName[];
