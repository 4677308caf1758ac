import type { EvidenceReport } from './evidence.ts';
import type { Finding, FindingKind } from './findings.ts';
import type { OpenCommand } from './pairing.ts';
import type { Acknowledgement, TrailState } from './state.ts';

export interface StreamReport {
  readonly stream: string;
  readonly events: number;
  readonly lastSeq: number;
  readonly lastTime?: string | undefined;
  /** The stream has a signed end. */
  readonly final: boolean;
  /** The last seq under a signature of the stream's key, -1 for none. */
  readonly signedUpTo: number;
  /** The last seq that something outside the stream has seen, -1 for none. */
  readonly witnessedUpTo: number;
  readonly rootKeyId?: string | undefined;
}

export type Verdict = 'INTACT' | 'UNPROVEN' | 'BROKEN';

export interface VerificationReport {
  /** INTACT: no contradiction, and everything is covered. UNPROVEN: no contradiction, and something is not covered. */
  readonly verdict: Verdict;
  readonly trail?: string | undefined;
  readonly streams: readonly StreamReport[];
  readonly events: number;
  readonly commands: { readonly paired: number; readonly open: readonly OpenCommand[] };
  /** The first hundred of each kind, in the order of streams. */
  readonly findings: readonly Finding[];
  readonly counts: Readonly<Partial<Record<FindingKind, number>>>;
  /** Those among the findings that somebody has explained. */
  readonly acknowledged: readonly Acknowledgement[];
  /** Receipts and copies: how many are valid, and each that is not. */
  readonly evidence: { readonly valid: number; readonly other: readonly EvidenceReport[] };
  readonly proves: readonly string[];
  readonly doesNotProve: readonly string[];
  /** To keep for the next time; pins nothing that was found broken. */
  readonly state: TrailState;
}
