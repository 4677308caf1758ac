import { hash } from 'node:crypto';
import type { Position } from '../../store/append-log.ts';

/**
 * What verification can find. `broken`: a contradiction, so the trail is not what was written. `unproven`: no contradiction, but
 * something is not covered or wants an explanation. `note`: what an honest crash leaves, explained.
 */
const findingKinds = {
  'not-canonical': 'broken',
  'line-invalid': 'broken',
  'torn-line': 'broken',
  'opening-missing': 'broken',
  'opening-invalid': 'broken',
  'root-key-unknown': 'broken',
  'root-key-revoked': 'broken',
  'foreign-stream': 'broken',
  'foreign-line': 'broken',
  'seq-broken': 'broken',
  'chain-broken': 'broken',
  'after-close': 'broken',
  'checkpoint-invalid': 'broken',
  'signature-invalid': 'broken',
  'batch-invalid': 'broken',
  'monotonic-back': 'broken',
  'tail-cut': 'broken',
  'stream-missing': 'broken',
  'history-replaced': 'broken',
  'two-intents': 'broken',
  'two-outcomes': 'broken',
  'outcome-without-intent': 'broken',
  'outcome-before-intent': 'broken',
  'sent-without-intent': 'broken',
  'sent-after-outcome': 'broken',
  'export-altered': 'broken',
  'export-incomplete': 'broken',
  'root-key-not-named': 'unproven',
  'root-key-revoked-later': 'unproven',
  'tail-unsigned': 'unproven',
  'tail-torn': 'unproven',
  'stream-empty': 'unproven',
  'end-unproven': 'unproven',
  'intent-without-outcome': 'unproven',
  'clock-stepped': 'unproven',
  'clock-ahead': 'unproven',
  'store-clock': 'unproven',
  'heartbeat-missing': 'unproven',
  'not-a-stream': 'unproven',
  'evidence-without-stream': 'unproven',
  'manifest-missing': 'unproven',
  'manifest-not-believed': 'unproven',
  'opening-not-exported': 'unproven',
  'outcome-repeated': 'note',
  'sent-noted-late': 'note',
  'tail-explained': 'note',
  alive: 'note',
} as const;

export type FindingKind = keyof typeof findingKinds;
type Level = (typeof findingKinds)[FindingKind];

export interface LinePlace {
  readonly stream: string;
  /** The line's own, or the one that is expected there. */
  readonly seq?: number | undefined;
  readonly position?: Position | undefined;
}

export interface Finding extends LinePlace {
  /** Stands for this very finding: what an acknowledgement names. */
  readonly id: string;
  readonly kind: FindingKind;
  readonly level: Level;
  /** One sentence. */
  readonly message: string;
}

/** So many are kept of each kind; the others are counted. */
const MAX_EACH = 100;

export interface Findings {
  add(kind: FindingKind, place: LinePlace, message: string): void;
  readonly list: readonly Finding[];
  /** How many of each kind, those not kept included. */
  counts(): Readonly<Partial<Record<FindingKind, number>>>;
  /** The worst level among those that nobody acknowledged. */
  worst(): Level | undefined;
}

/** @param acknowledged ids of findings that somebody has explained: they are listed, and count no longer. */
export function createFindings(acknowledged: ReadonlySet<string> = new Set()): Findings {
  const list: Finding[] = [];
  const counts: Partial<Record<FindingKind, number>> = {};
  const levels = new Set<Level>();
  return {
    list,
    add: (kind, place, message) => {
      const level = findingKinds[kind];
      const id = findingId(kind, place, message);
      if (!acknowledged.has(id)) levels.add(level);
      const count = (counts[kind] ?? 0) + 1;
      counts[kind] = count;
      if (count <= MAX_EACH || acknowledged.has(id)) list.push({ id, kind, level, ...place, message });
    },
    counts: () => counts,
    worst: () => (['broken', 'unproven', 'note'] as const).find((level) => levels.has(level)),
  };
}

/** The same for the same finding at the same place, and for no other: a second change there is a finding of its own. */
const findingId = (kind: FindingKind, { stream, seq }: LinePlace, message: string): string =>
  hash('sha256', JSON.stringify([kind, stream, seq ?? null, message]), 'hex').slice(0, 16);
