/**
 * The AKS resource provider's throttle as we model it: "all other APIs" may be called 60 times at once and once a second after
 * that, for each subscription and region (learn.microsoft.com/azure/aks/quotas-skus-regions, "Throttling limits"). Which of its
 * buckets commandResults uses is not documented; the smaller one is planned for (assumption `throttle-bucket`).
 */
export const documentedLimits = { burst: 60, perSecond: 1 } as const;

/**
 * Of the burst, this much is used. The rest is for requests that arrive closer together than they were sent, and for what two
 * processes spend before they have noticed each other.
 */
export const BURST = 57;
/** Retry-After is obeyed within these bounds, in ms. */
const retryAfterBounds = { least: 1_000, most: 300_000, unsaid: 5_000 } as const;

const LEAST_PACE = 0.1;
/** How much of the pace comes back in a ms after a 429 halved it: all of it in ten minutes. */
const RECOVERY = 1 / 600_000;

/** A token bucket over a time that is handed in (ms, monotonic). */
export interface Bucket {
  /** Tokens there now: negative when Azure has just said that there are none. */
  level(now: number): number;
  /** Tokens a second. */
  rate(now: number): number;
  /** One, or so many as were spent elsewhere. */
  take(now: number, tokens?: number): void;
  /** Puts back what was taken and not spent. */
  giveBack(now: number): void;
  /** How long (ms) until it is full: until then a process that starts must not take it for full. */
  debt(now: number): number;
  /** When `level` will be at least `tokens`; Infinity if it never can be. */
  when(tokens: number, now: number): number;
  /** This part of the subscription's bucket, from 0 to 1. */
  share(part: number, now: number): void;
  /** No more than this many tokens: what others may have used is not known. */
  atMost(tokens: number, now: number): void;
  /** A 429: nothing until `retryAfter` (s) has passed, and half the pace after it, since others use the bucket too. */
  throttled(retryAfter: number | undefined, now: number): void;
}

export function createBucket(start: number): Bucket {
  let tokens: number = BURST;
  let at = start;
  let part = 1;
  let pace = 1;
  let blockedUntil = start;

  const settle = (now: number): void => {
    if (now <= at) return;
    // The pace grows as time passes; its mean over the span is what has flowed in.
    const end = Math.min(1, pace + (now - at) * RECOVERY);
    const mean = (pace + end) / 2;
    tokens = Math.min(capacity(), tokens + ((now - at) / 1000) * documentedLimits.perSecond * part * mean);
    pace = end;
    at = now;
  };
  const capacity = (): number => BURST * part;
  const rate = (): number => documentedLimits.perSecond * part * pace;

  return {
    level: (now) => {
      settle(now);
      return now < blockedUntil ? Math.min(0, tokens) : tokens;
    },
    rate: (now) => {
      settle(now);
      return rate();
    },
    take: (now, taken = 1) => {
      settle(now);
      tokens -= taken;
    },
    giveBack: (now) => {
      settle(now);
      tokens = Math.min(capacity(), tokens + 1);
    },
    when: (wanted, now) => {
      settle(now);
      if (wanted > capacity()) return Number.POSITIVE_INFINITY;
      return Math.max(now, at) + Math.max(0, ((wanted - tokens) / rate()) * 1000);
    },
    debt: (now) => {
      settle(now);
      return Math.max(0, Math.max(now, at) - now + ((capacity() - tokens) / rate()) * 1000);
    },
    share: (share, now) => {
      settle(now);
      part = share;
      tokens = Math.min(tokens, capacity());
    },
    atMost: (most, now) => {
      settle(now);
      tokens = Math.min(tokens, most);
    },
    throttled: (retryAfter, now) => {
      settle(now);
      const wait = retryAfter === undefined ? retryAfterBounds.unsaid : retryAfter * 1000;
      const until = now + Math.min(retryAfterBounds.most, Math.max(retryAfterBounds.least, wait));
      // Several answers of one moment are one lesson.
      if (blockedUntil <= now) pace = Math.max(LEAST_PACE, pace / 2);
      blockedUntil = Math.max(blockedUntil, until);
      tokens = Math.min(tokens, 0);
      at = blockedUntil;
    },
  };
}
