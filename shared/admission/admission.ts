import type { Clock } from '../clock.ts';
import type { Limits } from '../config/config.ts';
import { Problem } from '../errors.ts';
import { onAbort } from '../lib/abort.ts';
import { principalKey } from '../identity/principal.ts';
import type { PrincipalId } from '../lib/ids.ts';
import type { Records } from '../store/records.ts';
import { createOtherProcesses, LOOK_EVERY_MS, type OtherProcesses } from './other-processes.ts';
import { createRateLimiter, type RateLimiter } from './rate.ts';
import { createSlots, type QueuedCommand, type Slots } from './slots.ts';

/** Queued commands of all callers together. Each is a request that is held, or a job. */
const MAX_WAITING = 5_000;
/** What a run is taken to last before any has ended: a run command's usual start alone takes seconds. */
const FIRST_RUN_MS = 10_000;
/** How much the newest run counts in the mean. */
const NEWEST_RUN_WEIGHT = 0.2;
const MAX_RETRY_AFTER_SECONDS = 300;

/**
 * How much of it: rates, commands in flight, and the queue before them. Exact within one process. Between processes the rate
 * is not shared at all, and the caps on what is in flight hold except for what the others started in the last second (other-processes.ts).
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

/** What the steps below share. */
interface Context {
  readonly clock: Clock;
  readonly limits: () => Limits;
  readonly rates: RateLimiter;
  readonly otherProcesses: OtherProcesses;
  readonly slots: Slots;
  readonly waiters: Set<WaitingCommand>;
  /** How long runs on each cluster last. */
  readonly meanRunMs: Map<string, number>;
  watching: boolean;
}

export function createAdmission({ clock, limits, records }: AdmissionOptions): Admission {
  const otherProcesses = createOtherProcesses({ records, clock, local: () => slots.running() });
  const slots = createSlots(limits, otherProcesses);
  const context: Context = {
    clock,
    limits,
    rates: createRateLimiter(clock),
    otherProcesses,
    slots,
    waiters: new Set(),
    meanRunMs: new Map(),
    watching: false,
  };
  return {
    limitRate: (principal, commands = 1) => limitRate(context, principal, commands),
    requestSlot: (principal, cluster, signal) => requestSlot(context, principal, cluster, signal),
    queued: () => slots.waiting(),
  };
}

function limitRate({ limits, rates }: Context, principal: PrincipalId, commands: number): void {
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
}

async function requestSlot(
  context: Context,
  principal: PrincipalId,
  cluster: string,
  signal: AbortSignal | undefined,
): Promise<SlotRequest> {
  await context.otherProcesses.look();
  signal?.throwIfAborted();
  const command = joinQueue(context, principalKey(principal), cluster);
  if (command.isWaiting()) {
    try {
      refuseIfFull(context, command);
    } catch (problem) {
      command.refuse(problem);
      throw problem;
    }
    command.leaveOn(signal);
    void watch(context);
  }
  return { granted: command.slot, release: command.release };
}

/** A command that is queued or has its slot. */
interface JoinedCommand extends WaitingCommand {
  readonly slot: Promise<void>;
  isWaiting(): boolean;
  leaveOn(signal: AbortSignal | undefined): void;
  /** Once; later calls do nothing. */
  release(): void;
}

function joinQueue(context: Context, owner: string, cluster: string): JoinedCommand {
  const { clock, slots, waiters } = context;
  const { promise: slot, resolve, reject } = Promise.withResolvers<void>();
  slot.catch(() => undefined); // a caller that still awaits it gets the error
  let grantedAt: number | undefined;
  let released = false;
  let stopListening = (): void => undefined;
  const stopWaiting = (): void => {
    waiters.delete(command);
    stopListening();
  };
  const command: JoinedCommand = {
    owner,
    cluster,
    slot,
    isWaiting: () => waiters.has(command),
    leaveOn: (signal) => {
      stopListening = onAbort(signal, command.refuse);
    },
    granted: () => {
      stopWaiting();
      grantedAt = clock.monotonic();
      resolve();
    },
    refuse: (error) => {
      if (!slots.leave(command)) return;
      stopWaiting();
      reject(error);
    },
    release: () => {
      if (released) return;
      released = true;
      if (grantedAt === undefined) return command.refuse(new Error('the slot is no longer wanted'));
      learnRun(context, cluster, clock.monotonic() - grantedAt);
      slots.release(command);
    },
  };
  waiters.add(command);
  slots.join(command);
  return command;
}

function refuseIfFull(context: Context, { owner, cluster }: QueuedCommand): void {
  const { limits, slots } = context;
  const { queued } = limits().perPrincipal;
  const seconds = retryAfter(context, cluster);
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
}

/**
 * When a place in the caller's queue will be free, as recent runs on that cluster go: one of its own commands ends, or its
 * turn among the callers who wait for that cluster comes, whichever is later. Seconds.
 */
function retryAfter({ limits, slots, meanRunMs }: Context, cluster: string): number {
  const { perPrincipal, perCluster } = limits();
  const runMs = meanRunMs.get(cluster) ?? FIRST_RUN_MS;
  const callers = slots.callersWaiting(cluster);
  const ms = Math.max(runMs / perPrincipal.running, (runMs * callers) / perCluster.running);
  return Math.min(MAX_RETRY_AFTER_SECONDS, Math.max(1, Math.ceil(ms / 1000)));
}

function learnRun({ meanRunMs }: Context, cluster: string, ranMs: number): void {
  const mean = meanRunMs.get(cluster);
  meanRunMs.set(cluster, mean === undefined ? ranMs : mean + NEWEST_RUN_WEIGHT * (ranMs - mean));
}

/** While any command waits: other processes end commands too, and do not say so. */
async function watch(context: Context): Promise<void> {
  const { clock, otherProcesses, slots, waiters } = context;
  if (context.watching) return;
  context.watching = true;
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
  context.watching = false;
}
