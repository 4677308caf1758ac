import type { Clock } from '../../clock.ts';
import { NEWCOMER_TOKENS, type Bucket } from './bucket.ts';
import { createSeats, type Leases } from './seats.ts';

/** This process's part in a subscription's budget: held while there is work, and for a while after it. */
interface Membership {
  /** False until the part is known: before that nothing may be spent. */
  joined(): boolean;
  join(): void;
  /** How many share, at least. */
  instances(): number;
  close(): Promise<void>;
}

interface MembershipOptions {
  readonly clock: Clock;
  readonly bucket: Bucket;
  readonly leases: Leases | undefined;
  readonly subscription: string;
  readonly holder: string;
  readonly log: (message: string) => void;
  readonly hasWork: () => boolean;
  /** The part has become known, or has changed. */
  readonly changed: () => void;
}

const RENEW_MS = 5_000;
/** A seat outlives a holder that crashes at least this long, and as long as what it spent takes to come back. */
const LEASE_MS = 15_000;
/** A debt so small is none. */
const TRIFLE_MS = 1_000;

const alone: Membership = {
  joined: () => true,
  join: () => undefined,
  instances: () => 1,
  close: () => Promise.resolve(),
};

/** Without leases the process counts itself alone. */
export function createMembership(options: MembershipOptions): Membership {
  const { clock, bucket, leases, subscription, holder, log, hasWork, changed } = options;
  if (!leases) return alone;
  const seats = createSeats(leases, subscription, holder);
  const closing = new AbortController();
  let instances = 1;
  let seated = false;
  let sitting: Promise<void> | undefined;

  const sit = async (): Promise<void> => {
    for (let working = true; working;) {
      await renew();
      seated = true;
      changed();
      const closed = await clock.sleep(RENEW_MS, { signal: closing.signal, unref: true }).then(
        () => false,
        () => true,
      );
      working = !closed && hasWork();
    }
    seated = false;
    const debt = bucket.debt(clock.monotonic());
    await seats.leave(clock.now(), debt < TRIFLE_MS ? 0 : debt).catch(tell('handed back'));
    sitting = undefined;
    if (!closing.signal.aborted) changed();
  };

  const renew = async (): Promise<void> => {
    const now = clock.monotonic();
    try {
      const found = await seats.renew(clock.now(), Math.max(LEASE_MS, bucket.debt(now)));
      // What the others used before they knew of us, and we of them, is not ours to spend.
      if (!seated && !found.alone) bucket.atMost(NEWCOMER_TOKENS, now);
      instances = found.instances;
    } catch (error) {
      // Not knowing is treated as not being alone; Azure's 429s tell the rest.
      tell('agreed on')(error);
      instances = Math.max(2, instances);
    }
    bucket.share(instances, now);
  };

  const tell =
    (what: string) =>
    (error: unknown): void =>
      log(
        `The share of subscription ${subscription}'s budget could not be ${what}: ${error instanceof Error ? error.name : 'unknown error'}`,
      );

  return {
    joined: () => seated,
    join: () => {
      sitting ??= sit();
    },
    instances: () => instances,
    close: async () => {
      closing.abort(new Error('closed'));
      await sitting;
    },
  };
}
