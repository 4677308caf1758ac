import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

/** Time as the gateway sees it. Handed in everywhere, so that tests own it; nothing else calls `Date.now` or `setTimeout`. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may step. */
  now(): number;
  /** Milliseconds from an arbitrary start; never steps back. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason as soon as it aborts. Does not keep the process alive when `unref` is set. */
  sleep(ms: number, options?: { signal?: AbortSignal | undefined; unref?: boolean }): Promise<void>;
}

/** Randomness, handed in for the same reason. */
export interface Entropy {
  bytes(count: number): Uint8Array;
  uuid(): string;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, options = {}) =>
    delay(ms, undefined, {
      ref: !options.unref,
      ...(options.signal && { signal: options.signal }),
    }).catch((error: unknown) => {
      if (options.signal?.aborted) throw options.signal.reason;
      throw error;
    }),
};

export const systemEntropy: Entropy = { bytes: (count) => randomBytes(count), uuid: () => randomUUID() };
