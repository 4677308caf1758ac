import type { Clock } from '../../clock.ts';
import type { CommandRecord, Records } from '../../store/records.ts';
import { unchanged, type Transition } from './transitions.ts';

/** What leases need: where records are, and who this process is. */
export interface LeaseContext {
  readonly records: Pick<Records, 'get' | 'replace'>;
  readonly clock: Clock;
  /** Names this process in leases. */
  readonly holder: string;
  /** How long a process may be silent before another takes its commands over. */
  readonly leaseMs: number;
}

/** One record while this process has its lease: every change is a compare-and-set. */
export interface LeasedRecord {
  /** As last stored. */
  record: CommandRecord;
  /** Settles when the change before the next one has: changes are made one at a time. */
  lastChange: Promise<unknown>;
}

/** Another process has the record now, and does whatever is left to do. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** First pause before a change that the store did not take is tried again. */
const RETRY_MS = 250;

/** A lease of this process, starting now. */
export const newLease = ({ clock, holder, leaseMs }: Omit<LeaseContext, 'records'>): CommandRecord['lease'] => ({
  holder,
  until: clock.now() + leaseMs,
});

/** `record` is stored, or about to be, with this process's lease on it. */
export const leaseRecord = (record: CommandRecord): LeasedRecord => ({ record, lastChange: Promise.resolve() });

/**
 * Stores a change; changes are made one at a time, in the order of the calls. Throws LeaseLost, or the store's own error once the
 * lease has run out.
 */
export function updateRecord(context: LeaseContext, leased: LeasedRecord, change: Transition): Promise<CommandRecord> {
  const next = leased.lastChange.then(() => persist(context, leased, change));
  leased.lastChange = next.catch(() => undefined); // the caller gets the error; the change after it goes ahead
  return next;
}

/** Renews a lease that is half over. Called before an outcome is audited: no other process may audit it too. Throws as updateRecord. */
export async function ensureLease(context: LeaseContext, leased: LeasedRecord): Promise<void> {
  if (leased.record.lease.until - context.clock.now() < context.leaseMs / 2)
    await updateRecord(context, leased, unchanged);
}

/** Renews the lease while `step` runs. The step's signal aborts when the lease is lost, or with `stopping`. */
export async function withLease<T>(
  context: LeaseContext,
  leased: LeasedRecord,
  stopping: AbortSignal,
  step: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const signal = AbortSignal.any([stopping, stop.signal]);
  const renewal = renew(context, leased, signal).catch((error: unknown) => {
    if (!signal.aborted) stop.abort(error);
  });
  try {
    return await step(signal);
  } finally {
    stop.abort(stepDone);
    await renewal;
  }
}

async function renew(context: LeaseContext, leased: LeasedRecord, signal: AbortSignal): Promise<never> {
  for (;;) {
    await context.clock.sleep(context.leaseMs / 3, { signal, unref: true });
    await updateRecord(context, leased, unchanged);
  }
}

async function persist(context: LeaseContext, leased: LeasedRecord, change: Transition): Promise<CommandRecord> {
  for (let pause = RETRY_MS; ; pause *= 2) {
    try {
      leased.record = (await write(context, leased.record, change)) ?? (await writeAgain(context, leased, change));
      return leased.record;
    } catch (error) {
      // Only this process knows that Azure has the command, and under which id: worth trying for the whole length of the lease.
      if (error instanceof LeaseLost || context.clock.now() + pause >= leased.record.lease.until) throw error;
      await context.clock.sleep(pause, { unref: true });
    }
  }
}

const write = (context: LeaseContext, record: CommandRecord, change: Transition): Promise<CommandRecord | undefined> =>
  context.records.replace({ ...change(record), lease: newLease(context) });

/**
 * The compare-and-set failed. Either another process has the record, or the store took a write of this process and its answer was
 * lost. In the second case the stored version is one ahead and has this process's lease. It may hold an earlier change that was
 * given up, so the change is written once more on top of it; writing it twice does no harm.
 */
async function writeAgain(context: LeaseContext, leased: LeasedRecord, change: Transition): Promise<CommandRecord> {
  const stored = await context.records.get(leased.record.id);
  if (stored?.version !== leased.record.version + 1 || stored.lease.holder !== context.holder) throw new LeaseLost();
  leased.record = stored;
  const written = await write(context, stored, change);
  if (!written) throw new LeaseLost();
  return written;
}

/** Made once: an abort without a reason creates an exception with a stack each time. */
const stepDone = new Error('the step is done');
