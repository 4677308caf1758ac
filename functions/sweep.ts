import { app, type InvocationContext, type Timer } from '@azure/functions';
import { gateway } from './gateway.ts';

/** An instance that nobody keeps alive may be frozen once the timer returns: what was taken over gets most of the minute. */
const WAIT_MS = 50_000;

/**
 * Every minute, on one instance: takes over commands whose process is gone, purges what is past its retention. The host's
 * timer does not retry; the next minute does (Functions, "Timer trigger").
 */
app.timer('sweep', {
  schedule: '0 * * * * *',
  handler: async (_timer: Timer, context: InvocationContext): Promise<void> => {
    const { sweep } = await gateway();
    const { recovered, purged } = await sweep(WAIT_MS);
    if (recovered + purged > 0)
      context.log(`sweep: ${recovered} commands taken over, ${purged} outputs and records purged`);
  },
});
