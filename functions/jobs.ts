import { app, type Timer } from '@azure/functions';
import { gateway } from './gateway.ts';

/** An instance that nobody keeps alive may be frozen once the timer returns: what was started gets most of the minute. */
const WAIT_MS = 50_000;

/** Every minute, on one instance: starts the jobs that are due. The host's timer does not retry; the next minute does (sweep.ts). */
app.timer('jobs', {
  schedule: '0 * * * * *',
  handler: async (_timer: Timer): Promise<void> => {
    const { runJobs } = await gateway();
    await runJobs(WAIT_MS);
  },
});
