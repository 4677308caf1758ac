import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';

import type { Clock } from '../../shared/clock.ts';
import { BURST, createBucket, documentedLimits } from '../../shared/relay/budget/bucket.ts';
import { createMeter, type Meter } from '../../shared/relay/budget/meter.ts';
import { dueIn, LEAST_INTERVAL, nextOverdue, restInterval, type Watched } from '../../shared/relay/budget/plan.ts';
import type { Leases } from '../../shared/relay/budget/shares.ts';
import { createUsual } from '../../shared/relay/budget/usual.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';

/** Azure's side: the documented bucket, exactly. */
function azure(clock: Clock) {
  let tokens: number = documentedLimits.burst;
  let at = clock.monotonic();
  let throttles = 0;
  let requests = 0;
  return {
    /** The status that a request now gets. */
    request: (): 200 | 429 => {
      const now = clock.monotonic();
      tokens = Math.min(documentedLimits.burst, tokens + ((now - at) / 1000) * documentedLimits.perSecond);
      at = now;
      requests += 1;
      if (tokens < 1) {
        throttles += 1;
        return 429;
      }
      tokens -= 1;
      return 200;
    },
    /** Somebody else's calls. */
    drain: (): void => {
      tokens = 0;
    },
    throttles: () => throttles,
    /** Tokens there now. */
    level: () =>
      Math.min(documentedLimits.burst, tokens + ((clock.monotonic() - at) / 1000) * documentedLimits.perSecond),
    requests: () => requests,
  };
}

/** Leases as the store keeps them, in memory. */
function leaseStore(): Leases {
  const held = new Map<string, { holder: string; until: number }>();
  return {
    lease: async (name, holder, until, now) => {
      const other = held.get(name);
      if (other && other.holder !== holder && other.until > now) return false;
      held.set(name, { holder, until });
      return true;
    },
    releaseLease: async (name, holder) => {
      if (held.get(name)?.holder === holder) held.delete(name);
    },
  };
}

const start = (clock: Clock, leases?: Leases, holder = 'one'): Meter =>
  createMeter({ clock, subscription: 's', holder, leases, log: (message) => expect(message).toBe('never logged') });

/** What counts as young ends here at the latest: 1.3 times the longest usual length (plan.ts, usual.ts). */
const MOST_YOUNG_MS = 10_400;

interface Runner {
  readonly begun: number;
  readonly polls: number[];
  endedAt: number | undefined;
}

/** A run that ends by the clock, polled by the meter against that Azure. */
function run(
  meter: Meter,
  clock: ManualClock,
  arm: ReturnType<typeof azure>,
  { owner, cluster = 'c', ms }: { readonly owner: string; readonly cluster?: string; readonly ms: number },
): Runner {
  const begun = clock.monotonic();
  const runner: Runner = { begun, polls: [], endedAt: undefined };
  meter.watch({
    owner,
    cluster,
    kind: owner,
    elapsed: () => clock.monotonic() - begun,
    poll: async () => {
      const status = arm.request();
      runner.polls.push(clock.monotonic() - begun);
      meter.learn({ status, retryAfter: status === 429 ? 1 : undefined });
      if (status === 429) return 'lost';
      if (clock.monotonic() - begun < ms) return 'running';
      runner.endedAt = clock.monotonic() - begun;
      return 'ended';
    },
  });
  return runner;
}

describe('intervals', () => {
  test('grow with the run, about a tenth of it, between 0.3 and 30 s', () => {
    expect([0, 1_000, 10_000, 60_000, 3_600_000].map((elapsed) => restInterval(elapsed))).toEqual([
      300, 300, 1_000, 6_000, 30_000,
    ]);
  });

  test('a poll without an answer makes the next one wait longer, up to the longest interval', () => {
    expect([1, 3, 6, 50].map((failures) => restInterval(0, failures))).toEqual([600, 2_400, 19_200, 30_000]);
  });

  const watched = (over: Partial<Watched> = {}): Watched => ({
    owner: 'a',
    cluster: 'c',
    age: 1_000,
    sincePost: over.age ?? 1_000,
    sinceLook: undefined,
    failures: 0,
    usual: 1_000,
    spread: 0,
    ...over,
  });

  test('with plenty of tokens a run is looked at soon, and again ever closer, but never closer than the least interval', () => {
    expect(dueIn(watched({ age: 0 }), 50, 290)).toBe(300);
    expect(dueIn(watched({ age: 0, usual: 5_000 }), 3, 290)).toBe(300);
    expect(dueIn(watched({ sinceLook: 0 }), 1e6, 1)).toBe(LEAST_INTERVAL);
    expect(dueIn(watched({ age: 60_000, sinceLook: 0 }), 6, 3_000)).toBe(3_000);
    expect(dueIn(watched({ age: 60_000, sinceLook: 0 }), 3, 9_000)).toBe(6_000);
  });

  test('with few, no look is spent before the usual length, and looks that go together are spread', () => {
    expect(dueIn(watched({ age: 0, usual: 5_000 }), 2, 290)).toBe(5_000);
    expect(dueIn(watched({ age: 4_000, sinceLook: 2_000, usual: 5_000 }), 2, 290)).toBe(1_000);
    expect(dueIn(watched({ age: 0, spread: 0.5 }), 0, 290)).toBe(1_050);
  });

  test('of what is overdue, owners take turns, and so do their clusters', () => {
    const order: string[] = [];
    const served = new Map<string, number>();
    const runs = [
      ...Array.from({ length: 4 }, (_, index) => watched({ owner: 'a', cluster: 'busy', age: 9_000 + index })),
      watched({ owner: 'a', cluster: 'quiet' }),
      watched({ owner: 'b' }),
    ];
    for (let count = 1; runs.length > 0; count += 1) {
      const next = nextOverdue(
        runs.map((run) => ({ run, due: -run.age })),
        (owner, cluster = '') => served.get(owner + cluster) ?? 0,
      );
      if (!next) break;
      runs.splice(runs.indexOf(next), 1);
      served.set(next.owner, count).set(next.owner + next.cluster, count);
      order.push(next.owner + next.cluster);
    }
    expect(order).toEqual(['abusy', 'bc', 'aquiet', 'abusy', 'abusy', 'abusy']);
  });

  test('the usual length of a kind is learnt within a few looks, and a long run does not change it for the others', () => {
    const usual = createUsual();
    let looks = 0;
    for (; usual.of('k') < 5_000; looks += 1) usual.tooEarly('k', usual.of('k'), 0);
    expect(looks).toBeLessThanOrEqual(6);
    for (let count = 0; count < 6; count += 1) usual.ended('k', 5_000, 4_900);
    expect(usual.of('k')).toBeGreaterThan(4_900);
    expect(usual.of('k')).toBeLessThan(5_200);
    usual.tooEarly('k', 60_000, 0);
    expect(usual.of('k')).toBeLessThan(5_200);
    expect([usual.holds('k'), usual.of('other')]).toEqual([true, 1_000]);
  });
});

describe('the bucket', () => {
  test('fills at a token a second up to what is used of the documented burst', () => {
    const bucket = createBucket(0);
    for (let count = 0; count < BURST; count += 1) bucket.take(0);
    expect(bucket.level(0)).toBe(0);
    expect(bucket.when(1, 0)).toBe(1_000);
    expect(bucket.level(10_000)).toBeCloseTo(10);
    expect(bucket.level(1e7)).toBe(BURST);
  });

  test.each([
    [undefined, 5_000],
    [0, 1_000],
    [17, 17_000],
    [100_000, 300_000],
  ])('a 429 with Retry-After %s stops everything for %d ms, and what follows is slower', (retryAfter, ms) => {
    const bucket = createBucket(0);
    bucket.throttled(retryAfter, 0);
    expect(bucket.level(ms - 1)).toBeLessThanOrEqual(0);
    expect(bucket.when(1, 0)).toBeGreaterThan(ms + 1_000);
    expect(bucket.rate(ms)).toBeCloseTo(0.5, 1);
    expect(bucket.rate(ms + 600_000)).toBe(1);
  });

  test('several 429s of one moment halve the pace once', () => {
    const bucket = createBucket(0);
    for (let count = 0; count < 5; count += 1) bucket.throttled(2, 1);
    expect(bucket.rate(2_001)).toBeCloseTo(0.5, 2);
  });

  test('instances share it evenly', () => {
    const bucket = createBucket(0);
    bucket.share(1 / 4, 0);
    expect(bucket.level(0)).toBe(BURST / 4);
    expect(bucket.rate(0)).toBe(0.25);
  });
});

describe('the meter', () => {
  test('property: never a 429 from the documented throttle, and every run is seen to its end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            at: fc.integer({ min: 0, max: 20_000 }),
            ms: fc.integer({ min: 0, max: 60_000 }),
            owner: fc.constantFrom('a', 'b', 'c'),
            cluster: fc.constantFrom('x', 'y'),
          }),
          { minLength: 1, maxLength: 40 },
        ),
        async (commands) => {
          const clock = createManualClock();
          const arm = azure(clock);
          const meter = start(clock);
          const runners: Runner[] = [];
          for (const command of commands) {
            void clock
              .sleep(command.at)
              .then(() => meter.pass(command.owner))
              .then((turn) => {
                expect(arm.request()).toBe(200);
                turn.release('started');
                runners.push(run(meter, clock, arm, command));
                return undefined;
              });
          }
          await clock.advance(600_000);
          expect(arm.throttles()).toBe(0);
          expect(runners).toHaveLength(commands.length);
          for (const { endedAt } of runners) expect(endedAt).toBeDefined();
          expect(clock.sleeping()).toBe(0);
        },
      ),
      { numRuns: 12 },
    );
  });

  test('one command alone is seen soon after its end, whatever its length', async () => {
    for (const ms of [100, 1_000, 2_500, 6_000, 30_000]) {
      const clock = createManualClock();
      const runner = run(start(clock), clock, azure(clock), { owner: 'a', ms });
      await clock.advance(120_000);
      expect((runner.endedAt ?? Number.POSITIVE_INFINITY) - ms).toBeLessThanOrEqual(Math.max(400, ms / 10));
    }
  });

  test('a caller with two hundred commands delays the single command of another by less than 5 s', async () => {
    const clock = createManualClock();
    const arm = azure(clock);
    const meter = start(clock);
    for (let count = 0; count < 200; count += 1)
      meter.pass('a').then(
        (turn) => {
          expect(arm.request()).toBe(200);
          turn.release('started');
          run(meter, clock, arm, { owner: 'a', ms: 300_000 });
          return undefined;
        },
        () => undefined,
      );
    await clock.advance(30_000);
    const asked = clock.monotonic();
    let passed: number | undefined;
    let runner: Runner | undefined;
    void meter.pass('b').then((turn) => {
      passed = clock.monotonic() - asked;
      expect(arm.request()).toBe(200);
      turn.release('started');
      runner = run(meter, clock, arm, { owner: 'b', ms: 3_000 });
      return undefined;
    });
    await clock.advance(30_000);
    expect(passed).toBeLessThan(2_500);
    expect((passed ?? 0) + (runner?.endedAt ?? Number.POSITIVE_INFINITY) - 3_000).toBeLessThan(5_000);
    expect(arm.throttles()).toBe(0);
  });

  test('property: no token lies idle while a run is overdue, nobody starves, and nobody pays for the many of another', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 100 }),
        fc.integer({ min: 100, max: 20_000 }),
        fc.integer({ min: 0, max: 60_000 }),
        async (many, ms, later) => {
          const clock = createManualClock();
          const arm = azure(clock);
          const meter = start(clock);
          const lags: number[] = [];
          const runners: Runner[] = [];
          const oneAfterAnother = async (owner: string): Promise<void> => {
            (await meter.pass(owner)).release('started');
            expect(arm.request()).toBe(200);
            const runner = run(meter, clock, arm, { owner, ms });
            runners.push(runner);
            while (runner.endedAt === undefined) await clock.sleep(100);
            lags.push(runner.endedAt - ms);
          };
          for (let count = 0; count < many; count += 1) void oneAfterAnother('many');
          await clock.advance(later);
          const asked = clock.monotonic();
          let answered = 0;
          void oneAfterAnother('one').then(() => (answered = clock.monotonic() - asked));
          while (lags.length <= many) {
            await clock.advance(1_000);
            const unseen = runners.filter(({ endedAt }) => endedAt === undefined);
            const ages = unseen.map(({ begun }) => clock.monotonic() - begun);
            // Even where tokens are few a look is worth one by then; only for young ones, and the next POST, are they kept.
            const overdue = ages.filter((age) => age - ms > 4 * restInterval(age) + 2_000);
            const young = ages.filter((age) => age < MOST_YOUNG_MS).length;
            if (overdue.length > 0) expect(arm.level()).toBeLessThan(documentedLimits.burst - BURST + 2 + 1 + young);
            if (clock.monotonic() > 1_200_000) throw new Error(`${lags.length} of ${many + 1} were answered`);
          }
          expect(arm.throttles()).toBe(0);
          // Its own time, its turn for three tokens, and its looks between those of the many.
          expect(answered).toBeLessThan(ms + 12_000 + ms / 5);
        },
      ),
      { numRuns: 6 },
    );
  }, 60_000);

  test('submits that never stop do not starve the polls', async () => {
    const clock = createManualClock();
    const arm = azure(clock);
    const meter = start(clock);
    const submitFor = async (owner: string): Promise<void> => {
      while (clock.monotonic() < 180_000) {
        await meter.pass(owner).then(
          (turn) => {
            arm.request();
            turn.release('not-started');
            return undefined;
          },
          () => clock.sleep(1_000),
        );
      }
    };
    void submitFor('a');
    void submitFor('b');
    const runner = run(meter, clock, arm, { owner: 'c', ms: 120_000 });
    await clock.advance(180_000);
    await clock.advance(60_000);
    expect(runner.endedAt).toBeLessThan(180_000);
    expect(arm.throttles()).toBe(0);
  });

  test('what the gateway asks for itself comes after what callers wait for, and does not starve', async () => {
    const clock = createManualClock();
    const order: string[] = [];
    const line = (callers: readonly string[]): Meter => {
      order.length = 0;
      const log = (message: string): void => expect(message).toBe('never logged');
      const meter = createMeter({ clock, subscription: 's', holder: 'one', last: 'own', log });
      meter.learn({ remaining: 0 });
      for (const owner of ['own', ...callers])
        void meter.pass(owner).then((turn) => {
          order.push(owner);
          turn.release('not-started');
          return undefined;
        });
      return meter;
    };
    line(['a', 'b', 'a', 'b']);
    await clock.advance(20_000);
    expect(order).toEqual(['a', 'b', 'a', 'b', 'own']);
    line(Array.from({ length: 100 }, () => 'a'));
    await clock.advance(60_000);
    expect(order.indexOf('own')).toBeGreaterThan(20);
    expect(order.indexOf('own')).toBeLessThan(35);
  });

  test('of looks too: its own come after those of callers that are overdue, for half a minute', () => {
    const watched = { cluster: 'c', sincePost: 9_000, sinceLook: undefined, failures: 0, usual: 1_000, spread: 0 };
    const own = { run: { ...watched, owner: 'own', age: 9_000 }, due: -8_000, last: true };
    const other = { run: { ...watched, owner: 'a', age: 2_000 }, due: -1_000 };
    expect(nextOverdue([own, other], () => 0)?.owner).toBe('a');
    expect(nextOverdue([own], () => 0)?.owner).toBe('own');
  });

  test('a caller who would wait too long is told so at once, with the time', async () => {
    const clock = createManualClock();
    const meter = start(clock);
    meter.learn({ status: 429, retryAfter: 120 });
    await expect(meter.pass('a')).rejects.toMatchObject({ code: 'azure-throttled', options: { retryAfter: 122 } });
  });

  test('a caller who goes away leaves the line', async () => {
    const clock = createManualClock();
    const meter = start(clock);
    meter.learn({ remaining: 0 });
    const leaving = new AbortController();
    const gone = meter.pass('a', leaving.signal);
    leaving.abort(new Error('gone'));
    await expect(gone).rejects.toThrow('gone');
    const begun = clock.monotonic();
    const second = meter.pass('b').then(() => clock.monotonic() - begun);
    await clock.advance(10_000);
    expect(await second).toBeLessThanOrEqual(2_001);
  });

  test("polls go on after somebody else used the subscription's throttle up, with few 429s", async () => {
    const clock = createManualClock();
    const arm = azure(clock);
    const runner = run(start(clock), clock, arm, { owner: 'a', ms: 60_000 });
    await clock.advance(2_000);
    arm.drain();
    await clock.advance(300_000);
    expect(runner.endedAt).toBeLessThan(75_000);
    expect(arm.throttles()).toBeLessThanOrEqual(5);
  });

  test('what the rate-limit headers leave is not exceeded', async () => {
    const clock = createManualClock();
    const meter = start(clock);
    meter.learn({ remaining: 2 });
    const passed: number[] = [];
    for (let count = 0; count < 4; count += 1)
      void meter.pass('a').then((turn) => {
        passed.push(Math.round(clock.monotonic() / 1000));
        turn.release('not-started');
        return undefined;
      });
    await clock.advance(5_000);
    expect(passed).toEqual([0, 1, 2, 3]);
  });

  test('a run that is found again after a crash is looked at soon, however long it has been running', async () => {
    const clock = createManualClock();
    const begun = clock.monotonic();
    let polledAt: number | undefined;
    start(clock).watch({
      owner: 'a',
      cluster: 'c',
      elapsed: () => 3_600_000 + clock.monotonic() - begun,
      poll: () => {
        polledAt = clock.monotonic() - begun;
        return Promise.resolve('ended');
      },
    });
    await clock.advance(30_000);
    expect(polledAt).toBeLessThan(1_000);
  });

  test('a poll that breaks is told of, and does not end the polling', async () => {
    const clock = createManualClock();
    const messages: string[] = [];
    let polls = 0;
    createMeter({ clock, subscription: 's', holder: 'one', log: (message) => messages.push(message) }).watch({
      owner: 'a',
      cluster: 'c',
      elapsed: () => 0,
      poll: () => {
        polls += 1;
        return polls === 1 ? Promise.reject(new Error('a bug')) : Promise.resolve('ended');
      },
    });
    await clock.advance(10_000);
    expect([polls, messages]).toEqual([2, ['A poll failed in the gateway itself: a bug']]);
  });

  test('closing sends those who wait away', async () => {
    const clock = createManualClock();
    const meter = start(clock);
    meter.learn({ remaining: 0 });
    const waiting = expect(meter.pass('a')).rejects.toMatchObject({ code: 'gateway-busy' });
    await meter.close();
    await waiting;
    expect(clock.sleeping()).toBe(0);
  });

  test('closing stops everything, and hands back what leaves no debt', async () => {
    const clock = createManualClock();
    const leases = leaseStore();
    const meter = start(clock, leases);
    const runner = run(meter, clock, azure(clock), { owner: 'a', ms: 60_000 });
    await clock.advance(5_000);
    const polls = runner.polls.length;
    expect(polls).toBeGreaterThan(3);
    await meter.close();
    await clock.advance(60_000);
    expect(runner.polls).toHaveLength(polls);
    expect(clock.sleeping()).toBe(0);
    expect(await leases.lease('budget.s.0', 'two', clock.now() + 1, clock.now())).toBe(true);
  });
});

describe('instances that do not know each other', () => {
  test('property: two to four on one lease store never get a 429, and all see their runs end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            at: fc.integer({ min: 0, max: 30_000 }),
            ms: fc.integer({ min: 0, max: 40_000 }),
            instance: fc.integer({ min: 0, max: 3 }),
          }),
          { minLength: 2, maxLength: 30 },
        ),
        async (commands) => {
          const clock = createManualClock();
          const arm = azure(clock);
          const leases = leaseStore();
          const meters = Array.from({ length: 4 }, (_, index) => start(clock, leases, `instance-${index}`));
          const runners: Runner[] = [];
          for (const { at, ms, instance } of commands) {
            const meter = meters[instance];
            if (!meter) throw new Error('no such instance');
            void clock.sleep(at).then(() => runners.push(run(meter, clock, arm, { owner: 'a', ms })));
          }
          await clock.advance(900_000);
          expect(arm.throttles()).toBe(0);
          expect(runners.filter(({ endedAt }) => endedAt !== undefined)).toHaveLength(commands.length);
          expect(clock.sleeping()).toBe(0);
        },
      ),
      { numRuns: 12 },
    );
  });

  test('property: they never spend more than the bucket, each looks as often as it has runs, one alone uses it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 3 }), async (counts) => {
        const clock = createManualClock();
        const arm = azure(clock);
        const leases = leaseStore();
        const meters = counts.map((_, index) => start(clock, leases, `instance-${index}`));
        // More than a subscription can look at: each process uses all it may.
        const runs = counts.map((count, index) =>
          Array.from({ length: count }, (_, each) =>
            run(meters[index] ?? start(clock), clock, arm, { owner: `owner-${each % 3}`, ms: 1e9 }),
          ),
        );
        await clock.advance(400_000);
        // What each spent before it knew of the others, it has given back.
        expect(arm.throttles()).toBe(0);
        const before = runs.map((own) => own.reduce((sum, { polls }) => sum + polls.length, 0));
        const requests = arm.requests();
        await clock.advance(300_000);
        const spent = runs.map(
          (own, index) => own.reduce((sum, { polls }) => sum + polls.length, 0) - (before[index] ?? 0),
        );
        expect(arm.throttles()).toBe(0);
        const total = counts.reduce((sum, count) => sum + count, 0);
        // A run of ten minutes is worth a look each half a minute.
        if (total >= 40) expect(arm.requests() - requests).toBeGreaterThan(270);
        const weights = counts.map((count) => Math.min(6, Math.ceil(count / 8)));
        const weight = weights.reduce((sum, one) => sum + one, 0);
        for (const [index, own] of spent.entries())
          expect(own).toBeGreaterThan(
            0.8 * Math.min((300 * (weights[index] ?? 0)) / weight, (300 * (counts[index] ?? 0)) / 30),
          );
        await Promise.all(meters.map((meter) => meter.close()));
      }),
      { numRuns: 4 },
    );
  });

  test('a second instance halves the first one, and gives the half back when it goes', async () => {
    const clock = createManualClock();
    const arm = azure(clock);
    const leases = leaseStore();
    const first = start(clock, leases, 'first');
    const second = start(clock, leases, 'second');
    // Long runs in such number that each instance uses all it may.
    for (let count = 0; count < 100; count += 1) run(first, clock, arm, { owner: 'a', ms: 1e9 });
    const seconds = async (span: number): Promise<number> => {
      const before = arm.requests();
      await clock.advance(span * 1000);
      return arm.requests() - before;
    };
    await seconds(200);
    expect(await seconds(100)).toBeGreaterThan(90);
    const polls: Runner[] = [];
    for (let count = 0; count < 100; count += 1) polls.push(run(second, clock, arm, { owner: 'a', ms: 1e9 }));
    await seconds(100);
    const before = polls.reduce((sum, { polls }) => sum + polls.length, 0);
    const both = await seconds(100);
    const after = polls.reduce((sum, { polls }) => sum + polls.length, 0);
    expect(both).toBeGreaterThan(90);
    // A token a second, and what the reserves still held.
    expect(both).toBeLessThanOrEqual(120);
    expect(Math.abs(after - before - both / 2)).toBeLessThan(8);
    await second.close();
    await seconds(120);
    expect(await seconds(100)).toBeGreaterThan(90);
    expect(arm.throttles()).toBe(0);
    await first.close();
  });

  test.each([
    ['is still there', async () => undefined],
    ['has just crashed', async (_: Meter, clock: ManualClock) => clock.advance(1_000)],
    ['has just stopped in order', async (first: Meter) => first.close()],
  ])('one that starts while the budget was spent by another that %s takes it for spent', async (_, then) => {
    const clock = createManualClock();
    const arm = azure(clock);
    const leases = leaseStore();
    const first = start(clock, leases, 'first');
    const ask = (meter: Meter, times: number): void => {
      for (let count = 0; count < times; count += 1)
        meter.pass(`owner-${count}`).then(
          (turn) => {
            arm.request();
            turn.release('not-started');
            return undefined;
          },
          () => undefined,
        );
    };
    ask(first, BURST);
    await clock.advance(1_000);
    expect(arm.requests()).toBe(BURST);
    await then(first, clock);
    const second = start(clock, leases, 'second');
    ask(second, 40);
    await clock.advance(3_000);
    expect(arm.requests()).toBeLessThanOrEqual(BURST + 4);
    await clock.advance(60_000);
    expect(arm.requests()).toBeGreaterThan(BURST + 20);
    expect(arm.throttles()).toBe(0);
    await Promise.all([first.close(), second.close()]);
  });

  test('a store that does not answer costs half the pace, not the work', async () => {
    const clock = createManualClock();
    const messages: string[] = [];
    const meter = createMeter({
      clock,
      subscription: 's',
      holder: 'one',
      leases: {
        lease: () => Promise.reject(new Error('down')),
        releaseLease: () => Promise.reject(new Error('down')),
      },
      log: (message) => messages.push(message),
    });
    const runner = run(meter, clock, azure(clock), { owner: 'a', ms: 10_000 });
    await clock.advance(60_000);
    expect(runner.endedAt).toBeLessThan(12_000);
    expect(messages[0]).toMatch(/could not be agreed on/);
  });
});
