import type { Clock } from '../../clock.ts';
import { isFinished, type CommandRecord } from '../../store/records.ts';
import type { ActiveCommand, LifecycleContext, TimeSpent } from './context.ts';
import { LeaseLost, withLease, type LeasedRecord } from './leased-record.ts';

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
  leased: LeasedRecord,
  steps: (command: Progress, signal: AbortSignal) => Promise<CommandRecord>,
): ActiveCommand {
  const { id } = leased.record;
  const command: Progress = Object.assign(leased, { spent: { azure: 0, queue: 0 } });
  const finished = withLease(context, command, context.stopping.signal, (signal) => steps(command, signal))
    .catch((error: unknown) => leave(context, command, error))
    .finally(() => context.active.delete(id));
  finished.catch(() => undefined); // callers that wait get the error; there need not be one
  const active: ActiveCommand = { current: () => command.record, spent: command.spent, finished };
  context.active.set(id, active);
  return active;
}

/** This process is done with a command that has not ended, or not here. Throws only where nothing was started. */
async function leave(context: LifecycleContext, command: Progress, error: unknown): Promise<CommandRecord> {
  const { id } = command.record;
  if (error instanceof NotStarted) throw error.reason;
  if (!(error instanceof LeaseLost)) {
    if (!context.stopping.signal.aborted) context.onError(error, id);
    await giveBack(context, command);
  }
  // Never a rejection from here on: it may have been started, and only NotStarted may say that it was not.
  return (await context.records.get(id).catch(() => undefined)) ?? command.record;
}

/** A process that cannot bring a command to its end lets another one try at once. */
async function giveBack(context: LifecycleContext, command: Progress): Promise<void> {
  const { record } = command;
  if (isFinished(record) || command.lost) return;
  // One that cannot be given back is taken over when it has stood still for long enough.
  await context.records
    .replace({ ...record, carrier: '' })
    .catch((error: unknown) => context.onError(error, record.id));
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
