import { randomBytes, randomUUID } from 'node:crypto';

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
  // By hand: the one of node:timers/promises makes an error with a stack whenever a sleep is cut short, which most are.
  sleep: (ms, { signal, unref } = {}) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const abort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', abort);
        resolve();
      }, ms);
      if (unref) timer.unref();
      signal?.addEventListener('abort', abort, { once: true });
    }),
};

/** Calls `then` after `ms`, unless what it gives is called before. Keeps the process alive as `sleep` does. */
export function after(
  clock: Pick<Clock, 'sleep'>,
  ms: number,
  then: () => void,
  options: { unref?: boolean } = {},
): () => void {
  if (clock.sleep === systemClock.sleep) return afterTimer(ms, then, options);
  const cancelled = new AbortController();
  clock.sleep(ms, { ...options, signal: cancelled.signal }).then(then, (error: unknown) => {
    if (!cancelled.signal.aborted) throw error;
  });
  return () => cancelled.abort(cancelledError);
}

/** The same by the system's timer alone, which costs a small part of a sleep that is cut short. */
function afterTimer(ms: number, then: () => void, { unref = false }: { unref?: boolean }): () => void {
  const timer = setTimeout(then, ms);
  if (unref) timer.unref();
  return () => clearTimeout(timer);
}

/** Made once: an abort without a reason makes an error with a stack each time. */
const cancelledError = new Error('cancelled');

export const systemEntropy: Entropy = { bytes: (count) => randomBytes(count), uuid: () => randomUUID() };
