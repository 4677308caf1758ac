/** Who may ask how often: pure arithmetic over what is running and what the bucket holds. */
interface Watched {
  readonly owner: string;
  readonly cluster: string;
  /** ms between polls if there were nobody else, from `restInterval`. */
  readonly rest: number;
}

interface Supply {
  readonly tokens: number;
  /** Tokens a second. */
  readonly rate: number;
  /** Tokens kept for submits. */
  readonly reserve: number;
}

/** Intervals grow with the run: about a tenth of it, so that the lag is small beside what was waited for anyway. */
const FRACTION = 10;
const LEAST_REST = 300;
const MOST_REST = 30_000;
/** What lies above the reserve is spent over about this many seconds: a burst helps short commands and then fades. */
const HORIZON = 20;
/** With plenty of room polls come up to this much closer, but never closer than LEAST_INTERVAL. */
const MOST_HASTE = 8;
export const LEAST_INTERVAL = 150;

/** @param elapsed ms since the command started @param failures polls in a row that got no answer */
export const restInterval = (elapsed: number, failures = 0): number =>
  Math.min(MOST_REST, Math.max(LEAST_REST * 2 ** Math.min(failures, 7), elapsed / FRACTION));

/**
 * The interval (ms) of each watched run. The supply is divided evenly between owners, each owner's part between its clusters, and
 * there by need; what one does not need the others get (max-min fairness). So a caller with two hundred runs slows itself down.
 */
export function planIntervals(runs: readonly Watched[], { tokens, rate, reserve }: Supply): readonly number[] {
  const supply = rate + Math.max(0, tokens - reserve) / HORIZON;
  const byOwner = new Map<string, Map<string, number>>();
  for (const { owner, cluster, rest } of runs) {
    const clusters = byOwner.get(owner) ?? new Map<string, number>();
    clusters.set(cluster, (clusters.get(cluster) ?? 0) + 1000 / rest);
    byOwner.set(owner, clusters);
  }
  const stretch = new Map<string, Map<string, number>>();
  const owners = [...byOwner];
  const parts = shareOut(
    supply,
    owners.map(([, clusters]) => sum(clusters.values())),
  );
  for (const [index, [owner, clusters]] of owners.entries()) {
    const demands = [...clusters.values()];
    const shares = shareOut(parts[index] ?? 0, demands);
    stretch.set(
      owner,
      new Map([...clusters.keys()].map((cluster, at) => [cluster, (demands[at] ?? 0) / (shares[at] ?? 1)])),
    );
  }
  return runs.map(({ owner, cluster, rest }) => {
    const factor = Math.max(1 / MOST_HASTE, stretch.get(owner)?.get(cluster) ?? 1);
    return Math.max(LEAST_INTERVAL, rest * factor);
  });
}

/** Divides a supply: nobody gets less than an even part unless they want less; a surplus goes to all in proportion. */
export function shareOut(supply: number, demands: readonly number[]): readonly number[] {
  const total = sum(demands);
  if (total === 0) return demands.map(() => 0);
  if (total <= supply) return demands.map((demand) => (demand / total) * supply);
  const given = demands.map(() => 0);
  const open = demands.map((demand, index) => ({ demand, index })).sort((one, other) => one.demand - other.demand);
  let left = supply;
  for (const [place, { demand, index }] of open.entries()) {
    const even = left / (open.length - place);
    given[index] = Math.min(demand, even);
    left -= Math.min(demand, even);
  }
  return given;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
