import { pause } from '../lib/abort.ts';
import type { GatewayContext } from './context.ts';

/** A process that dies in the middle keeps the others from the work for no longer than this. */
export const LEASE_MS = 60_000;

/** Does the work unless another process is at it. The lease is renewed until the work is done. */
export async function whileLeased(
  context: Pick<GatewayContext, 'records' | 'clock' | 'entropy' | 'onError'>,
  lease: string,
  work: () => Promise<void>,
): Promise<void> {
  const { records, clock, entropy, onError } = context;
  const holder = entropy.uuid();
  const take = (): Promise<boolean> => records.lease(lease, holder, clock.now() + LEASE_MS, clock.now());
  if (!(await take())) return;
  const done = new AbortController();
  const renewing = (async () => {
    for (;;) {
      await pause(clock, LEASE_MS / 3, done.signal);
      if (done.signal.aborted) return;
      await take().catch(onError); // there are two more tries before it runs out
    }
  })();
  try {
    await work();
  } finally {
    done.abort(workDone);
    await renewing;
    await records.releaseLease(lease, holder);
  }
}

/** Made once: an abort without a reason creates an exception with a stack each time. */
const workDone = new Error('the work is done');
