import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { documentedLimits } from '../../shared/relay/budget/bucket.ts';
import { createMeter } from '../../shared/relay/budget/meter.ts';
import { createManualClock } from '../support/manual-clock.ts';

/**
 * How soon the end of a command is seen, simulated on a clock that jumps: what test/bench/relay.ts measures in ten minutes, over
 * many more lengths and phases. The other poller asks at once and then every two seconds, as the SDK's does.
 */
const ANSWER_MS = 10;
const SDK_MS = 2_000;
/** Between rounds, as for somebody who sends commands now and then. */
const REST_MS = 60_000;

interface Simulated {
  /** Mean of the relay's lags by that of the other poller's, over the same commands. */
  readonly ratio: number;
  /** The fewest tokens that Azure's documented bucket held: below zero there would have been a 429. */
  readonly fewestTokens: number;
}

async function simulate(rounds: readonly (readonly number[])[]): Promise<Simulated> {
  const clock = createManualClock();
  const log = (message: string): void => expect(message).toBe('never logged');
  const meter = createMeter({ clock, subscription: 's', holder: 'one', log });
  const lags: number[] = [];
  const others: number[] = [];
  let tokens: number = documentedLimits.burst;
  let fewestTokens: number = documentedLimits.burst;
  let at = 0;
  const request = async (): Promise<void> => {
    const now = clock.monotonic();
    tokens = Math.min(documentedLimits.burst, tokens + ((now - at) / 1_000) * documentedLimits.perSecond) - 1;
    at = now;
    fewestTokens = Math.min(fewestTokens, tokens);
    await clock.sleep(ANSWER_MS / 2);
  };
  const run = async (ms: number): Promise<void> => {
    const turn = await meter.pass('somebody');
    await request();
    turn.release('started');
    const started = clock.monotonic();
    const end = started + ms;
    await clock.sleep(ANSWER_MS / 2);
    const { promise, resolve } = Promise.withResolvers<void>();
    meter.watch({
      owner: 'somebody',
      cluster: 'demo',
      elapsed: () => clock.monotonic() - started,
      poll: async () => {
        await request();
        const ended = clock.monotonic() >= end;
        await clock.sleep(ANSWER_MS / 2);
        if (!ended) return 'running';
        lags.push(clock.monotonic() - end);
        resolve();
        return 'ended';
      },
    });
    await promise;
    others.push(Math.ceil(ms / SDK_MS) * SDK_MS + ANSWER_MS - ms);
  };
  const all = (async () => {
    for (const [index, round] of rounds.entries()) {
      if (index > 0) await clock.sleep(REST_MS);
      for (const ms of round) await run(ms);
    }
  })();
  const count = rounds.flat().length;
  while (others.length < count) await clock.advance(1_000);
  await all;
  await meter.close();
  const sum = (all: readonly number[]): number => all.reduce((total, one) => total + one, 0);
  return { ratio: sum(lags) / sum(others), fewestTokens };
}

/** The lengths, each round at another phase of the poller's interval. */
const LENGTHS = [100, 1_000, 2_500, 4_000, 6_000, 30_000];
/** One in each part of the poller's interval, so that its mean is the mean over all phases and not a matter of luck. */
const PHASES = 40;
const phases = fc
  .array(fc.integer({ min: 0, max: SDK_MS / PHASES - 1 }), { minLength: PHASES, maxLength: PHASES })
  .map((within) => within.map((ms, part) => (part * SDK_MS) / PHASES + ms));
/** From a tenth of a second to a minute, short ones as likely as long ones. */
const anyLength = fc.double({ min: 0, max: 1, noNaN: true }).map((share) => Math.round(100 * 600 ** share));
/** Without fast-check's bias to extremes: a minute is a whole number of the other poller's beats, where it has no lag at all. */
const many = (size: number) => ({ minLength: size, maxLength: size });

describe('the lag of the relay, beside a poller at two seconds', () => {
  test('property: one command at a time, its mean is about a quarter', async () => {
    await fc.assert(
      fc.asyncProperty(fc.noBias(phases), async (shifts) => {
        const { ratio, fewestTokens } = await simulate(shifts.map((shift) => LENGTHS.map((ms) => ms + shift)));
        expect(fewestTokens).toBeGreaterThanOrEqual(0);
        expect(ratio).toBeLessThan(0.25);
      }),
      { numRuns: 3 },
    );
  }, 120_000);

  test('property: so it is for a command of any length now and then', async () => {
    await fc.assert(
      fc.asyncProperty(fc.noBias(fc.array(anyLength, many(150))), async (lengths) => {
        const { ratio, fewestTokens } = await simulate(lengths.map((ms) => [ms]));
        expect(fewestTokens).toBeGreaterThanOrEqual(0);
        expect(ratio).toBeLessThan(0.25);
      }),
      { numRuns: 3 },
    );
  }, 120_000);

  test('property: commands without a rest between them use the burst up, and stay ahead without a 429', async () => {
    await fc.assert(
      fc.asyncProperty(fc.noBias(fc.array(anyLength, many(60))), async (lengths) => {
        const { ratio, fewestTokens } = await simulate([lengths]);
        expect(fewestTokens).toBeGreaterThanOrEqual(0);
        expect(ratio).toBeLessThan(1);
      }),
      { numRuns: 3 },
    );
  }, 120_000);
});

/** Commands sent at one moment: ms until each is answered, in order. */
async function together(
  count: number,
  ms: number,
): Promise<{ answered: readonly number[]; requests: number; fewest: number }> {
  const clock = createManualClock();
  const log = (message: string): void => expect(message).toBe('never logged');
  const meter = createMeter({ clock, subscription: 's', holder: 'one', log });
  const answered: number[] = [];
  const spent = {
    requests: 0,
    tokens: documentedLimits.burst as number,
    fewest: documentedLimits.burst as number,
    at: 0,
  };
  const request = async (): Promise<void> => {
    const now = clock.monotonic();
    spent.tokens =
      Math.min(documentedLimits.burst, spent.tokens + ((now - spent.at) / 1_000) * documentedLimits.perSecond) - 1;
    spent.at = now;
    spent.fewest = Math.min(spent.fewest, spent.tokens);
    spent.requests += 1;
    await clock.sleep(ANSWER_MS / 2);
  };
  const run = async (): Promise<void> => {
    const turn = await meter.pass('somebody');
    await request();
    turn.release('started');
    const started = clock.monotonic();
    await clock.sleep(ANSWER_MS / 2);
    meter.watch({
      owner: 'somebody',
      cluster: 'demo',
      elapsed: () => clock.monotonic() - started,
      poll: async () => {
        await request();
        const ended = clock.monotonic() >= started + ms;
        await clock.sleep(ANSWER_MS / 2);
        if (!ended) return 'running';
        answered.push(clock.monotonic());
        return 'ended';
      },
    });
  };
  const all = Promise.all(Array.from({ length: count }, run));
  while (answered.length < count) await clock.advance(1_000);
  await all;
  await meter.close();
  return { answered, requests: spent.requests, fewest: spent.fewest };
}

describe('many commands at once', () => {
  /** Half of them answered, in ms; the last when the bucket allows, and a tenth. */
  test.each([
    [20, 1_000, 2_000],
    [30, 1_000, 3_000],
    [60, 1_000, 6_000],
    [20, 1_300, 2_000],
    [20, 5_000, 7_000],
    [30, 5_000, 8_000],
  ])('%d that take %d ms: half are answered within %d ms', async (count, ms, half) => {
    const { answered, requests, fewest } = await together(count, ms);
    expect(fewest).toBeGreaterThanOrEqual(0);
    expect(answered[Math.ceil(count / 2) - 1]).toBeLessThanOrEqual(half);
    const bucket = Math.max(0, requests - documentedLimits.burst) * 1_000;
    expect(answered.at(-1)).toBeLessThanOrEqual(1.1 * (bucket + 2 * ms + 3_000));
  });
});
