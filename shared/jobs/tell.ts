import type { AuditEvent } from '../audit/events.ts';
import type { JobEventName } from '../config/webhooks.ts';
import type { DeliveredJob, DeliveredLook } from '../store/delivery.ts';
import { deliveryId } from '../store/derived-ids.ts';
import type { JobsContext } from './context.ts';
import type { Job } from './job.ts';

type JobEvent = Extract<AuditEvent, { readonly event: JobEventName }>;

interface Telling {
  /**
   * The job's own webhook (`notify`): `as-listed` like every other; `too`, also where it does not list the event, since nothing else tells it;
   * `not`, since the end of a command is told there.
   */
  readonly own?: 'as-listed' | 'too' | 'not';
}

/** Records what became of a job, and has it told to the webhooks that list it. Told twice by a process that was killed in between, it is one delivery. */
export async function tellOfJob(
  context: JobsContext,
  { name, notify }: Job,
  event: JobEvent,
  { own = 'as-listed' }: Telling = {},
): Promise<void> {
  await context.trail.record(event);
  const slot = 'slot' in event ? event.slot : undefined;
  const commandId = 'commandId' in event ? event.commandId : undefined;
  const once = slot ?? ('requestId' in event ? event.requestId : '');
  const about: DeliveredJob = { event: event.event, job: name, slot, commandId, detail: event.detail };
  const webhooks = [...context.config.current().webhooks.values()]
    .filter(({ events, name: webhook }) =>
      webhook === notify?.webhook && own !== 'as-listed' ? own === 'too' : events.includes(event.event),
    )
    .map((webhook) => webhook.name);
  await deliver(context, webhooks, about, once);
}

/** Has the job's own webhook told what its look found. */
export const tellOfLook = (context: JobsContext, { notify }: Job, about: DeliveredLook): Promise<void> =>
  deliver(context, notify ? [notify.webhook] : [], about, about.slot);

async function deliver(
  { records, onDelivery, clock }: JobsContext,
  webhooks: readonly string[],
  about: DeliveredJob | DeliveredLook,
  once: string | number,
): Promise<void> {
  for (const webhook of webhooks) {
    await records.addDelivery({
      id: deliveryId(webhook, `${about.event}/${about.job}/${once}`),
      version: 1,
      webhook,
      about,
      createdAt: clock.now(),
      attempts: 0,
      due: 0,
    });
  }
  if (webhooks.length > 0) onDelivery?.();
}
