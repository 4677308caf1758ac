import type { AuditEvent } from './events.ts';

/** The enforced stream: what it cannot write does not happen. */
export interface AuditTrail {
  /** Resolves once the event is durable. Rejects with Problem `audit-unavailable` when that is not certain. */
  record(event: AuditEvent, options?: RecordOptions): Promise<Recorded>;
  /**
   * Rejects with Problem `audit-unavailable` while the last write failed, or when the store no longer holds what was written: for
   * /readyz. Recovers without restart.
   */
  check(): Promise<void>;
  /** Writes `stream.closed` and the final checkpoint. */
  close(): Promise<void>;
}

export interface RecordOptions {
  /**
   * Nothing waits for it: it goes out with the next batch, some milliseconds later at most. So it costs no disk and no signature of its own,
   * and no time of the line that comes after it.
   */
  readonly unhurried?: boolean;
  /** Its receipt will be asked for, so it is signed while the store writes. */
  readonly receipt?: boolean;
}

export interface Recorded {
  readonly stream: string;
  readonly seq: number;
  /** Hex. */
  readonly hash: string;
  /** A compact JWS over {stream, seq, hash, time, keyId}: what the caller keeps. Signed on demand, unless it was asked for with the event. */
  receipt(): Promise<string>;
}
