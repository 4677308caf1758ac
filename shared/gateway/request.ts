import type { RequestFacts } from '../audit/events.ts';
import type { CommandRequest } from '../command/invocation.ts';
import type { Notify } from '../store/delivery.ts';
import type { OnError } from '../store/records.ts';
import type { Caller } from '../identity/principal.ts';
import { principalKey } from '../identity/principal.ts';
import type { OwnerId, PrincipalId, PrincipalKey } from '../lib/ids.ts';
import type { Asker } from '../policy/decide-both.ts';
import type { JobRun } from '../store/records.ts';

/** A request whose caller is known, and what the trail says about it. */
export interface AuthenticatedRequest {
  readonly caller: Caller;
  /** The person behind a caller that is an application, by a token of their own. */
  readonly requester?: Caller | undefined;
  readonly facts: RequestFacts;
}

/** Whose rights count. */
export const askerOf = ({ caller, requester }: AuthenticatedRequest): Asker => ({
  principal: caller.principal,
  requester: requester?.principal,
});

/** Who owns what comes of a request: the caller, together with the person behind it. */
export const ownerOf = ({ caller, requester }: AuthenticatedRequest): OwnerId => ({
  ...idOf(caller.principal),
  ...(requester && { requester: idOf(requester.principal) }),
});

export const ownerKey = (request: AuthenticatedRequest): PrincipalKey => principalKey(ownerOf(request));

export const idOf = ({ kind, tid, oid }: PrincipalId): PrincipalId => ({ kind, tid, oid });

/** What a caller wants to run, and where. */
export interface RequestedCommand extends Omit<CommandRequest, 'argv'> {
  readonly cluster: string;
  /** Words, or one text to be split into words. */
  readonly command: readonly string[] | string;
  /** The text comes as Slack hands it over. */
  readonly fromSlack?: boolean | undefined;
  readonly reason?: string | undefined;
  readonly requestedBy?: string | undefined;
  readonly timeoutSeconds?: number | undefined;
  /** The job that this is a run of. */
  readonly job?: JobRun | undefined;
  /** The person behind the caller, where the gateway knows one for certain. */
  readonly requester?: PrincipalId | undefined;
  /** Who ran a job by hand, where the job owns the record: an application together with the person behind it, or a person. */
  readonly startedBy?: PrincipalKey | undefined;
  /** Where its end is told. For a job's own webhook nobody has to be asked. */
  readonly notify?: Notify | undefined;
  /** With the body as it came: a key stands for exactly that body. */
  readonly idempotency?: { readonly key: string; readonly body: unknown } | undefined;
}

/** Several commands that are to run one after the other in one pod, and where. */
export interface RequestedBatch extends Pick<
  RequestedCommand,
  'cluster' | 'reason' | 'requestedBy' | 'job' | 'requester' | 'startedBy' | 'notify' | 'idempotency'
> {
  readonly steps: readonly Pick<RequestedCommand, 'command' | 'fromSlack' | 'files' | 'stdin' | 'timeoutSeconds'>[];
  readonly onError: OnError;
}

/** How long a caller waits, and the signal of its connection. */
export interface Wait {
  readonly ms: number;
  readonly signal?: AbortSignal | undefined;
  /** Holds memory for an answer of so many bytes until it is out. Throws Problem when there is none: then it is not read. */
  readonly hold?: ((bytes: number) => void) | undefined;
}
