import type { Records } from '../../store/records.ts';

export type Leases = Pick<Records, 'lease' | 'releaseLease'>;

/**
 * How processes that do not know each other share a subscription's budget, by leases alone: each holds as many numbered leases as it
 * has weight, moves down when a lower one falls free, and looks how far up they are taken.
 */
export interface Shares {
  /** Takes or renews `weight` leases for `ms` more. */
  renew(now: number, ms: number, weight: number): Promise<Share>;
  /**
   * Gives them up at once: the others may have this part, since Azure's bucket fills at the same pace for all. Only a process that
   * starts must not take the bucket for full before `ms` have passed.
   */
  leave(now: number, ms: number): Promise<void>;
}

export interface Share {
  /** Of the budget, from 0 to 1. */
  readonly part: number;
  /** Leases that are taken, by this process and the others. */
  readonly taken: number;
  /** Nobody else is there, and nobody was who left a debt: the bucket is as full as this process's own book says. */
  readonly alone: boolean;
}

/** No process has more weight than this. */
export const MOST_WEIGHT = 6;
/** Where more leases are taken than this, processes share as if they were this many, and learn the rest from 429s. */
const MOST_LEASES = 48;
/** Long enough for the look itself. */
const LOOK_MS = 1_000;

export function createShares(leases: Leases, subscription: string, holder: string): Shares {
  const mine = new Set<number>();
  // No slashes: Azure Tables keys cannot hold them.
  const name = (index: number): string => `budget.${subscription}.${index}`;
  const spent = `budget.${subscription}.spent`;
  /** What a process owes in time is a fraction; the stores keep whole milliseconds. */
  const take = (index: number, now: number, ms: number): Promise<boolean> =>
    leases.lease(name(index), holder, Math.ceil(now + ms), now);
  const release = async (index: number): Promise<void> => {
    mine.delete(index);
    await leases.releaseLease(name(index), holder);
  };
  const highest = (): number => Math.max(-1, ...mine);

  /** Own leases that were lost are given up, and those beyond the weight. */
  const keep = async (now: number, ms: number, weight: number): Promise<void> => {
    while (mine.size > weight) await release(highest());
    for (const index of mine) if (!(await take(index, now, ms))) mine.delete(index);
  };

  /** Takes what is missing, moves down where there is room, and counts the others up to the first free one above. */
  const settle = async (now: number, ms: number, weight: number): Promise<number> => {
    let others = 0;
    for (let index = 0; index < MOST_LEASES; index += 1) {
      if (mine.has(index)) continue;
      const wanted = mine.size < weight || index < highest();
      if (!(await take(index, now, wanted ? ms : LOOK_MS))) {
        others += 1;
        continue;
      }
      mine.add(index);
      if (wanted && mine.size <= weight) continue;
      await release(highest());
      if (!wanted) break;
    }
    return others;
  };

  return {
    renew: async (now, ms, weight) => {
      const first = mine.size === 0;
      await keep(now, ms, weight);
      const others = await settle(now, ms, weight);
      const taken = others + mine.size;
      let alone = others === 0;
      if (alone && first) {
        alone = await leases.lease(spent, holder, Math.ceil(now + LOOK_MS), now);
        if (alone) await leases.releaseLease(spent, holder);
      }
      return { part: Math.max(1, mine.size) / Math.max(1, taken), taken, alone };
    },
    leave: async (now, ms) => {
      if (mine.size === 0) return;
      if (ms > 0) await leases.lease(spent, holder, Math.ceil(now + ms), now);
      for (const index of mine) await release(index);
    },
  };
}
