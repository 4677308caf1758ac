import type { AuditEvent } from './events.ts';

/** The enforced stream: what it cannot write does not happen. */
export interface AuditTrail {
  /** Resolves once the event is durable. Rejects with Problem `audit-unavailable` when that is not certain. */
  record(event: AuditEvent): Promise<Recorded>;
  /** False while the last write failed: for /readyz. Recovers without restart. */
  healthy(): boolean;
  /** Writes the last checkpoint and `stream.closed`. */
  close(): Promise<void>;
}

export interface Recorded {
  readonly stream: string;
  readonly seq: number;
  /** Hex. */
  readonly hash: string;
  /** A compact JWS over {stream, seq, hash, time, keyId}: what the caller keeps. Signed on demand. */
  receipt(): Promise<string>;
}
