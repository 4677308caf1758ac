import type { Ended } from '../../relay/relay.ts';
import type {
  AzureRun,
  CommandRecord,
  CompletedRecord,
  FailedRecord,
  Failure,
  RunningRecord,
  SubmittingRecord,
  UnknownRecord,
} from '../../store/records.ts';

/**
 * The changes of a command's status. Each names the statuses that it may start from, its own among them: a write whose answer was
 * lost is made again on top of itself. From any other status it throws, which is a mistake of the gateway's.
 */
export type Transition = (record: CommandRecord) => CommandRecord;

/** For a write that only renews the lease. */
export const unchanged: Transition = (record) => record;

/** While it runs: what the caller should know meanwhile. */
export const withWarnings =
  (warnings: readonly string[]): Transition =>
  (record) => ({ ...record, warnings });

export const toSubmitting =
  (receipt: string) =>
  (record: CommandRecord): SubmittingRecord => ({
    ...from(record, 'accepted', 'submitting'),
    status: 'submitting',
    receipt,
  });

export const toRunning =
  (azure: AzureRun) =>
  (record: CommandRecord): RunningRecord => ({ ...from(record, 'submitting', 'running'), status: 'running', azure });

export const toCompleted =
  (ended: Extract<Ended, { kind: 'completed' }>, now: number) =>
  (record: CommandRecord): CompletedRecord => {
    const running = from(record, 'running', 'completed');
    const { exitCode, streams, truncated, timedOut, startedAt, finishedAt = now } = ended;
    const warnings = running.status === 'completed' ? running.warnings : [...running.warnings, ...ended.warnings];
    const outputBytes = { stdout: ended.stdout.byteLength, stderr: ended.stderr.byteLength };
    return {
      ...running,
      status: 'completed',
      exitCode,
      outputBytes,
      streams,
      truncated,
      timedOut,
      startedAt,
      finishedAt,
      warnings,
    };
  };

export const toFailed =
  (failure: Failure, now: number) =>
  (record: CommandRecord): FailedRecord => ({
    ...from(record, 'accepted', 'submitting', 'running', 'failed'),
    status: 'failed',
    failure,
    finishedAt: now,
  });

export const toUnknown =
  (failure: Failure, now: number) =>
  (record: CommandRecord): UnknownRecord => ({
    ...from(record, 'submitting', 'running', 'unknown'),
    status: 'unknown',
    failure,
    finishedAt: now,
  });

function from<S extends CommandRecord['status']>(
  record: CommandRecord,
  ...statuses: readonly S[]
): Extract<CommandRecord, { readonly status: S }> {
  if (statuses.some((status) => status === record.status))
    return record as Extract<CommandRecord, { readonly status: S }>;
  throw new Error(`a command that is ${record.status} cannot become ${statuses.at(-1)}`);
}
