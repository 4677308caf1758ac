import type { RequestFacts } from '../audit/events.ts';
import type { CommandRequest } from '../command/invocation.ts';
import type { OnError } from '../store/records.ts';
import type { Caller } from '../identity/principal.ts';
import type { PrincipalId } from '../lib/ids.ts';
import type { JobRun } from '../store/records.ts';

/** A request whose caller is known, and what the trail says about it. */
export interface AuthenticatedRequest {
  readonly caller: Caller;
  readonly facts: RequestFacts;
}

/** What a caller wants to run, and where. */
export interface RequestedCommand extends Omit<CommandRequest, 'argv'> {
  readonly cluster: string;
  /** Words, or one text to be split into words. */
  readonly command: readonly string[] | string;
  readonly reason?: string | undefined;
  readonly requestedBy?: string | undefined;
  readonly timeoutSeconds?: number | undefined;
  /** The job that this is a run of. */
  readonly job?: JobRun | undefined;
  /** The person behind the caller, where the gateway knows one for certain. */
  readonly requester?: PrincipalId | undefined;
  /** With the body as it came: a key stands for exactly that body. */
  readonly idempotency?: { readonly key: string; readonly body: unknown } | undefined;
}

/** Several commands that are to run one after the other in one pod, and where. */
export interface RequestedBatch extends Pick<
  RequestedCommand,
  'cluster' | 'reason' | 'requestedBy' | 'job' | 'requester' | 'idempotency'
> {
  readonly steps: readonly Pick<RequestedCommand, 'command' | 'files' | 'stdin' | 'timeoutSeconds'>[];
  readonly onError: OnError;
}

/** How long a caller waits, and the signal of its connection. */
export interface Wait {
  readonly ms: number;
  readonly signal?: AbortSignal | undefined;
  /** Holds memory for an answer of so many bytes until it is out. Throws Problem when there is none: then it is not read. */
  readonly hold?: ((bytes: number) => void) | undefined;
}
