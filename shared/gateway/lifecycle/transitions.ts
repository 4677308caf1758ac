import type {
  AzureRun,
  CommandRecord,
  Ending,
  Failure,
  Outcome,
  RunningRecord,
  SubmittingRecord,
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
  (receipt: string, decision: CommandRecord['decision']) =>
  (record: CommandRecord): SubmittingRecord => ({
    ...from(record, 'accepted', 'submitting'),
    status: 'submitting',
    receipt,
    decision,
  });

export const toRunning =
  (azure: AzureRun) =>
  (record: CommandRecord): RunningRecord => ({ ...from(record, 'submitting', 'running'), status: 'running', azure });

/** The outcome is decided; nobody has been told yet. */
export const toEnding =
  (ending: Ending): Transition =>
  (record) => ({ ...from(record, 'accepted', 'submitting', 'running'), ending });

/** The outcome is in the trail. */
export const toFinished =
  (outcome: Outcome): Transition =>
  (record) => {
    switch (outcome.status) {
      case 'completed':
        return { ...closed(from(record, 'running', 'completed')), ...outcome };
      case 'failed':
        return { ...closed(from(record, 'accepted', 'submitting', 'running', 'failed')), ...outcome };
      case 'unknown':
        return { ...closed(from(record, 'submitting', 'running', 'unknown')), ...outcome };
    }
  };

/** Nothing was sent, and the trail has no intent that an outcome would belong to. */
export const toFailed = (failure: Failure, now: number): Transition =>
  toFinished({ status: 'failed', failure, finishedAt: now });

/** Without what only an unfinished record has. */
function closed<R extends CommandRecord>(record: R): Omit<R, 'ending'> {
  const rest: Omit<R, 'ending'> & { ending?: unknown } = { ...record };
  delete rest.ending;
  return rest;
}

function from<S extends CommandRecord['status']>(
  record: CommandRecord,
  ...statuses: readonly S[]
): Extract<CommandRecord, { readonly status: S }> {
  if (statuses.some((status) => status === record.status))
    return record as Extract<CommandRecord, { readonly status: S }>;
  throw new Error(`a command that is ${record.status} cannot become ${statuses.at(-1)}`);
}
