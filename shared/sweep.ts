import type { AuditTrail } from './audit/trail.ts';
import type { Clock } from './clock.ts';
import type { ConfigSource } from './config/config.ts';
import type { Gateway } from './gateway/gateway.ts';
import type { Lifecycle } from './gateway/lifecycle/lifecycle.ts';
import type { Records } from './store/records.ts';

/**
 * What has to be done though nobody asks: takes over the commands of processes that are gone, removes what is past its retention, cancels what
 * blocked callers left running, and looks for what became of unknown commands. Waits up to `waitMs` for the commands that it took over.
 */
export type Sweep = (waitMs?: number) => Promise<{ readonly recovered: number; readonly purged: number }>;

interface SweepContext {
  readonly config: Pick<ConfigSource, 'current'>;
  readonly records: Records;
  readonly trail: AuditTrail;
  readonly gateway: Pick<Gateway, 'cancelBlocked' | 'settleUnknown' | 'discoverResources'>;
  readonly lifecycle: Pick<Lifecycle, 'recover' | 'idle'>;
  readonly clock: Clock;
  /** Gets what fails where no caller waits for it. */
  readonly onError: (error: unknown) => void;
}

/** Commands that one sweep takes over: more wait for the next, since each is polled from then on. */
const ORPHANS_A_SWEEP = 100;

export function createSweep(context: SweepContext): Sweep {
  const { gateway, lifecycle, clock, onError } = context;
  const settle = oneAtATime(() => gateway.settleUnknown(), onError);
  const discover = oneAtATime(() => gateway.discoverResources(), onError);
  return async (waitMs = 0) => {
    // What is found is followed to its end, for which no sweep waits.
    settle();
    discover();
    // Each though another fails: a record that cannot be taken over must not keep what is past its retention, nor the other way round.
    const [recovery, purge, blocked] = await Promise.allSettled([
      lifecycle.recover(ORPHANS_A_SWEEP),
      purgeExpired(context),
      gateway.cancelBlocked(),
    ]);
    const recovered = valueOf(recovery);
    if (waitMs > 0 && recovered > 0) await Promise.race([lifecycle.idle(), clock.sleep(waitMs, { unref: true })]);
    valueOf(blocked);
    return { recovered, purged: valueOf(purge) };
  };
}

/** Removes what is past its retention, and records how many outputs and records that were. */
async function purgeExpired({ config, records, trail, clock, onError }: SweepContext): Promise<number> {
  const { resultsHours, recordsDays } = config.current().storage;
  const now = clock.now();
  const purged = await records.purge({
    outputsBefore: now - resultsHours * 3_600_000,
    recordsBefore: now - recordsDays * 86_400_000,
    now,
  });
  for (const id of purged.unreadable) onError(new Error(`the record ${id} cannot be read; its output was purged`));
  const count = purged.outputs + purged.records;
  if (count > 0) await trail.record({ event: 'result.purged', count });
  return count;
}

/** Begins the work, unless it is still under way. */
function oneAtATime(work: () => Promise<void>, onError: (error: unknown) => void): () => void {
  let underWay: Promise<void> | undefined;
  return () => {
    underWay ??= work()
      .catch(onError)
      .finally(() => (underWay = undefined));
  };
}

function valueOf<T>(settled: PromiseSettledResult<T>): T {
  if (settled.status === 'rejected') throw settled.reason;
  return settled.value;
}
