import type { Clock } from '../clock.ts';

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
  clock: Clock,
  ms: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const expiry = new AbortController();
  const done = new AbortController();
  const both = signal ? AbortSignal.any([signal, expiry.signal]) : expiry.signal;
  both.throwIfAborted();
  const aborted = new Promise<never>((_, reject) => {
    both.addEventListener('abort', () => reject(both.reason), { once: true });
  });
  clock.sleep(ms, { signal: done.signal, unref: true }).then(
    () => expiry.abort(new DeadlineExceeded(ms)),
    // The work was done in time.
    () => undefined,
  );
  try {
    return await Promise.race([work(both), aborted]);
  } finally {
    done.abort();
  }
}
