import type { Clock } from '../clock.ts';
import type { Limits } from '../config/config.ts';
import { Problem } from '../errors.ts';
import { principalKey } from '../identity/principal.ts';
import type { PrincipalId } from '../identity/principal.ts';
import type { Records } from '../store/records.ts';
import { createOthers, lookEveryMs } from './other-processes.ts';
import { createRateLimiter } from './rate.ts';
import { createSlots } from './slots.ts';
import type { Contender } from './slots.ts';

/** Contenders of all callers together. Each is a request that is held, or a job. */
const maxWaiting = 5_000;
/** What a run is taken to last before any has ended: a run command's usual start alone takes seconds. */
const firstRunMs = 10_000;
/** How much the newest run counts in the mean. */
const weight = 0.2;
const maxRetryAfterSeconds = 300;

/**
 * How much of it: rates, commands in flight, and the line before them. Exact within one process. Between processes the rate
 * is not shared at all, and the caps on what is in flight hold but for what the others started in the last second (others.ts).
 */
export interface Admission {
  /** Counts one submission. Throws Problem `rate-limited` with the seconds until there may be another. */
  limitRate(principal: PrincipalId): void;
  /**
   * Waits for a slot: one command in flight on one cluster. Rejects with Problem `rate-limited` when the caller has as many
   * waiting as it may, `gateway-busy` when all callers have, StorageUnavailable when the records cannot be read, and the
   * signal's reason when it aborts. What it gives must be released.
   */
  enter(principal: PrincipalId, cluster: string, signal?: AbortSignal): Promise<Slot>;
  /** As enter, but resolves as soon as there is a place in line: whoever gets none hears so before anything is recorded. */
  join(principal: PrincipalId, cluster: string, signal?: AbortSignal): Promise<Place>;
  /** How many wait now, of all callers. */
  waiting(): number;
}

/** For `using`; releasing twice is releasing once. */
export interface Slot extends Disposable {
  release(): void;
}

/** A place in line, or the slot already. It must be left, whatever came of it. */
export interface Place {
  /** Rejects with what made waiting pointless: StorageUnavailable, the signal's reason. */
  readonly granted: Promise<Slot>;
  /** Gives the slot back, or the place up. */
  leave(): void;
}

export interface AdmissionOptions {
  readonly records: Pick<Records, 'inFlight'>;
  /** The limits in force, read for every decision. */
  readonly limits: () => Limits;
  readonly clock: Clock;
}

/** A contender and whom to tell. */
interface Waiting extends Contender {
  refuse(error: unknown): void;
}

export function createAdmission(options: AdmissionOptions): Admission {
  const { clock, limits, records } = options;
  const rates = createRateLimiter(clock);
  const others = createOthers({ records, clock, local: () => slots.running() });
  const slots = createSlots(limits, others);
  const waiters = new Set<Waiting>();
  const meanRunMs = new Map<string, number>();
  let watching = false;

  /** While anybody waits: other processes end commands too, and nobody tells us. */
  const watch = async (): Promise<void> => {
    if (watching) return;
    watching = true;
    while (waiters.size > 0) {
      await clock.sleep(lookEveryMs, { unref: true });
      try {
        await others.look();
      } catch (error) {
        // A slot that nobody may count on is no slot: they are told what is wrong instead.
        for (const waiter of waiters) waiter.refuse(error);
      }
      slots.grant();
    }
    watching = false;
  };

  const learn = (cluster: string, ranMs: number): void => {
    const mean = meanRunMs.get(cluster);
    meanRunMs.set(cluster, mean === undefined ? ranMs : mean + weight * (ranMs - mean));
  };

  /**
   * When a place in the caller's line will be free, as recent runs on that cluster go: one of its own commands ends, or its
   * turn among the callers who wait for that cluster comes, whichever is later.
   */
  const retryAfter = (cluster: string): number => {
    const { perPrincipal, perCluster } = limits();
    const runMs = meanRunMs.get(cluster) ?? firstRunMs;
    const callers = slots.callersWaiting(cluster);
    const ms = Math.max(runMs / perPrincipal.running, (runMs * callers) / perCluster.running);
    return Math.min(maxRetryAfterSeconds, Math.max(1, Math.ceil(ms / 1000)));
  };

  const refuseIfFull = (owner: string, cluster: string): void => {
    const { queued } = limits().perPrincipal;
    const seconds = retryAfter(cluster);
    if (slots.waiting(owner) > queued) {
      throw new Problem(
        'rate-limited',
        `You have as many commands running or waiting as you may (${queued} waiting); try again in about ${seconds} s.`,
        { retryAfter: seconds },
      );
    }
    if (slots.waiting() > maxWaiting) {
      throw new Problem('gateway-busy', 'Too many commands are waiting.', { retryAfter: seconds });
    }
  };

  const slotOf = (contender: Contender): Slot => {
    const startedAt = clock.monotonic();
    let held = true;
    const release = (): void => {
      if (!held) return;
      held = false;
      learn(contender.cluster, clock.monotonic() - startedAt);
      slots.release(contender);
    };
    return { release, [Symbol.dispose]: release };
  };

  const join = async (principal: PrincipalId, cluster: string, signal?: AbortSignal): Promise<Place> => {
    const owner = principalKey(principal);
    await others.look();
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Slot>();
    promise.catch(() => undefined); // whoever awaits it hears; one that left need not
    let slot: Slot | undefined;
    const stopWaiting = (): void => {
      waiters.delete(waiter);
      signal?.removeEventListener('abort', onAbort);
    };
    const waiter: Waiting = {
      owner,
      cluster,
      granted: () => {
        stopWaiting();
        slot = slotOf(waiter);
        resolve(slot);
      },
      refuse: (error) => {
        if (!slots.leave(waiter)) return;
        stopWaiting();
        reject(error);
      },
    };
    const onAbort = (): void => waiter.refuse(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    waiters.add(waiter);
    slots.join(waiter);
    if (waiters.has(waiter)) {
      try {
        refuseIfFull(owner, cluster);
      } catch (problem) {
        waiter.refuse(problem);
        throw problem;
      }
      void watch();
    }
    return {
      granted: promise,
      leave: () => {
        if (slot) slot.release();
        else waiter.refuse(new Error('the place in line was given up'));
      },
    };
  };

  return {
    limitRate: (principal) => {
      const { submitsPerMinute } = limits().perPrincipal;
      const rate = rates.take(principalKey(principal), submitsPerMinute);
      if (rate.taken) return;
      throw new Problem(
        'rate-limited',
        `You have sent the ${submitsPerMinute} commands that you may send in a minute; the next in ${rate.waitSeconds} s.`,
        { retryAfter: rate.waitSeconds },
      );
    },

    enter: async (principal, cluster, signal) => (await join(principal, cluster, signal)).granted,
    join,
    waiting: () => slots.waiting(),
  };
}
