import type { CommandStatus } from './records.ts';

/** `completed`: its pod ended, look at the steps. `failed`: no step ran. `unknown`: one of the steps is. */
export type BatchStatus = 'running' | 'completed' | 'failed' | 'unknown';

/** What a batch is, by its steps. */
export function batchStatus(steps: readonly CommandStatus[]): BatchStatus {
  if (steps.some((status) => status === 'accepted' || status === 'submitting' || status === 'running'))
    return 'running';
  if (steps.includes('unknown')) return 'unknown';
  return steps.includes('completed') ? 'completed' : 'failed';
}
