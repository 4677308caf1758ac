import type { Limits } from '../config/config.ts';
import type { InFlight } from '../store/records.ts';
import type { Others } from './other-processes.ts';

/** Someone who wants to run one command on one cluster. */
export interface Contender {
  readonly owner: string;
  readonly cluster: string;
  /** Called once, when the slot is its own. */
  granted(): void;
}

/** Who runs and who waits, without time or promises. */
export interface Slots {
  /** Puts a contender at the end of its owner's line, and grants whatever can be granted. */
  join(contender: Contender): void;
  /** Takes a contender that still waits out of its line; false when it does not wait. */
  leave(contender: Contender): boolean;
  /** Gives a granted slot back, and grants it on. */
  release(contender: Contender): void;
  /** Grants whatever can be granted, after something outside has changed. */
  grant(): void;
  waiting(owner?: string): number;
  /** How many callers wait for a cluster. */
  callersWaiting(cluster: string): number;
  running(): readonly InFlight[];
}

/**
 * Free slots go round between callers, not commands: however many one has in line, another's first is served after one of
 * each. And the last free slot of a cluster only goes to a caller that has nothing there, so that one caller alone can never
 * fill a cluster.
 */
export function createSlots(limits: () => Limits, others: Others): Slots {
  const lines = new Map<string, Contender[]>();
  /** When each caller that runs or waits was last granted a slot, counted in grants: the longest ago is next. */
  const served = new Map<string, number>();
  let grants = 0;
  const running = new Map<string, { owner: string; cluster: string; count: number }>();

  const pair = (owner: string, cluster: string): string => JSON.stringify([owner, cluster]);

  const sum = (matches: (one: InFlight) => boolean): number =>
    [...running.values()].reduce((total, one) => (matches(one) ? total + one.count : total), 0);

  const callerFits = (owner: string): boolean =>
    sum((one) => one.owner === owner) + others.ofOwner(owner) < limits().perPrincipal.running;

  const clusterFits = (owner: string, cluster: string): boolean => {
    const taken = sum((one) => one.cluster === cluster) + others.ofCluster(cluster);
    const own = (running.get(pair(owner, cluster))?.count ?? 0) + others.ofPair(owner, cluster);
    return limits().perCluster.running - taken > (own > 0 ? 1 : 0);
  };

  const start = (contender: Contender): void => {
    const { owner, cluster } = contender;
    const key = pair(owner, cluster);
    running.set(key, { owner, cluster, count: (running.get(key)?.count ?? 0) + 1 });
    served.set(owner, (grants += 1));
    contender.granted();
  };

  /** The first in a line whose cluster has room; each cluster is asked once, a line may be long. */
  const firstThatFits = (owner: string, line: readonly Contender[]): number => {
    if (!callerFits(owner)) return -1;
    const full = new Set<string>();
    return line.findIndex(({ cluster }) => {
      if (full.has(cluster)) return false;
      if (clusterFits(owner, cluster)) return true;
      full.add(cluster);
      return false;
    });
  };

  const inTurn = (): (readonly [string, Contender[]])[] =>
    [...lines].sort(([a], [b]) => (served.get(a) ?? 0) - (served.get(b) ?? 0));

  const forgetIfGone = (owner: string): void => {
    if (!lines.has(owner) && sum((one) => one.owner === owner) === 0) served.delete(owner);
  };

  /** The next to be served, taken out of its line. */
  const next = (): Contender | undefined => {
    for (const [owner, line] of inTurn()) {
      const contender = line[firstThatFits(owner, line)];
      if (contender === undefined) continue;
      drop(contender);
      return contender;
    }
    return undefined;
  };

  const drop = (contender: Contender): boolean => {
    const line = lines.get(contender.owner);
    const index = line?.indexOf(contender) ?? -1;
    if (line === undefined || index < 0) return false;
    line.splice(index, 1);
    if (line.length === 0) lines.delete(contender.owner);
    return true;
  };

  const grant = (): void => {
    for (let contender = next(); contender !== undefined; contender = next()) start(contender);
  };

  return {
    join: (contender) => {
      const line = lines.get(contender.owner);
      if (line === undefined) lines.set(contender.owner, [contender]);
      else line.push(contender);
      grant();
    },
    leave: (contender) => {
      const waited = drop(contender);
      forgetIfGone(contender.owner);
      return waited;
    },
    release: ({ owner, cluster }) => {
      const key = pair(owner, cluster);
      const count = (running.get(key)?.count ?? 0) - 1;
      if (count > 0) running.set(key, { owner, cluster, count });
      else running.delete(key);
      forgetIfGone(owner);
      grant();
    },
    grant,
    waiting: (owner) =>
      owner === undefined
        ? [...lines.values()].reduce((total, line) => total + line.length, 0)
        : (lines.get(owner)?.length ?? 0),
    callersWaiting: (cluster) =>
      [...lines.values()].filter((line) => line.some((contender) => contender.cluster === cluster)).length,
    running: () => [...running.values()],
  };
}
