import { createHash } from 'node:crypto';
import type { BatchId, CommandId } from '../lib/ids.ts';
import type { CommandStatus } from './records.ts';

/**
 * The id of a step follows from its batch's, so that whoever has the one finds the others in any store: a UUID of version 8, "for
 * vendor-specific use cases" (RFC 9562, section 5.8).
 */
export function stepId(batch: BatchId, step: number): CommandId {
  const hex = createHash('sha256').update(`aksgw.step.v1/${batch}/${step}`).digest('hex');
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `a${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ];
  return parts.join('-') as CommandId;
}

/** `completed`: its pod ended, look at the steps. `failed`: no step ran. `unknown`: one of the steps is. */
export type BatchStatus = 'running' | 'completed' | 'failed' | 'unknown';

/** What a batch is, by its steps. */
export function batchStatus(steps: readonly CommandStatus[]): BatchStatus {
  if (steps.some((status) => status === 'accepted' || status === 'submitting' || status === 'running'))
    return 'running';
  if (steps.includes('unknown')) return 'unknown';
  return steps.includes('completed') ? 'completed' : 'failed';
}
