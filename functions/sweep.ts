import { app, type InvocationContext, type Timer } from '@azure/functions';
import { gateway } from './gateway.ts';

/**
 * Every minute, on one instance: takes over commands whose process is gone, purges what is past its retention. The host's
 * timer does not retry; the next minute does (Functions, "Timer trigger").
 */
app.timer('sweep', {
  schedule: '0 * * * * *',
  handler: async (_timer: Timer, context: InvocationContext): Promise<void> => {
    const { sweep } = await gateway();
    const { recovered, purged } = await sweep();
    if (recovered + purged > 0) context.log(`sweep: ${recovered} commands taken over, ${purged} outputs purged`);
  },
});
