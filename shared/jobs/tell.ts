import type { AuditEvent } from '../audit/events.ts';
import { deliveryId } from '../store/derived-ids.ts';
import type { JobsContext } from './context.ts';
import type { Job } from './job.ts';

type JobEvent = Extract<AuditEvent, { readonly event: `job.${string}`; readonly detail: string }>;

/**
 * Records what became of a job, and has it told to the webhooks that list it. `ownToo`: to the job's own as well, since there is no command
 * whose end would be told there. Told twice by a process that was killed in between, it is one delivery.
 */
export async function tellOfJob(
  { config, records, trail, onDelivery, clock }: JobsContext,
  { name, notify }: Job,
  event: JobEvent,
  { ownToo = false } = {},
): Promise<void> {
  await trail.record(event);
  const slot = 'slot' in event ? event.slot : undefined;
  const commandId = 'commandId' in event ? event.commandId : undefined;
  const once = slot ?? ('requestId' in event ? event.requestId : '');
  const listing = [...(config.current().webhooks ?? new Map()).values()].filter(
    ({ name: webhook, events }) =>
      (events.includes(event.event) && !(event.event === 'job.failed' && !ownToo && webhook === notify?.webhook)) ||
      (ownToo && webhook === notify?.webhook),
  );
  for (const { name: webhook } of listing) {
    await records.addDelivery({
      id: deliveryId(webhook, `${event.event}/${name}/${once}`),
      version: 1,
      webhook,
      about: { event: event.event, job: name, slot, commandId, detail: event.detail },
      createdAt: clock.now(),
      attempts: 0,
      due: 0,
    });
  }
  if (listing.length > 0) onDelivery?.();
}
