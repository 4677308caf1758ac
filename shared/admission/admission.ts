import type { Clock } from '../clock.ts';
import type { Limits } from '../config/config.ts';
import { Problem } from '../errors.ts';
import { onAbort } from '../lib/abort.ts';
import { principalKey } from '../identity/principal.ts';
import type { PrincipalId } from '../lib/ids.ts';
import type { Records } from '../store/records.ts';
import { createOtherProcesses, LOOK_EVERY_MS } from './other-processes.ts';
import { createRateLimiter } from './rate.ts';
import { createSlots } from './slots.ts';
import type { QueuedCommand } from './slots.ts';

/** QueuedCommands of all callers together. Each is a request that is held, or a job. */
const MAX_WAITING = 5_000;
/** What a run is taken to last before any has ended: a run command's usual start alone takes seconds. */
const FIRST_RUN_MS = 10_000;
/** How much the newest run counts in the mean. */
const NEWEST_RUN_WEIGHT = 0.2;
const MAX_RETRY_AFTER_SECONDS = 300;

/**
 * How much of it: rates, commands in flight, and the line before them. Exact within one process. Between processes the rate
 * is not shared at all, and the caps on what is in flight hold but for what the others started in the last second (others.ts).
 */
export interface Admission {
  /** Counts commands that are sent. Throws Problem `rate-limited` with the seconds until there may be so many. */
  limitRate(principal: PrincipalId, commands?: number): void;
  /**
   * Queues for a slot: one command in flight on one cluster. Resolves when the command is in the queue, so that a caller who gets
   * no place hears so before anything is recorded. Rejects with Problem `rate-limited` when the caller has as many queued as it
   * may, `gateway-busy` when all callers together have, StorageUnavailable when the records cannot be read, and the signal's
   * reason when it aborts.
   */
  requestSlot(principal: PrincipalId, cluster: string, signal?: AbortSignal): Promise<SlotRequest>;
  /** How many commands are queued now, of all callers. */
  queued(): number;
}

/** A place in the queue, then a slot. Must be released in every case. */
export interface SlotRequest {
  /** Resolves when the slot is granted; rejects when waiting has become pointless: StorageUnavailable, the signal's reason. */
  readonly granted: Promise<void>;
  /** Gives the slot back, or leaves the queue. Releasing twice is releasing once. */
  readonly release: () => void;
}

interface AdmissionOptions {
  readonly records: Pick<Records, 'inFlight'>;
  /** The limits in force, read for every decision. */
  readonly limits: () => Limits;
  readonly clock: Clock;
}

/** A queued command that can be taken out of the queue with an error. */
interface WaitingCommand extends QueuedCommand {
  refuse(error: unknown): void;
}

export function createAdmission(options: AdmissionOptions): Admission {
  const { clock, limits, records } = options;
  const rates = createRateLimiter(clock);
  const otherProcesses = createOtherProcesses({ records, clock, local: () => slots.running() });
  const slots = createSlots(limits, otherProcesses);
  const waiters = new Set<WaitingCommand>();
  const meanRunMs = new Map<string, number>();
  let watching = false;

  /** While anybody waits: other processes end commands too, and nobody tells us. */
  const watch = async (): Promise<void> => {
    if (watching) return;
    watching = true;
    while (waiters.size > 0) {
      await clock.sleep(LOOK_EVERY_MS, { unref: true });
      try {
        await otherProcesses.look();
      } catch (error) {
        // Nothing is granted on a count that may be wrong: those who wait get the error.
        for (const waiter of waiters) waiter.refuse(error);
      }
      slots.grant();
    }
    watching = false;
  };

  const learn = (cluster: string, ranMs: number): void => {
    const mean = meanRunMs.get(cluster);
    meanRunMs.set(cluster, mean === undefined ? ranMs : mean + NEWEST_RUN_WEIGHT * (ranMs - mean));
  };

  /**
   * When a place in the caller's line will be free, as recent runs on that cluster go: one of its own commands ends, or its
   * turn among the callers who wait for that cluster comes, whichever is later.
   */
  const retryAfter = (cluster: string): number => {
    const { perPrincipal, perCluster } = limits();
    const runMs = meanRunMs.get(cluster) ?? FIRST_RUN_MS;
    const callers = slots.callersWaiting(cluster);
    const ms = Math.max(runMs / perPrincipal.running, (runMs * callers) / perCluster.running);
    return Math.min(MAX_RETRY_AFTER_SECONDS, Math.max(1, Math.ceil(ms / 1000)));
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
    if (slots.waiting() > MAX_WAITING) {
      throw new Problem('gateway-busy', 'Too many commands are waiting.', { retryAfter: seconds });
    }
  };

  const requestSlot = async (principal: PrincipalId, cluster: string, signal?: AbortSignal): Promise<SlotRequest> => {
    const owner = principalKey(principal);
    await otherProcesses.look();
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => undefined); // a caller that still awaits it gets the error
    let grantedAt: number | undefined;
    let stopListening = (): void => undefined;
    const stopWaiting = (): void => {
      waiters.delete(waiter);
      stopListening();
    };
    const waiter: WaitingCommand = {
      owner,
      cluster,
      granted: () => {
        stopWaiting();
        grantedAt = clock.monotonic();
        resolve();
      },
      refuse: (error) => {
        if (!slots.leave(waiter)) return;
        stopWaiting();
        reject(error);
      },
    };
    waiters.add(waiter);
    slots.join(waiter);
    if (waiters.has(waiter)) {
      try {
        refuseIfFull(owner, cluster);
      } catch (problem) {
        waiter.refuse(problem);
        throw problem;
      }
      stopListening = onAbort(signal, waiter.refuse);
      void watch();
    }
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      if (grantedAt === undefined) return waiter.refuse(new Error('the slot is no longer wanted'));
      learn(cluster, clock.monotonic() - grantedAt);
      slots.release(waiter);
    };
    return { granted: promise, release };
  };

  return {
    limitRate: (principal, commands = 1) => {
      const { submitsPerMinute } = limits().perPrincipal;
      const rate = rates.take(principalKey(principal), submitsPerMinute, commands);
      if (rate.taken) return;
      throw new Problem(
        'rate-limited',
        commands === 1
          ? `You have sent the ${submitsPerMinute} commands that you may send in a minute; the next in ${rate.waitSeconds} s.`
          : `You may send ${submitsPerMinute} commands in a minute; the ${commands} of this batch in ${rate.waitSeconds} s.`,
        { retryAfter: rate.waitSeconds },
      );
    },

    requestSlot,
    queued: () => slots.waiting(),
  };
}
