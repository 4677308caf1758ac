import { app, type Timer } from '@azure/functions';
import { gateway } from './gateway.ts';

/** Shorter than the minute: while one timer runs, its next one does not come. What a slow receiver holds up goes on beside it. */
const WAIT_MS = 50_000;

/** Every minute, on one instance: tries again what webhooks have not taken. The first attempt is made at once, by who ended the command. */
app.timer('deliveries', {
  schedule: '0 * * * * *',
  handler: async (_timer: Timer): Promise<void> => {
    const { runDeliveries } = await gateway();
    await runDeliveries(WAIT_MS);
  },
});
