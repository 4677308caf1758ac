import type { Clock } from '../../clock.ts';
import { linkedAbort } from '../../lib/abort.ts';
import { isFinished, type CommandRecord } from '../../store/records.ts';
import type { ActiveCommand, LifecycleContext, TimeSpent } from './context.ts';
import { LeaseLost, withLease, type LeasedRecord } from './leased-record.ts';

/** What the steps of one command share. Of a batch this is the first one's, and the others follow. */
export interface Progress extends LeasedRecord {
  readonly spent: TimeSpent;
  /** The other commands that are sent with this one, in their order. */
  readonly followers: readonly LeasedRecord[];
}

/** All commands that are sent as one, in their order. */
export const membersOf = (command: Progress): readonly LeasedRecord[] => [command, ...command.followers];

/**
 * Makes a change in each record that is not finished: the first one last, since it says for all of them how far they are, and a process
 * that takes it over brings the others in line.
 */
export async function eachMember(
  command: Progress,
  change: (member: LeasedRecord, index: number) => Promise<unknown>,
): Promise<CommandRecord> {
  const { followers } = command;
  await Promise.all(
    followers.map(async (follower, index) => {
      if (!isFinished(follower.record)) await change(follower, index + 1);
    }),
  );
  if (!isFinished(command.record)) await change(command, 0);
  return command.record;
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
  followers: readonly LeasedRecord[] = [],
): ActiveCommand {
  const command: Progress = Object.assign(leased, { spent: { azure: 0, queue: 0 }, followers });
  const ids = membersOf(command).map(({ record }) => record.id);
  const stop = linkedAbort(context.stopping.signal);
  const lose = (): void => stop.abort(new LeaseLost());
  const finished = withLease(context, command, stop, (signal) => steps(command, signal))
    .catch((error: unknown) => leave(context, command, error))
    .finally(() => {
      stop.unlink();
      for (const id of ids) context.active.delete(id);
    });
  finished.catch(() => undefined); // callers that wait get the error; there need not be one
  const active: ActiveCommand = { current: () => command.record, spent: command.spent, finished, lose };
  context.active.set(command.record.id, active);
  for (const follower of followers)
    context.active.set(follower.record.id, activeFollower(context, command, follower, active));
  return active;
}

function activeFollower(
  context: LifecycleContext,
  { spent }: Progress,
  follower: LeasedRecord,
  { finished, lose }: ActiveCommand,
): ActiveCommand {
  const own = finished.then(() => latest(context, follower.record));
  own.catch(() => undefined); // as for the first one
  return { current: () => follower.record, spent, finished: own, lose };
}

/** What the store has, where another process may have gone on; what is known here, where it does not answer. */
const latest = async ({ records }: LifecycleContext, record: CommandRecord): Promise<CommandRecord> =>
  isFinished(record) ? record : ((await records.get(record.id).catch(() => undefined)) ?? record);

/** This process is done with a command that has not ended, or not here. Throws only where nothing was started. */
async function leave(context: LifecycleContext, command: Progress, error: unknown): Promise<CommandRecord> {
  const { id } = command.record;
  if (error instanceof NotStarted) throw error.reason;
  if (!(error instanceof LeaseLost)) {
    if (!context.stopping.signal.aborted) context.onError(error, id);
    await giveBack(context, command);
  }
  // Never a rejection from here on: it may have been started, and only NotStarted may say that it was not.
  return latest(context, command.record);
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
