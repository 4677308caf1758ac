import { describe, expect, test } from '@jest/globals';

import { createManualClock } from './manual-clock.ts';

describe('the manual clock', () => {
  test('wakes sleepers in the order they are due, those that sleep again included', async () => {
    const clock = createManualClock(1_000);
    const woken: string[] = [];
    const nap = async (name: string, ...naps: number[]): Promise<void> => {
      for (const ms of naps) {
        await clock.sleep(ms);
        woken.push(`${name}@${clock.now()}`);
      }
    };
    const all = Promise.all([nap('slow', 30), nap('twice', 10, 10), nap('tie', 20)]);
    await clock.advance(25);
    expect(woken).toEqual(['twice@1010', 'tie@1020', 'twice@1020']);
    expect(clock.sleeping()).toBe(1);
    await clock.advance(5);
    await all;
    expect(woken.at(-1)).toBe('slow@1030');
    expect(clock.monotonic()).toBe(30);
  });

  test('rejects a sleeper with the reason of its signal, and forgets it', async () => {
    const clock = createManualClock();
    const stop = new AbortController();
    const sleep = clock.sleep(10, { signal: stop.signal });
    stop.abort(new Error('stopped'));
    await expect(sleep).rejects.toThrow('stopped');
    await expect(clock.sleep(10, { signal: stop.signal })).rejects.toThrow('stopped');
    expect(clock.sleeping()).toBe(0);
  });

  test('steps the wall clock without waking anybody', async () => {
    const clock = createManualClock(0);
    let woken = false;
    const sleep = clock.sleep(10).then(() => (woken = true));
    clock.step(-5_000);
    await clock.advance(9);
    expect([clock.now(), clock.monotonic(), woken]).toEqual([-4_991, 9, false]);
    await clock.advance(1);
    await sleep;
    expect(woken).toBe(true);
  });
});
