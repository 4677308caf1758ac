import { createHash } from 'node:crypto';
import type { BatchId, CommandId } from '../lib/ids.ts';

/**
 * The id of a step follows from its batch's, so that one id is enough to find the others in any store: a UUID of version 8, "for
 * vendor-specific use cases" (RFC 9562, section 5.8).
 */
export const stepId = (batch: BatchId, step: number): CommandId => derivedId(`aksgw.step.v1/${batch}/${step}`);

/** The command of the gateway's own that is to cancel another one, or a batch: the id alone tells whether there is one. */
export const cancelId = (target: CommandId | BatchId, attempt: number): CommandId =>
  derivedId(`aksgw.cancel.v1/${target}/${attempt}`);

/** What is told to a webhook once, however often it comes up. */
export const deliveryId = (webhook: string, what: string): string => derivedId(`aksgw.delivery.v1/${webhook}/${what}`);

function derivedId(meaning: string): CommandId {
  const hex = createHash('sha256').update(meaning).digest('hex');
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `a${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return parts.join('-') as CommandId;
}
