import { batchStatus } from '../store/batch-status.ts';
import { isFinished, type CommandRecord } from '../store/records.ts';

/** How a run ended: its command, or the steps of its batch taken together. */
export interface Outcome {
  readonly status: 'completed' | 'failed' | 'unknown';
  /** The first that is not 0. Left out where a step did not run to its end, and none before it failed. */
  readonly exitCode?: number | undefined;
  /** Why it is not well, where the exit code alone does not say it. */
  readonly why?: string | undefined;
  /** The command that decided it. */
  readonly commandId: string;
}

/** Undefined while a step has not ended. A run went well when every step ended with 0. */
export function outcomeOf(steps: readonly [CommandRecord, ...CommandRecord[]]): Outcome | undefined {
  if (!steps.every(isFinished)) return undefined;
  const status = batchStatus(steps.map((step) => step.status));
  if (status === 'running') return undefined;
  const [first] = steps;
  const bad = steps.find(exitedWithError) ?? steps.find((step) => step.status !== 'completed');
  if (!bad) return { status, exitCode: 0, commandId: first.id };
  const exitCode = bad.status === 'completed' ? bad.exitCode : undefined;
  const ended = failureOf(bad) ?? `exit code ${exitCode}`;
  const why = bad.batch ? `step ${bad.batch.step}: ${ended}` : failureOf(bad);
  return { status, exitCode, why, commandId: bad.id };
}

const exitedWithError = (step: CommandRecord): boolean => step.status === 'completed' && step.exitCode !== 0;

const failureOf = (record: CommandRecord): string | undefined =>
  record.status !== 'completed' && 'failure' in record
    ? `${record.failure.code}: ${record.failure.message}`
    : undefined;
