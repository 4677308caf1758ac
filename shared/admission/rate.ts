import { LruMap } from 'toad-cache';
import type { Clock } from '../clock.ts';

/** Callers that are remembered. Each is authenticated, so that nobody can invent more of them. */
const MAX_BUCKETS = 10_000;

interface Bucket {
  tokens: number;
  /** Monotonic ms of the last look. */
  at: number;
}

type Taken = { readonly taken: true } | { readonly taken: false; readonly waitSeconds: number };

export interface RateLimiter {
  /** Takes `amount` of the `perMinute` that `key` has, all of which may go at once; else gives the seconds until there is so much. */
  take(key: string, perMinute: number, amount?: number): Taken;
  /** Counts what was used already. It may make a debt: nothing can be taken until that is paid. */
  charge(key: string, perMinute: number, amount: number): void;
}

/** A token bucket for each caller, refilled evenly. Exact within one process; several processes each have their own. */
export function createRateLimiter(clock: Clock): RateLimiter {
  // The one used longest ago goes first: most likely it is full again, and then nothing is lost.
  const buckets = new LruMap<Bucket>(MAX_BUCKETS);

  const filledOf = (key: string, perMinute: number): number => {
    const now = clock.monotonic();
    const { tokens, at } = buckets.get(key) ?? { tokens: perMinute, at: now };
    return Math.min(perMinute, tokens + ((now - at) * perMinute) / 60_000);
  };

  const keep = (key: string, tokens: number): void => {
    buckets.set(key, { tokens, at: clock.monotonic() });
  };

  return {
    take: (key, perMinute, amount = 1) => {
      const filled = filledOf(key, perMinute);
      // More than there ever is can be taken from a full bucket.
      const taken = filled >= Math.min(amount, perMinute);
      keep(key, taken ? filled - amount : filled);
      if (taken) return { taken };
      return { taken, waitSeconds: Math.max(1, Math.ceil(((amount - filled) * 60) / perMinute)) };
    },
    charge: (key, perMinute, amount) => keep(key, filledOf(key, perMinute) - amount),
  };
}
