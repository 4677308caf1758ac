import { setImmediate as turn } from 'node:timers/promises';

import type { Clock } from '../../shared/clock.ts';

/** A clock that stands until the test moves it. */
export interface ManualClock extends Clock {
  /** Moves both times forward, waking sleepers in the order they are due; what they cause has settled when this resolves. */
  advance(ms: number): Promise<void>;
  /** Steps the wall clock alone, as an operator or NTP would; wakes nobody. */
  step(ms: number): void;
  /** How many sleep now: zero at the end of a test that leaks nothing. */
  sleeping(): number;
}

interface Sleeper {
  readonly due: number;
  readonly wake: () => void;
}

/** A turn of the event loop runs every promise job; several let short chains over setImmediate and local files follow. */
const turnsToSettle = 8;

const settle = async (): Promise<void> => {
  for (let count = 0; count < turnsToSettle; count += 1) await turn();
};

/** @param start epoch milliseconds; 2026-01-01T00:00:00Z unless told. */
export function createManualClock(start: number = Date.UTC(2026, 0, 1)): ManualClock {
  let wall = start;
  let elapsed = 0;
  const sleepers: Sleeper[] = [];

  const passUntil = (moment: number): void => {
    wall += moment - elapsed;
    elapsed = moment;
  };

  const nextDue = (until: number): Sleeper | undefined => {
    let next: Sleeper | undefined;
    for (const sleeper of sleepers) {
      if (sleeper.due <= until && (next === undefined || sleeper.due < next.due)) next = sleeper;
    }
    return next;
  };

  return {
    now: () => wall,
    monotonic: () => elapsed,
    sleep: (ms, options = {}) =>
      new Promise<void>((resolve, reject) => {
        const { signal } = options;
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const leave = (): void => {
          sleepers.splice(sleepers.indexOf(sleeper), 1);
          signal?.removeEventListener('abort', onAbort);
        };
        const onAbort = (): void => {
          leave();
          reject(signal?.reason);
        };
        const sleeper: Sleeper = {
          due: elapsed + Math.max(0, ms),
          wake: () => {
            leave();
            resolve();
          },
        };
        sleepers.push(sleeper);
        signal?.addEventListener('abort', onAbort, { once: true });
      }),
    advance: async (ms) => {
      const until = elapsed + ms;
      await settle();
      for (let sleeper = nextDue(until); sleeper !== undefined; sleeper = nextDue(until)) {
        passUntil(Math.max(elapsed, sleeper.due));
        sleeper.wake();
        await settle();
      }
      passUntil(until);
      await settle();
    },
    step: (ms) => {
      wall += ms;
    },
    sleeping: () => sleepers.length,
  };
}
