/** When a running command is worth a look, and whose turn it is: pure arithmetic. Times are ms. */
export interface Watched {
  readonly owner: string;
  readonly cluster: string;
  /** Since the command started, as far as is known. */
  readonly age: number;
  /** Since it was sent. */
  readonly sincePost: number;
  /** Since the last look; undefined before the first one. */
  readonly sinceLook: number | undefined;
  /** Polls in a row that got no answer. */
  readonly failures: number;
  /** How long commands of its kind usually take. */
  readonly usual: number;
  /** From 0 to 1, another for each run: looks are spread, never in step. */
  readonly spread: number;
}

/** Looks come about a tenth of a run's age apart, so that the lag is small beside what was waited for anyway. */
const FRACTION = 10;
const LEAST_REST = 300;
const MOST_REST = 30_000;
/** A look is never closer to the last one than this. */
export const LEAST_INTERVAL = 150;
/** The first look where tokens abound. */
const EARLY_MS = 300;
/** Tokens for each run from which on they abound: below, no look is spent before its time. */
export const PLENTY = 3;
/** Up to this many times the usual length a run counts as one that may end any moment. */
const YOUNG = 1.3;
/** With less, looks at a young run are this much further apart. */
const YOUNG_STRETCH = 4;
/** Looks at runs that were sent together are spread over this part of the usual length, and over no more than that many ms. */
const pollSpread = { part: 0.1, most: 300 } as const;

/** ms between looks at a run of that age, if there were nobody else. */
export const restInterval = (age: number, failures = 0): number =>
  Math.min(MOST_REST, Math.max(LEAST_REST * 2 ** Math.min(failures, 7), age / FRACTION));

/**
 * ms until the run is worth a look; negative when it is overdue.
 * @param perRun tokens to spare for each run
 * @param pace ms between looks at each run that the bucket can keep up for a while
 */
export function dueIn(run: Watched, perRun: number, pace: number): number {
  const usual = run.usual + run.spread * Math.min(pollSpread.most, pollSpread.part * run.usual) - run.sincePost;
  if (perRun < PLENTY) return Math.max(usual, scarceInterval(run) - (run.sinceLook ?? Number.POSITIVE_INFINITY));
  if (run.sinceLook === undefined) return Math.min(EARLY_MS - run.sincePost, usual);
  const rest = restInterval(run.age, run.failures);
  return (run.failures > 0 ? rest : Math.max(LEAST_INTERVAL, Math.min(rest, pace))) - run.sinceLook;
}

/** Long runs are paced by the tokens that come in; at young ones each look too many is another one's last token. */
const scarceInterval = (run: Watched): number =>
  restInterval(run.age, run.failures) * (isYoung(run) ? YOUNG_STRETCH : 1);

/**
 * A run that may end any moment, by what is usual: a token is kept for its look, and no POST goes before it. A run that has taken
 * much longer takes turns with what waits.
 */
export const isYoung = ({ age, usual, sinceLook }: Watched): boolean => sinceLook === undefined || age < YOUNG * usual;

/** How long a run has been overdue, as a part of what was to be waited: who has waited longest comes first. */
const lateness = (due: number, run: Watched): number => -due / Math.max(LEAST_REST, restInterval(run.age));

export interface Candidate<R extends Watched> {
  readonly run: R;
  readonly due: number;
  /** After all who are not. */
  readonly last?: boolean;
}

/**
 * Of those that are overdue the next: owners take turns, and each one's clusters do; there the longest overdue. `lastServed` says
 * when an owner or cluster had its last look, by any count that grows.
 */
export function nextOverdue<R extends Watched>(
  candidates: readonly Candidate<R>[],
  lastServed: (owner: string, cluster?: string) => number,
): R | undefined {
  let best: R | undefined;
  let rank: readonly number[] = [];
  for (const { run, due, last } of candidates) {
    if (due > 0) continue;
    const own = [last === true ? 1 : 0, lastServed(run.owner), lastServed(run.owner, run.cluster), -lateness(due, run)];
    if (best === undefined || comesBefore(own, rank)) [best, rank] = [run, own];
  }
  return best;
}

function comesBefore(one: readonly number[], other: readonly number[]): boolean {
  for (const [index, value] of one.entries()) {
    const against = other[index] ?? 0;
    if (value !== against) return value < against;
  }
  return false;
}
