import type { RuleReference } from '../config/rule-reference.ts';
import type { Delivery, Notify } from './delivery.ts';
import type { BatchId, CommandId, PrincipalId, PrincipalKey } from '../lib/ids.ts';

/**
 * Commands and what belongs to them: the gateway's memory between requests, processes and crashes. Two kinds, SQLite and Azure
 * Tables with blobs, held to one contract suite. Writes are compare-and-set on `version`. A write outlives the process when its
 * promise resolves. It outlives a power cut as well, except that `claimKey`, `lease`, `putOutput` and every replace but the one to
 * `submitting` may need the next write for that, or a moment: nothing was sent before it, or the audit trail has, or is about to have,
 * the outcome. Where `running` is lost, `submitting` says that the command may have run.
 */
export interface Records {
  create(record: CommandRecord): Promise<void>;
  get(id: string): Promise<CommandRecord | undefined>;
  /**
   * Replaces the record if its stored version is still `record.version`; gives the stored one (version + 1), or undefined when it lost. A
   * delivery is stored with it, both or none.
   */
  replace(record: CommandRecord, delivery?: Delivery): Promise<CommandRecord | undefined>;
  /** A caller's own commands, newest first. */
  list(query: ListQuery): Promise<{ readonly items: readonly CommandRecord[]; readonly next?: string | undefined }>;
  /** Records that are not finished, oldest first. One that cannot be read holds up none of the others: it is named beside them. */
  unfinished(limit: number): Promise<Unfinished>;
  /** Up to `limit` records that ended as `unknown` after `since` (epoch ms), and may be settled yet. */
  unknown(since: number, limit: number): Promise<readonly UnknownRecord[]>;
  /**
   * How many are with Azure (`submitting` or `running`), by caller and cluster; a batch counts once. What waits its turn (`accepted`) is not
   * counted.
   */
  inFlight(): Promise<readonly InFlight[]>;

  /** The output of a record that exists; a second call replaces the first. */
  putOutput(id: CommandId, output: CommandOutput): Promise<void>;
  getOutput(id: string): Promise<CommandOutput | undefined>;
  /**
   * Removes what is past its retention, up to a bounded number of each, so that the next purge goes on where this one ended. A record
   * that had an output is marked purged (version + 1). One that cannot be read is named in `unreadable`.
   */
  purge(limits: Retention): Promise<Purged>;

  /** Claims an idempotency key: `claimed`, or the claim that holds it. A claim whose `expiresAt` is past counts as none. */
  claimKey(
    claim: KeyClaim,
    now: number,
  ): Promise<{ readonly claimed: true } | { readonly claimed: false; readonly by: KeyClaim }>;
  /** Gives a claim back, if it is still this command's (a refusal does not use the key up). */
  releaseKey(claim: KeyClaim): Promise<void>;

  /** A named lease: true when `holder` has it until `until` (epoch ms); renewing one's own always succeeds. */
  lease(name: string, holder: string, until: number, now: number): Promise<boolean>;
  releaseLease(name: string, holder: string): Promise<void>;

  /** A small text of the gateway's own under a name (a job's state), at most `MAX_NOTE` characters. */
  getNote(name: string): Promise<Note | undefined>;
  /**
   * Writes a note if its stored version is still `note.version` (0: there is none yet); gives whether it did. Durable when it resolves; a
   * `lazy` one has outlived the process then, and a power cut a moment later.
   */
  putNote(name: string, note: Note, options?: { readonly lazy?: boolean }): Promise<boolean>;

  /** Stores a delivery, unless there is one with its id. */
  addDelivery(delivery: Delivery): Promise<void>;
  /** Up to `limit` deliveries that are due, but for those to the webhooks of `except`. */
  dueDeliveries(now: number, limit: number, except?: ReadonlySet<string>): Promise<readonly Delivery[]>;
  /** As `replace`, of a delivery. */
  replaceDelivery(delivery: Delivery): Promise<Delivery | undefined>;
  /** Removes a delivery if its stored version is still `delivery.version`; gives whether it did. */
  dropDelivery(delivery: Delivery): Promise<boolean>;

  /** Rejects with StorageUnavailable when the store does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

interface Unfinished {
  readonly records: readonly CommandRecord[];
  /** Ids, or the nearest there is to one. */
  readonly unreadable: readonly string[];
}

/** Epoch ms. */
interface Retention {
  /** Outputs of what ended before this go (see endedAt) … */
  readonly outputsBefore: number;
  /** … and records of what ended before this. */
  readonly recordsBefore: number;
  /** Claims of keys that expired before this go as well. */
  readonly now: number;
}

interface Purged {
  readonly outputs: number;
  readonly records: number;
  readonly unreadable: readonly string[];
}

/** Text with a version: written by compare-and-set, each write adds one. */
export interface Note {
  readonly version: number;
  readonly text: string;
}

/** A property of an Azure table holds 32,768 UTF-16 units (learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model). */
export const MAX_NOTE = 32_000;

export interface InFlight {
  readonly owner: string;
  readonly cluster: string;
  /** One or more. */
  readonly count: number;
}

interface ListQuery {
  readonly owner: PrincipalKey;
  readonly cluster?: string | undefined;
  readonly status?: CommandStatus | undefined;
  /** From 1 to maxListed; taken as the nearest of these. */
  readonly limit: number;
  /** `next` of the page before. Anything else is Problem `request-invalid`. */
  readonly cursor?: string | undefined;
}

export interface KeyClaim {
  /** Digest over caller, cluster and key: the scope of the key. */
  readonly scope: string;
  /** Digest of the request's meaning. */
  readonly body: string;
  readonly commandId: CommandId;
  readonly expiresAt: number;
}

export type CommandStatus = CommandRecord['status'];

/** A command's record as it is stored; its output is stored beside it. Times are epoch milliseconds. */
export type CommandRecord =
  | AcceptedRecord
  | SubmittingRecord
  | RunningRecord
  | CompletedRecord
  | FailedRecord
  | UnknownRecord;

type FinishedRecord = CompletedRecord | FailedRecord | UnknownRecord;

interface RecordBase {
  readonly id: CommandId;
  /** 1 at creation; each replace adds one. */
  readonly version: number;
  readonly cluster: string;
  readonly armId: string;
  /** The caller, together with the person behind it. */
  readonly owner: PrincipalKey;
  readonly principal: PrincipalId;
  /** The person behind the caller, by a token of their own; who ran a job by hand. */
  readonly requester?: PrincipalId | undefined;
  /** Of a job that was run by hand: who may read the record as its owner may. */
  readonly startedBy?: PrincipalKey | undefined;
  /** The job that this is a run of. */
  readonly job?: JobRun | undefined;
  /** Where its end is told. */
  readonly notify?: Notify | undefined;
  /** Redacted. */
  readonly argv: readonly string[];
  readonly reason?: string | undefined;
  readonly requestedBy?: string | undefined;
  /** The rule that allowed it. */
  readonly decision: RuleReference;
  readonly submittedAt: number;
  readonly timeoutSeconds: number;
  /** The launcher's nonce: with it the frames can be read after a restart. */
  readonly nonce: string;
  /**
   * The process that carries it; '' once that gave it back. It carries it for as long as the version keeps moving: see
   * gateway/lifecycle/leased-record.ts.
   */
  readonly carrier: string;
  readonly warnings: readonly string[];
  readonly outputPurged: boolean;
  /** Of a step: which batch it is in. */
  readonly batch?: BatchPlace | undefined;
}

/** The first step of a batch leads it: the process that carries that record carries all of them, and it is the last to be finished. */
interface BatchPlace {
  readonly id: BatchId;
  /** From 0. */
  readonly step: number;
  /** How many steps there are. */
  readonly of: number;
  readonly onError: OnError;
}

/** Whether a step that fails ends its batch. */
export type OnError = 'stop' | 'continue';

/** True of a record that is carried by another one: the first step of its batch. */
export const isFollower = ({ batch }: CommandRecord): boolean => batch !== undefined && batch.step > 0;

export interface JobRun {
  readonly name: string;
  /** Epoch ms; left out for a run by hand. */
  readonly slot?: number | undefined;
}

interface Open {
  /** The outcome that was decided and is being audited: the process that finishes the record tells this one. */
  readonly ending?: Ending | undefined;
}

/** Nothing was sent. */
export interface AcceptedRecord extends RecordBase, Open {
  readonly status: 'accepted';
}

/** The intent is audited; the command may have been sent. */
export interface SubmittingRecord extends RecordBase, Open, Intended {
  readonly status: 'submitting';
}

/** Azure has it. */
export interface RunningRecord extends RecordBase, Open, Intended {
  readonly status: 'running';
  readonly azure: AzureRun;
}

/** It ran to its end. */
export interface CompletedRecord extends RecordBase, Intended {
  readonly status: 'completed';
  /** Absent where the gateway itself answered: nothing was sent. */
  readonly azure?: AzureRun | undefined;
  readonly exitCode: number;
  readonly timedOut: boolean;
  readonly truncated: boolean;
  readonly streams: 'separate' | 'merged';
  /** It was unknown at first, and its pod told how it ended. */
  readonly settledBy?: 'pod' | undefined;
  /** A caller wanted it to end, and the signal did it. */
  readonly cancelled?: boolean | undefined;
  /** As it is stored, while it is. */
  readonly outputBytes: { readonly stdout: number; readonly stderr: number };
  /** As Azure tells it, to the second. */
  readonly startedAt?: number | undefined;
  /** As Azure tells it, to the second; the gateway's own time where it does not. */
  readonly finishedAt: number;
}

/** It did not run. */
interface FailedRecord extends RecordBase, Partial<Intended> {
  readonly status: 'failed';
  readonly azure?: AzureRun | undefined;
  readonly failure: Failure;
  readonly finishedAt: number;
}

/** It may or may not have run. */
export interface UnknownRecord extends RecordBase, Intended {
  readonly status: 'unknown';
  readonly azure?: AzureRun | undefined;
  readonly failure: Failure;
  readonly finishedAt: number;
}

interface Intended {
  /** The audit intent's receipt, a compact JWS. */
  readonly receipt: string;
}

export interface AzureRun {
  readonly commandId: string;
  readonly requestId?: string | undefined;
}

/** For showing a record that has none as one that runs. */
export const notSent: AzureRun = { commandId: '' };

export interface Failure {
  readonly code: string;
  readonly message: string;
}

/** An outcome, and the event that tells it. */
export interface Ending {
  readonly event:
    | 'command.rejected'
    | 'command.unknown'
    | 'command.completed'
    | 'command.failed'
    | 'command.interrupted'
    | 'command.cancelled';
  readonly outcome: Outcome;
}

/** What a finished record says about its end. */
export type Outcome =
  | Pick<
      CompletedRecord,
      | 'status'
      | 'exitCode'
      | 'outputBytes'
      | 'timedOut'
      | 'truncated'
      | 'streams'
      | 'startedAt'
      | 'finishedAt'
      | 'warnings'
      | 'cancelled'
    >
  | Pick<FailedRecord, 'status' | 'failure' | 'finishedAt'>
  | Pick<UnknownRecord, 'status' | 'failure' | 'finishedAt'>;

export const MAX_LISTED = 1000;

export const isFinished = (record: CommandRecord): record is FinishedRecord =>
  record.status === 'completed' || record.status === 'failed' || record.status === 'unknown';

/** What a failure of a command says that was cancelled before it was sent. */
export const CANCELLED = 'cancelled';

export const wasCancelled = (record: CommandRecord): boolean =>
  record.status === 'completed'
    ? record.cancelled === true
    : record.status === 'failed' && record.failure.code === CANCELLED;

/** When retention starts to count: the end, or, while it is not known, the latest time that the command can still run. */
export const endedAt = (record: CommandRecord): number =>
  isFinished(record) ? record.finishedAt : record.submittedAt + record.timeoutSeconds * 1000;

export interface CommandOutput {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}
