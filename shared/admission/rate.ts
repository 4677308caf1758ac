import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';

/** Callers that are remembered; each is authenticated, so nobody can make up more of them. */
const MAX_BUCKETS = 10_000;

interface Bucket {
  tokens: number;
  /** Monotonic ms of the last look. */
  at: number;
}

interface RateLimiter {
  /** Takes one of the `perMinute` that `key` has, all of which may go at once; else gives the seconds until there is one. */
  take(
    key: string,
    perMinute: number,
  ): { readonly taken: true } | { readonly taken: false; readonly waitSeconds: number };
}

/** A token bucket for each caller, refilled evenly. Exact within one process; several processes each have their own. */
export function createRateLimiter(clock: Clock): RateLimiter {
  // The one used longest ago goes first: most likely it is full again, and then nothing is lost.
  const buckets = new LRUCache<string, Bucket>({ max: MAX_BUCKETS });

  return {
    take: (key, perMinute) => {
      const now = clock.monotonic();
      const perMs = perMinute / 60_000;
      const { tokens, at } = buckets.get(key) ?? { tokens: perMinute, at: now };
      const filled = Math.min(perMinute, tokens + (now - at) * perMs);
      const taken = filled >= 1;
      buckets.set(key, { tokens: taken ? filled - 1 : filled, at: now });
      return taken ? { taken } : { taken, waitSeconds: Math.ceil((1 - filled) / perMs / 1000) };
    },
  };
}
