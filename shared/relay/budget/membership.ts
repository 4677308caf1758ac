import type { Clock } from '../../clock.ts';
import type { Bucket } from './bucket.ts';
import { createShares, MOST_WEIGHT, type Leases, type Share, type Shares } from './shares.ts';

/** This process's part in a subscription's budget: held while there is work, and for a while after it. */
interface Membership {
  /** False until the part is known: before that nothing may be spent. */
  joined(): boolean;
  join(): void;
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
  /** Commands that run or wait here: processes share by what they have to do. */
  readonly load: () => number;
  /** The part has become known, or has changed. */
  readonly changed: () => void;
}

/** A process that comes is noticed within this time, before it and the others have overspent. */
const renewMs = { few: 2_000, many: 5_000 } as const;
const FEW = 4;
/** A lease outlives a process that crashes at least this long, and as long as what it spent takes to come back. */
const LEASE_MS = 15_000;
/** A debt so small counts as no debt. */
const TRIFLE_MS = 1_000;
/** So many commands make one unit of weight. */
const LOAD_PER_WEIGHT = 8;

const alone: Membership = { joined: () => true, join: () => undefined, close: () => Promise.resolve() };

interface Context extends MembershipOptions {
  readonly shares: Shares;
  readonly closing: AbortController;
  joined: boolean;
  last: Share;
  /** Monotonic ms of the last renewal. */
  renewedAt: number;
}

/** Without leases the process counts itself alone. */
export function createMembership(options: MembershipOptions): Membership {
  const { leases, subscription, holder } = options;
  if (!leases) return alone;
  const context: Context = {
    ...options,
    shares: createShares(leases, subscription, holder),
    closing: new AbortController(),
    joined: false,
    last: { part: 1, taken: 1, alone: true },
    renewedAt: 0,
  };
  let holding: Promise<void> | undefined;
  const join = (): void => {
    holding ??= hold(context).finally(() => {
      holding = undefined;
      if (!context.closing.signal.aborted) context.changed();
    });
  };
  return {
    joined: () => context.joined,
    join,
    close: async () => {
      context.closing.abort(new Error('closed'));
      await holding;
    },
  };
}

/** Renews the leases for as long as there is work. Never rejects. */
async function hold(context: Context): Promise<void> {
  const { clock, bucket, closing, hasWork, changed } = context;
  for (let working = true; working;) {
    await renew(context);
    context.joined = true;
    changed();
    // Who is alone uses all of it, and has to see soon that another came.
    const pause = context.last.taken > FEW && !context.last.alone ? renewMs.many : renewMs.few;
    const closed = await clock.sleep(pause, { signal: closing.signal, unref: true }).then(
      () => false,
      () => true,
    );
    working = !closed && hasWork();
  }
  context.joined = false;
  const debt = bucket.debt(clock.monotonic());
  await context.shares
    .leave(clock.now(), debt < TRIFLE_MS ? 0 : debt)
    .catch((error: unknown) => tell(context, 'handed back', error));
}

async function renew(context: Context): Promise<void> {
  const { clock, bucket, load } = context;
  const now = clock.monotonic();
  const weight = Math.min(MOST_WEIGHT, Math.max(1, Math.ceil(load() / LOAD_PER_WEIGHT)));
  try {
    const share = await context.shares.renew(clock.now(), Math.max(LEASE_MS, bucket.debt(now)), weight);
    // What the others used before they knew of this process, and this one of them, is spent already.
    if (!context.joined && !share.alone) bucket.atMost(0, now);
    if (context.joined) payBack(context, share, now);
    context.last = share;
    context.renewedAt = now;
    bucket.share(share.part, now);
  } catch (error) {
    // Not knowing is treated as not being alone; Azure's 429s tell the rest.
    tell(context, 'agreed on', error);
    bucket.share(Math.min(0.5, context.last.part), now);
  }
}

/**
 * Another one has had its part since some moment after the last renewal, and until now this process counted on that part too. It gives back
 * what may have been spent twice, so that the books of all never hold more than Azure's bucket does.
 */
function payBack({ bucket, last, renewedAt }: Context, { part }: Share, now: number): void {
  if (part >= last.part) return;
  bucket.take(now, (1 - part / last.part) * bucket.rate(now) * ((now - renewedAt) / 1000));
}

const tell = ({ log, subscription }: Context, what: string, error: unknown): void =>
  log(
    `The share of subscription ${subscription}'s budget could not be ${what}: ${error instanceof Error ? error.name : 'unknown error'}`,
  );
