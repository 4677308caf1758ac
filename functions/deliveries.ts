import { app, type Timer } from '@azure/functions';
import { gateway } from './gateway.ts';

/** Every minute, on one instance: tries again what webhooks have not taken. The first attempt is made at once, by who ended the command. */
app.timer('deliveries', {
  schedule: '0 * * * * *',
  handler: async (_timer: Timer): Promise<void> => {
    const { runDeliveries } = await gateway();
    await runDeliveries();
  },
});
