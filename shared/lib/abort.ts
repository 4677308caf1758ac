import { after, type Clock } from '../clock.ts';

/** The promise, or the signal's reason as soon as it aborts. The work behind the promise goes on for others who wait for it. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stopListening = onAbort(signal, reject);
  try {
    return await Promise.race([aborted, promise]);
  } finally {
    stopListening();
  }
}

/** Calls `then` with the signal's reason once it aborts, at once if it has. Returns what stops listening. */
export function onAbort(signal: AbortSignal | undefined, then: (reason: unknown) => void): () => void {
  const listener = (): void => then(signal?.reason);
  if (signal?.aborted) listener();
  else signal?.addEventListener('abort', listener, { once: true });
  return () => signal?.removeEventListener('abort', listener);
}

/** A signal of one's own that also aborts when others do. */
export interface LinkedAbort {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
  /** Ends the link. What is linked to a signal that outlives it must be unlinked, or it is kept for as long. */
  unlink(): void;
}

/**
 * AbortSignal.any for what is made for each command: that one is bound to the others by weak references, so that it, and all that listens to it,
 * stays in memory until the next full collection.
 */
export function linkedAbort(...parents: readonly (AbortSignal | undefined)[]): LinkedAbort {
  const controller = new AbortController();
  const abort = (reason: unknown): void => controller.abort(reason);
  const stops = parents.map((parent) => onAbort(parent, abort));
  return { signal: controller.signal, abort, unlink: () => stops.forEach((stop) => stop()) };
}

/** Sleeps for `ms` or until the signal aborts; resolves in both cases. */
export async function pause(clock: Pick<Clock, 'sleep'>, ms: number, signal: AbortSignal): Promise<void> {
  await clock.sleep(ms, { signal, unref: true }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

/** Our own time-out, told apart from an abort that came from outside. */
export class DeadlineExceeded extends Error {
  override readonly name = 'DeadlineExceeded';
  readonly ms: number;

  constructor(ms: number) {
    super(`No answer within ${ms} ms`);
    this.ms = ms;
  }
}

/** Runs `work` with a signal that aborts when `signal` does or `ms` have passed; then rejects with that reason at once. */
export async function withDeadline<T>(
  clock: Pick<Clock, 'sleep'>,
  ms: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const both = linkedAbort(signal);
  const cancel = after(clock, ms, () => both.abort(new DeadlineExceeded(ms)), { unref: true });
  try {
    return await untilAborted(work(both.signal), both.signal);
  } finally {
    cancel();
    both.unlink();
  }
}
