import type { Health } from './assess.ts';
import { healthLines } from './lines.ts';
import { partNames, type Finding, type Status } from './status.ts';

/** A look in words: for a job's history, and for whom it is told. */
export interface Digest {
  readonly status: Status;
  /** One line, with names out of the cluster. */
  readonly reason: string;
  /** The gateway's own words alone: how much of what was found. */
  readonly summary: string;
  /** What is wrong, each kind of it in each namespace once; what was not seen as `unknown …` or `not-allowed …`. Empty where all is well. */
  readonly troubles: readonly string[];
  /** The whole look, bounded. */
  readonly lines: readonly string[];
}

/** More than this are told apart by kind alone: the words are kept from one look to the next. */
const MOST_TROUBLES = 50;

export function digestOf(health: Health): Digest {
  const { status, reason, parts } = health;
  const found = partNames.flatMap((name) => parts[name].findings);
  const counts = [...Map.groupBy(found, ({ what }) => what)].map(([what, some]) => `${some.length} ${what}`);
  return {
    status,
    reason,
    summary: counts.length > 0 ? counts.join(', ') : reason,
    troubles: troublesOf(parts, found),
    lines: healthLines(health),
  };
}

function troublesOf(parts: Health['parts'], found: readonly Finding[]): readonly string[] {
  const placed = new Set(found.map(({ severity, what, namespace: where }) => `${severity} ${what} ${where}`.trim()));
  const kinds =
    placed.size <= MOST_TROUBLES ? placed : new Set(found.map(({ severity, what }) => `${severity} ${what}`));
  const unseen = partNames.flatMap((name) =>
    Object.values(parts[name].checks)
      .map((check) => check.status)
      .concat(parts[name].status)
      .filter((status) => status === 'unknown' || status === 'not-allowed')
      .map((status) => `${status} ${name}`),
  );
  return [...kinds, ...new Set(unseen)];
}
