import { after, type Clock } from '../../clock.ts';
import { Problem } from '../../errors.ts';
import { createFairQueue } from '../../lib/fair-queue.ts';
import { createMembership } from './membership.ts';
import { BURST, createBucket } from './bucket.ts';
import { planIntervals, restInterval } from './plan.ts';
import { untilAborted } from '../../lib/abort.ts';
import type { Leases } from './seats.ts';

/** What a poll came to. `lost` is an answer that was not read: the next one waits longer. */
export type Polled = 'ended' | 'running' | 'lost';

interface Watch {
  readonly owner: string;
  readonly cluster: string;
  /** ms since the command started, as far as is known. */
  elapsed(): number;
  /** Never rejects. */
  poll(signal: AbortSignal): Promise<Polled>;
}

/**
 * The budget of one subscription: every request to Azure goes through it. Deterministic over the clock; nothing here sleeps while
 * there is nothing to do.
 */
export interface Meter {
  /** Resolves when one request may go out. Throws Problem `azure-throttled` when that would take too long. */
  pass(owner: string, signal?: AbortSignal): Promise<void>;
  /** Polls until the run has ended or `stop` is called. */
  watch(watch: Watch): { readonly stop: () => void };
  /** What an answer told of the budget. */
  learn(answer: {
    readonly status?: number | undefined;
    readonly retryAfter?: number | undefined;
    readonly remaining?: number | undefined;
  }): void;
  /** Stops everything and hands the share back. */
  close(): Promise<void>;
}

interface MeterOptions {
  readonly clock: Clock;
  readonly subscription: string;
  readonly holder: string;
  readonly leases?: Leases | undefined;
  readonly log: (message: string) => void;
}

/**
 * Tokens that polls leave for submits, shared like the rest: the more is running, the more is likely to be sent. Somebody who waits
 * for a single command has nearly all of them.
 */
const RESERVE = { most: 10, perRun: 2 } as const;
/** A poll that is this late (ms) may have the reserve as well: nobody starves. */
const LATE_MS = 4_000;
/** A caller is sent away with Retry-After rather than kept longer than this. */
const MOST_WAIT_MS = 20_000;
/** Without work for this long (ms) the part in the budget is given up. */
const IDLE_MS = 10_000;

interface Waiter {
  readonly go: () => void;
}

interface Task {
  readonly watch: Watch;
  last: number;
  failures: number;
  polling: boolean;
  readonly abort: AbortController;
}

export function createMeter({ clock, subscription, holder, leases, log }: MeterOptions): Meter {
  const bucket = createBucket(clock.monotonic(), leases ? BURST.shared : BURST.lone);
  const tasks = new Set<Task>();
  const queue = createFairQueue<Waiter>();
  let busyAt = clock.monotonic();
  let lastWasPass = false;
  let timer: { readonly at: number; readonly cancel: () => void } | undefined;
  const closing = new AbortController();

  const membership = createMembership({
    clock,
    bucket,
    leases,
    subscription,
    holder,
    log,
    hasWork: () => tasks.size > 0 || queue.size() > 0 || clock.monotonic() - busyAt < IDLE_MS,
    changed: () => pump(),
  });

  const pump = (): void => {
    if (closing.signal.aborted) return;
    if (!membership.joined()) {
      if (tasks.size > 0 || queue.size() > 0) membership.join();
      return;
    }
    const reserve = Math.min(RESERVE.most, RESERVE.perRun * tasks.size) / membership.instances();
    let next = Number.POSITIVE_INFINITY;
    for (;;) {
      const now = clock.monotonic();
      const due = nextPoll(now, reserve);
      const level = bucket.level(now);
      // When both want the same token they take turns; otherwise submits come first, and polls only touch what they leave.
      const passFirst = queue.size() > 0 && !(lastWasPass && due !== undefined && due.late >= LATE_MS);
      if (level >= 1 && passFirst) {
        grant(now);
        continue;
      }
      if (due !== undefined && due.late >= 0 && level >= due.needs) {
        start(due.task, now);
        continue;
      }
      if (queue.size() > 0) next = bucket.when(1, now);
      if (due !== undefined) next = Math.min(next, wakeFor(due, now));
      break;
    }
    wake(next);
  };

  /** The poll that is most overdue by its own measure. */
  const nextPoll = (now: number, reserve: number) => {
    // Those being polled right now have their part as well.
    const all = [...tasks];
    if (all.every(({ polling }) => polling)) return undefined;
    const intervals = planIntervals(
      all.map(({ watch, failures }) => ({
        owner: watch.owner,
        cluster: watch.cluster,
        rest: restInterval(watch.elapsed(), failures),
      })),
      { tokens: bucket.level(now), rate: bucket.rate(now), reserve },
    );
    let best: { readonly task: Task; readonly late: number; readonly needs: number } | undefined;
    let bestRank = Number.NEGATIVE_INFINITY;
    for (const [index, task] of all.entries()) {
      if (task.polling) continue;
      const interval = intervals[index] ?? 0;
      const late = now - task.last - interval;
      const rank = late >= 0 ? 1 + late / interval : late / 1e9;
      if (rank > bestRank) {
        bestRank = rank;
        best = { task, late, needs: 1 + reserve * Math.max(0, 1 - Math.max(0, late) / LATE_MS) };
      }
    }
    return best;
  };

  /** When to look again for a poll that is not due, or not affordable yet (it gets cheaper by being late). */
  const wakeFor = ({ late, needs }: { readonly late: number; readonly needs: number }, now: number): number => {
    if (late < 0) return now - late;
    return Math.min(bucket.when(needs, now), Math.max(bucket.when(1, now), now + 500));
  };

  const grant = (now: number): void => {
    bucket.take(now);
    lastWasPass = true;
    queue.next()?.go();
  };

  const start = (task: Task, now: number): void => {
    bucket.take(now);
    lastWasPass = false;
    task.last = now;
    task.polling = true;
    const lost = (error: unknown): Polled => {
      log(`A poll failed in the gateway itself: ${error instanceof Error ? error.message : 'unknown error'}`);
      return 'lost';
    };
    void task.watch
      .poll(task.abort.signal)
      .catch(lost)
      .then((polled) => {
        task.polling = false;
        task.failures = polled === 'lost' ? task.failures + 1 : 0;
        if (polled === 'ended') end(task);
        pump();
        return undefined;
      });
  };

  const end = (task: Task): void => {
    task.abort.abort(WATCH_OVER);
    tasks.delete(task);
    busyAt = clock.monotonic();
  };

  const wake = (at: number): void => {
    if (timer && timer.at <= at && timer.at > clock.monotonic()) return;
    timer?.cancel();
    timer = undefined;
    if (at === Number.POSITIVE_INFINITY) return;
    const cancel = after(clock, Math.max(1, at - clock.monotonic()), () => {
      timer = undefined;
      pump();
    });
    timer = { at, cancel };
  };

  return {
    pass: async (owner, signal) => {
      signal?.throwIfAborted();
      closing.signal.throwIfAborted();
      const now = clock.monotonic();
      busyAt = now;
      const wait = membership.joined() ? bucket.when(1, now) - now + (queue.ahead(owner) / bucket.rate(now)) * 1000 : 0;
      if (wait > MOST_WAIT_MS) throw throttled(wait);
      const { promise, resolve } = Promise.withResolvers<void>();
      const waiter: Waiter = { go: resolve };
      queue.add(owner, waiter);
      pump();
      const tooLong = Promise.withResolvers<'too-long'>();
      const cancel = after(clock, 2 * MOST_WAIT_MS, () => tooLong.resolve('too-long'), { unref: true });
      const either = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
      try {
        if ((await untilAborted(Promise.race([promise, tooLong.promise]), either)) === 'too-long')
          throw throttled(MOST_WAIT_MS);
      } finally {
        cancel();
        queue.remove(owner, waiter);
      }
    },
    watch: (watch) => {
      const now = clock.monotonic();
      const task: Task = {
        watch,
        // A run that was found again is looked at soon, however long it has been running.
        last: now - (restInterval(watch.elapsed()) - restInterval(0)),
        failures: 0,
        polling: false,
        abort: new AbortController(),
      };
      tasks.add(task);
      busyAt = now;
      pump();
      return { stop: () => end(task) };
    },
    learn: ({ status, retryAfter, remaining }) => {
      const now = clock.monotonic();
      if (status === 429) bucket.throttled(retryAfter, now);
      if (remaining !== undefined) bucket.atMost(remaining, now);
    },
    close: async () => {
      closing.abort(new Problem('gateway-busy', 'The gateway is stopping. Nothing ran.', { retryAfter: 5 }));
      timer?.cancel();
      for (const task of tasks) end(task);
      await membership.close();
    },
  };
}

/** Made once: an abort without a reason makes an error with a stack for each. */
const WATCH_OVER = new Error('nobody watches this run any more');

const throttled = (ms: number): Problem =>
  new Problem('azure-throttled', "The subscription's budget of requests to Azure is used up. Nothing ran.", {
    retryAfter: Math.min(300, Math.max(1, Math.ceil(ms / 1000))),
  });
