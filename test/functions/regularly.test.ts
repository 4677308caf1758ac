import { expect, test } from '@jest/globals';
import { regularly } from '../../functions/regularly.ts';
import { createManualClock } from '../support/manual-clock.ts';

/** A timer over a clock that stands, and what it did. */
function timer(work: () => Promise<unknown>, clock = createManualClock()) {
  const errors: unknown[] = [];
  const log = { error: (said: unknown) => errors.push(said) };
  const app = { log } as unknown as Parameters<typeof regularly>[1]['app'];
  return { clock, errors, ...regularly('the work', { app }, work, clock) };
}

test('work is done at once, and then every 15 s, a quarter more or less', async () => {
  const times: number[] = [];
  const clock = createManualClock();
  const { stop } = timer(async () => times.push(clock.monotonic()), clock);
  for (let second = 0; second < 600; second += 1) await clock.advance(1_000);
  const [first = NaN, ...others] = times;
  expect(first).toBe(0);
  const pauses = others.map((time, index) => time - (times[index] ?? NaN));
  expect(pauses.length).toBeGreaterThanOrEqual(32);
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(11_250);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(18_750);
  // Not in step.
  expect(new Set(pauses).size).toBeGreaterThan(1);
  await stop();
});

test('work that lasts is not begun a second time: the next 15 s count from its end', async () => {
  let begun = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const { clock, stop } = timer(() => {
    begun += 1;
    return begun === 1 ? promise : Promise.resolve();
  });
  await clock.advance(120_000);
  expect(begun).toBe(1);
  resolve();
  await clock.advance(11_249);
  expect(begun).toBe(1);
  await clock.advance(7_501);
  expect(begun).toBe(2);
  await stop();
});

test('work that fails is told and done again', async () => {
  let done = 0;
  const { clock, errors, stop } = timer(() => {
    done += 1;
    return done === 1 ? Promise.reject(new Error('the store is down')) : Promise.resolve();
  });
  await clock.advance(0);
  expect(errors).toEqual([{ err: expect.objectContaining({ message: 'the store is down' }) }]);
  await clock.advance(18_750);
  expect(done).toBe(2);
  expect(errors).toHaveLength(1);
  await stop();
});

test('a stop ends the pause at once, and waits for work that is under way', async () => {
  let done = 0;
  const idle = timer(async () => (done += 1));
  await idle.clock.advance(0);
  await idle.stop();
  await idle.clock.advance(60_000);
  expect([done, idle.clock.sleeping()]).toEqual([1, 0]);

  const { promise, resolve } = Promise.withResolvers<void>();
  const busy = timer(() => promise);
  await busy.clock.advance(0);
  let stopped = false;
  const stopping = busy.stop().then(() => (stopped = true));
  await busy.clock.advance(60_000);
  expect(stopped).toBe(false);
  resolve();
  await stopping;
});
