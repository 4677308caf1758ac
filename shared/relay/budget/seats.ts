import type { Records } from '../../store/records.ts';

export type Leases = Pick<Records, 'lease' | 'releaseLease'>;

/**
 * How many instances share a subscription's budget, learnt from leases alone: each holds a numbered seat, moves down when a lower
 * one falls free, and looks how far up the seats are taken. No instance knows another.
 */
interface Seats {
  /** Takes or renews a seat for `ms` more. */
  renew(now: number, ms: number): Promise<Seated>;
  /**
   * Gives the seat up at once: the others may have its part, since Azure's bucket fills at the same pace whoever uses it. Only one
   * who starts anew must not take the bucket for full before `ms` have passed.
   */
  leave(now: number, ms: number): Promise<void>;
}

interface Seated {
  /** How many instances there seem to be, at least. */
  readonly instances: number;
  /** Nobody else is there, and nobody was who left a debt: the bucket is as full as one's own book says. */
  readonly alone: boolean;
}

/** More instances than this share as if they were this many, and learn the rest from 429s. */
const MOST_SEATS = 32;
/** Long enough for the look itself. */
const LOOK_MS = 1_000;

export function createSeats(leases: Leases, subscription: string, holder: string): Seats {
  let seat: number | undefined;
  // No slashes: Azure Tables keys cannot hold them.
  const name = (index: number): string => `budget.${subscription}.${index}`;
  const spent = `budget.${subscription}.spent`;
  const take = (index: number, now: number, ms: number): Promise<boolean> =>
    leases.lease(name(index), holder, now + ms, now);

  return {
    renew: async (now, ms) => {
      const mine = seat;
      // The lowest seat to be had, one's own or below it; the first one starts at the bottom.
      const from = mine === undefined ? 0 : Math.max(0, mine - 1);
      let found = from;
      while (found < MOST_SEATS && !(await take(found, now, ms))) found += 1;
      seat = found === MOST_SEATS ? undefined : found;
      if (mine !== undefined && mine !== seat) await leases.releaseLease(name(mine), holder);
      if (seat === undefined) return { instances: MOST_SEATS, alone: false };
      let above = seat + 1;
      while (above < MOST_SEATS) {
        if (await take(above, now, LOOK_MS)) {
          await leases.releaseLease(name(above), holder);
          break;
        }
        above += 1;
      }
      let alone = seat === 0 && above === 1;
      if (alone && mine === undefined) {
        alone = await leases.lease(spent, holder, now + LOOK_MS, now);
        if (alone) await leases.releaseLease(spent, holder);
      }
      return { instances: above, alone };
    },
    leave: async (now, ms) => {
      if (seat === undefined) return;
      const left = seat;
      seat = undefined;
      if (ms > 0) await leases.lease(spent, holder, now + ms, now);
      await leases.releaseLease(name(left), holder);
    },
  };
}
