import type { Delivery } from '../../store/delivery.ts';
import { deliveryId } from '../../store/derived-ids.ts';
import { isFinished, isFollower, type CommandRecord } from '../../store/records.ts';

/**
 * What is to be told of a change that ends a command, or the batch that it leads: stored in one transaction with it, so that no end goes
 * untold and none is told that did not come. One that ends again, otherwise (an unknown that was settled), is told again.
 */
export function endDelivery(before: CommandRecord, after: CommandRecord): Delivery | undefined {
  const { notify, id: commandId } = after;
  if (!notify || !isFinished(after) || isFollower(after) || before.status === after.status) return undefined;
  // The slot of a job that was not sent is tried again; the job says when it is given up.
  if (after.job?.slot !== undefined && after.status === 'failed' && after.azure === undefined) return undefined;
  return {
    id: deliveryId(notify.webhook, `${commandId}/${after.status}`),
    version: 1,
    webhook: notify.webhook,
    about: { event: after.batch ? 'batch.ended' : 'command.ended', commandId, on: notify.on },
    createdAt: after.finishedAt,
    attempts: 0,
    due: 0,
  };
}
