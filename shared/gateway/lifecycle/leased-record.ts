import type { Clock } from '../../clock.ts';
import { Problem } from '../../errors.ts';
import type { LinkedAbort } from '../../lib/abort.ts';
import { elapsedSince, mark, type Mark } from '../../lib/elapsed.ts';
import type { CommandRecord, Records } from '../../store/records.ts';
import { endDelivery } from './end-delivery.ts';
import { unchanged, type Transition } from './transitions.ts';

/** What leases need: where records are, and who this process is. */
export interface LeaseContext {
  readonly records: Pick<Records, 'get' | 'replace'>;
  readonly clock: Clock;
  /** Names this process as the carrier of records. */
  readonly holder: string;
  /** How long a record may stand still before another process takes it over. */
  readonly leaseMs: number;
  /** Something was stored that a webhook is to be told. */
  readonly onDelivery?: (() => void) | undefined;
}

/**
 * One record while this process carries it. Every change is a compare-and-set on its version, and a carrier makes one at least every third
 * of `leaseMs`. Another process takes the record over when it has seen one version for `leaseMs` by its own monotonic clock (recover.ts), so
 * no two machines' clocks are ever compared; and a carrier trusts its lease only for a part of `leaseMs` after the start of its last change.
 */
export interface LeasedRecord {
  /** As last stored. */
  record: CommandRecord;
  /** When the last change that the store took began. */
  confirmedAt: Mark;
  /** Set once another process has the record. This one does nothing more with it, whatever it still waits for. */
  lost: LeaseLost | undefined;
  /** Settles when the change before the next one has: changes are made one at a time. */
  lastChange: Promise<unknown>;
}

/** Another process has the record now; the rest is its to do. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** First pause before a change that the store did not take is tried again. */
const RETRY_MS = 250;

/** `record` is stored, or about to be, with this process as its carrier; `confirmedAt` is when that write began. */
export const leaseRecord = (record: CommandRecord, confirmedAt: Mark): LeasedRecord => ({
  record,
  confirmedAt,
  lost: undefined,
  lastChange: Promise.resolve(),
});

/** A step of a batch: the lease on the batch's first step is the lease on all of them. */
export const followerOf = (leader: LeasedRecord, record: CommandRecord): LeasedRecord => ({
  record,
  get confirmedAt() {
    return leader.confirmedAt;
  },
  set confirmedAt(_) {
    // Only a change of the leader's record moves the lease.
  },
  get lost() {
    return leader.lost;
  },
  set lost(lost) {
    leader.lost = lost;
  },
  lastChange: Promise.resolve(),
});

/**
 * Stores a change; changes are made one at a time, in the order of the calls. Throws LeaseLost, or the store's own error once the
 * lease has run out.
 */
export function updateRecord(context: LeaseContext, leased: LeasedRecord, change: Transition): Promise<CommandRecord> {
  const next = leased.lastChange.then(() => persist(context, leased, change));
  leased.lastChange = next.catch(() => undefined); // the caller gets the error; the change after it goes ahead
  return next;
}

/** Renews a lease that is half over. Throws as updateRecord. */
export async function ensureLease(context: LeaseContext, leased: LeasedRecord): Promise<void> {
  if (leased.lost) throw leased.lost;
  if (elapsedSince(context.clock, leased.confirmedAt) >= context.leaseMs / 2)
    await updateRecord(context, leased, unchanged);
}

/**
 * The last look before an effect that cannot be taken back, with nothing to wait for between the two. What is left of the lease is far
 * more than the effect needs to leave this process. Throws LeaseLost, or Problem `gateway-busy` when that is in doubt.
 */
export function assertLease({ clock, leaseMs }: LeaseContext, leased: LeasedRecord): void {
  if (leased.lost) throw leased.lost;
  if (elapsedSince(clock, leased.confirmedAt) >= (leaseMs * 3) / 4)
    throw new Problem(
      'gateway-busy',
      'The gateway was paused for too long just before it sent the command. Nothing ran.',
      {
        retryAfter: 1,
      },
    );
}

/** Renews the lease while `step` runs. The step's signal is that of `stop`, which aborts when the lease is lost and when the step is done. */
export async function withLease<T>(
  context: LeaseContext,
  leased: LeasedRecord,
  stop: Pick<LinkedAbort, 'signal' | 'abort'>,
  step: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal } = stop;
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
    if (leased.lost) throw leased.lost;
    try {
      await store(context, leased, change);
      return leased.record;
    } catch (error) {
      if (error instanceof LeaseLost) throw (leased.lost = error);
      // Only this process knows that Azure has the command, and under which id: worth trying for the whole length of the lease.
      if (elapsedSince(context.clock, leased.confirmedAt) + pause >= context.leaseMs) throw error;
      await context.clock.sleep(pause, { unref: true });
    }
  }
}

async function store(context: LeaseContext, leased: LeasedRecord, change: Transition): Promise<void> {
  const began = mark(context.clock);
  leased.record = (await write(context, leased.record, change)) ?? (await writeAgain(context, leased, change));
  leased.confirmedAt = began;
}

async function write(
  { records, holder, onDelivery }: LeaseContext,
  record: CommandRecord,
  change: Transition,
): Promise<CommandRecord | undefined> {
  const next = { ...change(record), carrier: holder };
  const delivery = endDelivery(record, next);
  const stored = await records.replace(next, delivery);
  if (stored && delivery) onDelivery?.();
  return stored;
}

/**
 * The compare-and-set failed. Either another process has the record, or the store took a write of this process and its answer was
 * lost. In the second case the stored version is one ahead and has this process as its carrier. It may hold an earlier change that was
 * given up, so the change is written once more on top of it; writing it twice does no harm.
 */
async function writeAgain(context: LeaseContext, leased: LeasedRecord, change: Transition): Promise<CommandRecord> {
  const stored = await context.records.get(leased.record.id);
  if (stored?.version !== leased.record.version + 1 || stored.carrier !== context.holder) throw new LeaseLost();
  leased.record = stored;
  const written = await write(context, stored, change);
  if (!written) throw new LeaseLost();
  return written;
}

/** Made once: an abort without a reason creates an exception with a stack each time. */
const stepDone = new Error('the step is done');
