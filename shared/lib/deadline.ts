import { after, type Clock } from '../clock.ts';
import { untilAborted } from './until-aborted.ts';

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
  const both = signal ? AbortSignal.any([signal, expiry.signal]) : expiry.signal;
  both.throwIfAborted();
  const cancel = after(clock, ms, () => expiry.abort(new DeadlineExceeded(ms)), { unref: true });
  try {
    return await untilAborted(work(both), both);
  } finally {
    cancel();
  }
}
