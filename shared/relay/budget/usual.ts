import { LruMap } from 'toad-cache';

/**
 * How long commands usually take, learnt for each kind (a cluster and a verb): a look before that is mostly a token lost. A pod
 * takes 2 to 7 s to start in the recordings, and none of it may be known beforehand.
 */
export interface Usual {
  /** ms from the POST to the end. */
  of(kind: string): number;
  /** Whether the last look at a run of this kind, made when it was due, found it ended. */
  holds(kind: string): boolean;
  /** A first look came too early. `spare`: tokens for each run that nothing is waiting for. */
  tooEarly(kind: string, age: number, spare: number): void;
  /** A run was seen ended; it was still running at `after` ms, if a look came before. */
  ended(kind: string, age: number, after: number | undefined): void;
}

const FIRST_MS = 1_000;
const LEAST_MS = 300;
/** Beyond this the tenth of a run's age governs. */
const MOST_MS = 8_000;
/**
 * A look that came too early moves the guess this far beyond it: twelve looks reach a pod's start and a command's second, or six
 * where they cannot be spared.
 */
const stepFactors = { spare: 1.15, scarce: 1.35 } as const;
const SPARE = 0.2;
/** How much of the guess a single run changes. */
const WEIGHT = 0.4;
/** A run that was ended at its first look may have been shorter. */
const SHORTER = 0.97;
const MOST_KINDS = 1_000;

export function createUsual(): Usual {
  const known = new LruMap<{ readonly ms: number; readonly holds: boolean }>(MOST_KINDS);
  const of = (kind: string): number => known.get(kind)?.ms ?? FIRST_MS;
  const learn = (kind: string, ms: number, holds: boolean): void => {
    known.set(kind, { ms: Math.min(MOST_MS, Math.max(LEAST_MS, ms)), holds });
  };
  return {
    of,
    holds: (kind) => known.get(kind)?.holds === true,
    tooEarly: (kind, age, spare) => {
      const step = spare >= SPARE ? stepFactors.spare : stepFactors.scarce;
      // A look far beyond the guess says that this run is long, not that all are.
      if (age < of(kind) * stepFactors.scarce) learn(kind, Math.max(of(kind), age * step), false);
    },
    ended: (kind, age, after) => {
      const seen = after === undefined ? age * SHORTER : (age + after) / 2;
      learn(kind, of(kind) + WEIGHT * (Math.min(seen, MOST_MS) - of(kind)), true);
    },
  };
}
