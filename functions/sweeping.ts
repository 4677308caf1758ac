import type { Assembled } from '../shared/assemble.ts';
import { systemClock } from '../shared/clock.ts';
import { pause } from '../shared/lib/abort.ts';

/** On average; by up to a quarter more or less, so that processes that were started together do not sweep in step. */
const SWEEP_MS = 15_000;

const nextSweep = (): number => SWEEP_MS * (3 / 4 + Math.random() / 2);

/** Sweeps at once and then regularly, for hosts that have no timer of their own. Stops by what it gives back. */
export function sweepRegularly({ sweep, app }: Pick<Assembled, 'sweep' | 'app'>): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const sweeping = (async () => {
    while (!stopping.signal.aborted) {
      await sweep().catch((error: unknown) =>
        app.log.error({ err: error }, 'the sweep failed; the next one tries again'),
      );
      await pause(systemClock, nextSweep(), stopping.signal);
    }
  })();
  return {
    stop() {
      stopping.abort(new Error('the gateway is stopping'));
      return sweeping;
    },
  };
}
