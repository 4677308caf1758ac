import type { Clock } from '../../../shared/clock.ts';

/**
 * Virtual time for several processes on several machines. Each has clocks of its own, can be stopped and go on, or be killed. Nothing here takes
 * real time: a run of an hour is some hundred timers.
 */
export interface World {
  /** True time, ms. */
  now(): number;
  machine(skewMs: number): Machine;
  /** Fires timers until there is none before `until`, or `done` says so. */
  run(until: number, done: () => boolean): Promise<void>;
}

export interface Machine {
  readonly clock: Clock;
  /** Something that reaches over the process's edge: takes `ms`; its answer comes when the process runs again. */
  reach<T>(ms: number, effect: () => T): Promise<T>;
  /** Stops the process for so long: no timer and no answer reaches it, and nothing leaves it. */
  stop(ms: number): void;
  kill(): void;
  /** Resolves when the process runs; never once it is dead. */
  running(): Promise<void>;
  /** True time from which it runs again. */
  stoppedUntil(): number;
}

/** Chains of promises between two timers are shorter; one that is longer goes on beside the next timer, as on a slow machine. */
const MICROTASKS = 40;

const done = Promise.resolve();

async function settle(): Promise<void> {
  for (let count = 0; count < MICROTASKS; count += 1) await done;
}

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

export function createWorld(): World {
  let now = 0;
  let order = 0;
  const timers = new Set<Timer>();
  const at = (time: number, fire: () => void): Timer => {
    const timer = { at: Math.max(time, now), order: (order += 1), fire };
    timers.add(timer);
    return timer;
  };
  const next = (): Timer | undefined => {
    let first: Timer | undefined;
    for (const timer of timers)
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) first = timer;
    return first;
  };

  const machine = (skewMs: number): Machine => {
    const began = now;
    const state = { stoppedUntil: 0, dead: false };
    const never = new Promise<never>(() => undefined);
    const atTime = (time: number): Promise<void> => new Promise((resolve) => void at(time, resolve));
    const running = async (): Promise<void> => {
      while (!state.dead && now < state.stoppedUntil) await atTime(state.stoppedUntil);
      if (state.dead) return never;
    };
    const after = (ms: number): Promise<void> => atTime(now + ms);
    const clock: Clock = {
      now: () => Math.round(now + skewMs + 1_700_000_000_000),
      monotonic: () => now - began + 5_000,
      sleep: (ms, { signal } = {}) =>
        new Promise((resolve, reject) => {
          if (signal?.aborted) return reject(signal.reason);
          const wake = (): void => {
            signal?.removeEventListener('abort', abort);
            void running().then(resolve);
          };
          const timer = at(now + ms, () => wake());
          const abort = (): void => {
            timers.delete(timer);
            reject(signal?.reason);
          };
          signal?.addEventListener('abort', abort, { once: true });
        }),
    };
    return {
      clock,
      running,
      reach: async (ms, effect) => {
        await running();
        await after(ms / 2);
        if (state.dead) return never; // its packets may arrive or not: here they do not, and `kill` after the effect is the other case
        const result = { value: undefined as unknown, error: undefined as unknown, failed: false };
        try {
          result.value = effect();
        } catch (error) {
          Object.assign(result, { error, failed: true });
        }
        await after(ms / 2);
        await running();
        if (result.failed) throw result.error;
        return result.value as never;
      },
      stop: (ms) => {
        state.stoppedUntil = Math.max(state.stoppedUntil, now + ms);
      },
      stoppedUntil: () => (state.dead ? 0 : state.stoppedUntil),
      kill: () => {
        state.dead = true;
      },
    };
  };

  return {
    now: () => now,
    machine,
    run: async (until, done) => {
      for (;;) {
        await settle();
        const timer = next();
        if (done() || !timer || timer.at > until) return;
        timers.delete(timer);
        now = timer.at;
        timer.fire();
      }
    },
  };
}
