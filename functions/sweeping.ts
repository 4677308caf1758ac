import type { Assembled } from '../shared/assemble.ts';
import { systemClock } from '../shared/clock.ts';
import { pause } from '../shared/lib/abort.ts';

const SWEEP_MS = 15_000;

/** Sweeps at once and then regularly, for hosts that have no timer of their own. Stops by what it gives back. */
export function sweepRegularly({ sweep, app }: Pick<Assembled, 'sweep' | 'app'>): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const sweeping = (async () => {
    while (!stopping.signal.aborted) {
      await sweep().catch((error: unknown) =>
        app.log.error({ err: error }, 'the sweep failed; the next one tries again'),
      );
      await pause(systemClock, SWEEP_MS, stopping.signal);
    }
  })();
  return {
    stop() {
      stopping.abort(new Error('the gateway is stopping'));
      return sweeping;
    },
  };
}
