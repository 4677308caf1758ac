import type { Position } from '../../store/append-log.ts';

/**
 * What verification can find. `broken`: the trail is not what was written. `suspect`: it may be, but something in it wants an
 * explanation. `note`: what an honest crash leaves.
 */
export const findingKinds = {
  'not-canonical': 'broken',
  'torn-line': 'broken',
  'torn-tail': 'broken',
  'stream-empty': 'broken',
  'opening-missing': 'broken',
  'opening-invalid': 'broken',
  'root-key-unknown': 'broken',
  'member-invalid': 'broken',
  'code-unknown': 'broken',
  'foreign-line': 'broken',
  'seq-broken': 'broken',
  'chain-broken': 'broken',
  'after-close': 'broken',
  'checkpoint-invalid': 'broken',
  'monotonic-back': 'broken',
  'tail-cut': 'broken',
  'stream-missing': 'broken',
  'history-replaced': 'broken',
  'receipt-invalid': 'broken',
  'copy-invalid': 'broken',
  'two-intents': 'broken',
  'two-outcomes': 'broken',
  'outcome-without-intent': 'broken',
  'outcome-before-intent': 'broken',
  'sent-without-intent': 'broken',
  'intent-without-outcome': 'suspect',
  'clock-stepped': 'suspect',
  'store-clock': 'suspect',
  'heartbeat-missing': 'suspect',
  'opening-not-exported': 'suspect',
  'outcome-repeated': 'note',
  'not-closed': 'note',
  'recovered-tail': 'note',
} as const;

export type FindingKind = keyof typeof findingKinds;

export interface Place {
  readonly stream: string;
  /** The line's own, or the one that is expected there. */
  readonly seq?: number | undefined;
  readonly position?: Position | undefined;
}

export interface Finding extends Place {
  readonly kind: FindingKind;
  readonly level: 'broken' | 'suspect' | 'note';
  /** One sentence. */
  readonly message: string;
}

/** So many are kept of each kind; the others are counted. */
const MAX_EACH = 100;

export interface Findings {
  add(kind: FindingKind, place: Place, message: string): void;
  readonly list: readonly Finding[];
  /** How many of each kind, those not kept included. */
  counts(): Readonly<Partial<Record<FindingKind, number>>>;
  verdict(): 'sound' | 'suspect' | 'broken';
}

export function createFindings(): Findings {
  const list: Finding[] = [];
  const counts: Partial<Record<FindingKind, number>> = {};
  let broken = false;
  let suspect = false;
  return {
    list,
    add: (kind, place, message) => {
      const level = findingKinds[kind];
      broken ||= level === 'broken';
      suspect ||= level === 'suspect';
      const count = (counts[kind] ?? 0) + 1;
      counts[kind] = count;
      if (count <= MAX_EACH) list.push({ kind, level, ...place, message });
    },
    counts: () => counts,
    verdict: () => (broken ? 'broken' : suspect ? 'suspect' : 'sound'),
  };
}
