import type { Clock } from '../../clock.ts';
import type { CommandRecord, Records } from '../../store/records.ts';

/** One record while this process drives it: every change is compare-and-set, and the lease says whose turn it is. */
export interface HeldRecord {
  /** As last stored. */
  current(): CommandRecord;
  /** One change at a time, in the order asked for. Throws LeaseLost, or what the store said until the lease ran out. */
  move(change: Change): Promise<CommandRecord>;
  /** Before an outcome is audited: nobody else may be about to audit it too. Throws as `move`. */
  assure(): Promise<void>;
  /** Keeps the lease while `step` runs. The step's signal aborts when the lease is lost, or with `closing`. */
  keeping<T>(closing: AbortSignal, step: (signal: AbortSignal) => Promise<T>): Promise<T>;
}

export type Change = Partial<Omit<CommandRecord, 'id' | 'version'>>;

/** Somebody else has the record now: what this process would do next is theirs to do. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

export interface HoldOptions {
  readonly records: Records;
  readonly clock: Clock;
  /** Names this process in leases. */
  readonly holder: string;
  readonly leaseMs: number;
}

/** First pause before a change that the store did not take is tried again. */
const RETRY_MS = 250;

/** A lease of this process from now on. */
export const leaseFor = ({ clock, holder, leaseMs }: Omit<HoldOptions, 'records'>): CommandRecord['lease'] => ({
  holder,
  until: clock.now() + leaseMs,
});

/** Holds a record that is stored, or about to be, with this process's lease on it. */
export function holdRecord(first: CommandRecord, options: HoldOptions): HeldRecord {
  const { records, clock, holder, leaseMs } = options;
  let record = first;
  let last: Promise<unknown> = Promise.resolve();

  const move = (change: Change): Promise<CommandRecord> => {
    const next = last.then(() => persist(change));
    last = next.catch(() => undefined); // whoever made the change hears of it; the next one comes all the same
    return next;
  };

  const persist = async (change: Change): Promise<CommandRecord> => {
    for (let pause = RETRY_MS; ; pause *= 2) {
      try {
        return (record = (await written(change)) ?? (await writtenOnTop(change)));
      } catch (error) {
        // What is known only here (that Azure has the command, and under which id) is worth the lease's whole length.
        if (error instanceof LeaseLost || clock.now() + pause >= record.lease.until) throw error;
        await clock.sleep(pause, { unref: true });
      }
    }
  };

  const written = (change: Change): Promise<CommandRecord | undefined> =>
    records.replace({ ...record, lease: leaseFor(options), ...change });

  /**
   * The store took a write of this process and its answer was lost: then the next version is its own. It may have been an earlier
   * change that was given up, so this one is written on top of it; twice does no harm.
   */
  const writtenOnTop = async (change: Change): Promise<CommandRecord> => {
    const stored = await records.get(record.id);
    if (stored?.version !== record.version + 1 || stored.lease.holder !== holder) throw new LeaseLost();
    record = stored;
    const onTop = await written(change);
    if (!onTop) throw new LeaseLost();
    return onTop;
  };

  const renew = async (signal: AbortSignal): Promise<void> => {
    for (;;) {
      await clock.sleep(leaseMs / 3, { signal, unref: true });
      await move({});
    }
  };

  return {
    current: () => record,
    move,
    assure: async () => {
      if (record.lease.until - clock.now() < leaseMs / 2) await move({});
    },
    keeping: async (closing, step) => {
      const stop = new AbortController();
      const signal = AbortSignal.any([closing, stop.signal]);
      const renewal = renew(signal).catch((error: unknown) => {
        if (!signal.aborted) stop.abort(error);
      });
      try {
        return await step(signal);
      } finally {
        stop.abort(STEP_DONE);
        await renewal;
      }
    },
  };
}

/** Made once: an abort without a reason makes an exception with a stack for each. */
const STEP_DONE = new Error('the step is done');
