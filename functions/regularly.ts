import type { FastifyInstance } from 'fastify';
import { systemClock, type Clock } from '../shared/clock.ts';
import { pause } from '../shared/lib/abort.ts';

/** On average; by up to a quarter more or less, so that processes that were started together do not work in step. */
const EVERY_MS = 15_000;

const nextTime = (): number => EVERY_MS * (3 / 4 + Math.random() / 2);

/** Does the work at once and then regularly, for hosts that have no timer of their own. Stops by what it gives back. */
export function regularly(
  name: string,
  { app }: { readonly app: Pick<FastifyInstance, 'log'> },
  work: () => Promise<unknown>,
  clock: Pick<Clock, 'sleep'> = systemClock,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const working = (async () => {
    while (!stopping.signal.aborted) {
      await work().catch((error: unknown) =>
        app.log.error({ err: error }, `${name} failed; the next time it is tried again`),
      );
      await pause(clock, nextTime(), stopping.signal);
    }
  })();
  return {
    stop() {
      stopping.abort(new Error('the gateway is stopping'));
      return working;
    },
  };
}
