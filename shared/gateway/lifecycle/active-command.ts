import type { Clock } from '../../clock.ts';
import type { CommandRecord } from '../../store/records.ts';
import type { ActiveCommand, LifecycleContext, TimeSpent } from './context.ts';
import { LeaseLost, leaseRecord, withLease, type LeasedRecord } from './leased-record.ts';

/** What the steps of one command share. */
export interface Progress extends LeasedRecord {
  readonly spent: TimeSpent;
}

/** Nothing was started. Only this becomes a Problem for the caller; anything that may have run is a record. */
export class NotStarted extends Error {
  override readonly name = 'NotStarted';
  readonly reason: unknown;
  constructor(reason: unknown) {
    super('nothing was started');
    this.reason = reason;
  }
}

/** Carries a command: runs its steps while this process has its lease, and lists it as active meanwhile. */
export function carry(
  context: LifecycleContext,
  record: CommandRecord,
  steps: (command: Progress, signal: AbortSignal) => Promise<CommandRecord>,
): ActiveCommand {
  const command: Progress = { ...leaseRecord(record), spent: { azure: 0, queue: 0 } };
  const stopping = context.stopping.signal;
  const finished = withLease(context, command, stopping, (signal) => steps(command, signal))
    .catch(async (error: unknown) => {
      if (error instanceof NotStarted) throw error.reason;
      if (!(error instanceof LeaseLost) && !stopping.aborted) context.onError(error, record.id);
      // Never a rejection from here on: it may have been started, and only NotStarted may say that it was not.
      return (await context.records.get(record.id).catch(() => undefined)) ?? command.record;
    })
    .finally(() => context.active.delete(record.id));
  finished.catch(() => undefined); // callers that wait get the error; there need not be one
  const active: ActiveCommand = { current: () => command.record, spent: command.spent, finished };
  context.active.set(record.id, active);
  return active;
}

/** Counts the time of a step that is not the gateway's own. */
export async function timed<T>(
  clock: Clock,
  spent: TimeSpent,
  where: keyof TimeSpent,
  step: () => Promise<T>,
): Promise<T> {
  const began = clock.monotonic();
  try {
    return await step();
  } finally {
    spent[where] += clock.monotonic() - began;
  }
}
