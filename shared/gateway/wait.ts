import { after } from '../clock.ts';
import { onAbort, pause } from '../lib/abort.ts';
import { StorageUnavailable } from '../store/append-log.ts';
import { isFinished, type CommandRecord } from '../store/records.ts';
import type { GatewayContext } from './context.ts';
import type { ActiveCommand } from './lifecycle/context.ts';
import type { Wait } from './request.ts';

/** First and longest pause between looks at a record that another process carries: the store's cost, never Azure's. */
const lookMs = { first: 100, most: 2_000 };

/** The record once the command has ended, or as it stands when the wait is over. Throws Problem when nothing was started. */
export const waitForCommand = (
  context: GatewayContext,
  { record, active }: { readonly record: CommandRecord; readonly active: ActiveCommand | undefined },
  wait: Wait,
): Promise<CommandRecord> => (active ? waitForActive(context, active, wait) : watchRecord(context, record, wait));

async function waitForActive(
  { clock }: GatewayContext,
  { finished, current }: ActiveCommand,
  { ms, signal }: Wait,
): Promise<CommandRecord> {
  if (ms <= 0) return current();
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const cancel = after(clock, ms, resolve, { unref: true });
  const stopListening = onAbort(signal, () => resolve());
  try {
    return (await Promise.race([finished, over])) ?? current();
  } finally {
    cancel();
    stopListening();
  }
}

/** A record that another process carries (or none, after a crash): read from the store, less and less often. */
async function watchRecord(context: GatewayContext, first: CommandRecord, wait: Wait): Promise<CommandRecord> {
  const { clock, lifecycle } = context;
  const signal = wait.signal ? AbortSignal.any([wait.signal, lifecycle.stopping]) : lifecycle.stopping;
  const end = clock.monotonic() + wait.ms;
  let record = first;
  for (let lookAfter = lookMs.first; !isFinished(record); lookAfter = Math.min(lookAfter * 1.5, lookMs.most)) {
    const left = end - clock.monotonic();
    if (left <= 0 || signal.aborted) break;
    await pause(clock, Math.min(lookAfter, left), signal);
    record = (await readAgain(context, record.id)) ?? record;
  }
  return record;
}

/** While the store does not answer, what is known is the answer. */
async function readAgain({ records }: GatewayContext, id: string): Promise<CommandRecord | undefined> {
  try {
    return await records.get(id);
  } catch (error) {
    if (!(error instanceof StorageUnavailable)) throw error;
    return undefined;
  }
}
