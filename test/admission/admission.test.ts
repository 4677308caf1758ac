import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';

import { createAdmission, type SlotRequest } from '../../shared/admission/admission.ts';
import type { Limits } from '../../shared/config/config.ts';
import { principalKey } from '../../shared/identity/principal.ts';
import type { PrincipalId } from '../../shared/lib/ids.ts';
import { StorageUnavailable } from '../../shared/store/append-log.ts';
import type { InFlight } from '../../shared/store/records.ts';
import { openSqliteRecords } from '../../shared/store/sqlite-records.ts';
import { problemOf } from '../identity/problem-of.ts';
import { changed, commandRecord } from '../support/records.ts';
import { createManualClock } from '../support/manual-clock.ts';

const caller = (oid: string): PrincipalId => ({ kind: 'user', tid: 't', oid });
const [alice, bob, carol] = [caller('alice'), caller('bob'), caller('carol')];

const unlimited = {
  requestsPerMinute: 1e9,
  auditLinesPerMinute: 1e9,
  bytesInPerMinute: 1e12,
  bytesOutPerMinute: 1e12,
  openRequests: 1e6,
  heldBytes: 1e12,
};
const limitsOf = (perPrincipal: Partial<Limits['perPrincipal']> = {}, running = 8): Limits => ({
  perPrincipal: { running: 4, queued: 20, submitsPerMinute: 30, storedBytes: 1e12, ...unlimited, ...perPrincipal },
  total: unlimited,
  perCluster: { running },
  bodyBytes: 1_000_000,
  timeoutSeconds: { default: 300, max: 3_600 },
});

function setUp(limits = limitsOf()) {
  const clock = createManualClock();
  const store = { elsewhere: [] as InFlight[], own: (): InFlight[] => [], looks: 0, broken: false };
  const inForce = { limits };
  const admission = createAdmission({
    clock,
    limits: () => inForce.limits,
    records: {
      inFlight: async () => {
        store.looks += 1;
        if (store.broken) throw new StorageUnavailable('down');
        return [...store.own(), ...store.elsewhere];
      },
    },
  });
  /** Enters, runs for `ms`, leaves; gives when it started. */
  const run = async (who: PrincipalId, cluster: string, ms: number): Promise<number> => {
    const slot = await slotOf(admission, who, cluster);
    const started = clock.monotonic();
    await clock.sleep(ms);
    slot.release();
    return started;
  };
  return { admission, clock, store, run, inForce };
}

/** A slot, once it is granted. */
async function slotOf(
  admission: ReturnType<typeof createAdmission>,
  ...args: Parameters<typeof admission.requestSlot>
): Promise<SlotRequest> {
  const slot = await admission.requestSlot(...args);
  await slot.granted;
  return slot;
}

const attempt = async (work: () => void): Promise<void> => work();

/** The slots that are granted without any time passing. */
async function grantedOf(entries: readonly Promise<unknown>[]): Promise<number> {
  let granted = 0;
  for (const entry of entries) void entry.then(() => (granted += 1));
  await new Promise(setImmediate);
  return granted;
}

describe('the rate', () => {
  test("lets a minute's commands go at once, then tells the seconds until the next, and keeps its word", async () => {
    const { admission, clock } = setUp(limitsOf({ submitsPerMinute: 10 }));
    for (let index = 0; index < 10; index += 1) admission.limitRate(alice);
    const refused = await problemOf(attempt(() => admission.limitRate(alice)));
    expect(refused).toMatchObject({ code: 'rate-limited', problem: { options: { retryAfter: 6 } } });
    await clock.advance(5_999);
    await expect(attempt(() => admission.limitRate(alice))).rejects.toMatchObject({ options: { retryAfter: 1 } });
    await clock.advance(1);
    admission.limitRate(alice);
    expect(await problemOf(attempt(() => admission.limitRate(alice)))).toMatchObject({ code: 'rate-limited' });
  });

  test("is each caller's own, and its bucket never holds more than a minute's", async () => {
    const { admission, clock } = setUp(limitsOf({ submitsPerMinute: 2 }));
    await clock.advance(3_600_000);
    for (const who of [alice, bob, { ...alice, kind: 'app' } as const, { ...alice, tid: 'u' }]) {
      admission.limitRate(who);
      admission.limitRate(who);
      expect(await problemOf(attempt(() => admission.limitRate(who)))).toMatchObject({ code: 'rate-limited' });
    }
  });

  test('follows the configuration', async () => {
    const { admission, inForce } = setUp(limitsOf({ submitsPerMinute: 30 }));
    admission.limitRate(alice);
    inForce.limits = limitsOf({ submitsPerMinute: 1 });
    admission.limitRate(alice);
    expect(await problemOf(attempt(() => admission.limitRate(alice)))).toMatchObject({
      problem: { options: { retryAfter: 60 } },
    });
  });

  test('never gives more than its bucket and its refill, whenever it is asked', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 200 }),
        async (perMinute, gaps) => {
          const { admission, clock } = setUp(limitsOf({ submitsPerMinute: perMinute }));
          let taken = 0;
          for (const gap of gaps) {
            await clock.advance(gap);
            try {
              admission.limitRate(alice);
              taken += 1;
            } catch (error) {
              expect(error).toMatchObject({ code: 'rate-limited' });
            }
          }
          expect(taken).toBeLessThanOrEqual(perMinute + (perMinute * clock.monotonic()) / 60_000 + 1e-6);
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('slots', () => {
  test('are bounded by caller over all clusters, and by cluster over all callers', async () => {
    const { admission } = setUp(limitsOf({ running: 2 }, 3));
    const entries = ['demo', 'stage', 'demo'].map((cluster) => slotOf(admission, alice, cluster));
    expect(await grantedOf(entries)).toBe(2);
    expect(await grantedOf([slotOf(admission, bob, 'demo'), slotOf(admission, bob, 'demo')])).toBe(1);
    expect(await grantedOf([slotOf(admission, carol, 'demo')])).toBe(1);
    expect(await grantedOf([slotOf(admission, caller('dave'), 'demo')])).toBe(0);
    expect(admission.queued()).toBe(3);
  });

  test('are handed on when they are released, each once', async () => {
    const { admission } = setUp(limitsOf({ running: 1 }));
    const first = await slotOf(admission, alice, 'demo');
    const [second, third] = [slotOf(admission, alice, 'demo'), slotOf(admission, alice, 'demo')];
    expect(await grantedOf([second, third])).toBe(0);
    first.release();
    first.release();
    first.release();
    expect(await grantedOf([second, third])).toBe(1);
    (await second).release();
    expect(await grantedOf([third])).toBe(1);
  });

  test('go to the first in line whose cluster has one: a full cluster holds nobody else up', async () => {
    const { admission } = setUp(limitsOf({ running: 2 }, 1));
    await slotOf(admission, bob, 'demo');
    const waiting = slotOf(admission, alice, 'demo');
    expect(await grantedOf([waiting, slotOf(admission, alice, 'stage')])).toBe(1);
  });

  test('are not taken by who has left, and the reason is told', async () => {
    const { admission, clock } = setUp(limitsOf({ running: 1 }));
    const first = await slotOf(admission, alice, 'demo');
    const gone = new AbortController();
    const leaving = slotOf(admission, alice, 'demo', gone.signal);
    const staying = slotOf(admission, alice, 'demo');
    await new Promise(setImmediate);
    gone.abort(new Error('the caller left'));
    await expect(leaving).rejects.toThrow('the caller left');
    await expect(slotOf(admission, alice, 'demo', gone.signal)).rejects.toThrow('the caller left');
    first.release();
    const second = await staying;
    second.release();
    expect(admission.queued()).toBe(0);
    await clock.advance(2_000);
    expect(clock.sleeping()).toBe(0);
  });

  test('are asked for by queueing, which tells at once whether there is a place in the queue', async () => {
    const { admission } = setUp(limitsOf({ running: 1, queued: 1 }));
    const [first, second] = [await admission.requestSlot(alice, 'demo'), await admission.requestSlot(alice, 'demo')];
    expect(await grantedOf([first.granted, second.granted])).toBe(1);
    expect(await problemOf(admission.requestSlot(alice, 'demo'))).toMatchObject({ code: 'rate-limited' });
    const third = admission.requestSlot(bob, 'demo');
    expect(await grantedOf([(await third).granted])).toBe(1);
    first.release();
    first.release();
    expect(await grantedOf([second.granted])).toBe(1);
    second.release();
    await slotOf(admission, alice, 'demo');
  });

  test('never go to a command that has left the queue', async () => {
    const { admission } = setUp(limitsOf({ running: 1 }));
    const first = await slotOf(admission, alice, 'demo');
    const [second, third] = [await admission.requestSlot(alice, 'demo'), await admission.requestSlot(alice, 'demo')];
    second.release();
    await expect(second.granted).rejects.toThrow('no longer wanted');
    first.release();
    expect(await grantedOf([third.granted])).toBe(1);
    second.release();
    expect(await grantedOf([slotOf(admission, alice, 'demo')])).toBe(0);
    expect(admission.queued()).toBe(1);
  });

  test("of a cluster are never all one caller's", async () => {
    const { admission } = setUp(limitsOf({ running: 50, queued: 200 }, 4));
    expect(await grantedOf(Array.from({ length: 10 }, () => slotOf(admission, alice, 'demo')))).toBe(3);
    expect(await grantedOf([slotOf(admission, bob, 'demo')])).toBe(1);
  });

  test('follow the configuration as soon as one is released', async () => {
    const { admission, inForce } = setUp(limitsOf({ running: 1 }));
    const first = await slotOf(admission, alice, 'demo');
    const entries = Array.from({ length: 5 }, () => slotOf(admission, alice, 'demo'));
    await new Promise(setImmediate);
    inForce.limits = limitsOf({ running: 3 });
    first.release();
    expect(await grantedOf(entries)).toBe(3);
  });
});

describe('the queue', () => {
  test('is bounded for each caller, and says when there will be a place, as recent runs went', async () => {
    const { admission, clock, run } = setUp(limitsOf({ running: 2, queued: 3 }));
    const held = Array.from({ length: 2 }, () => run(alice, 'demo', 60_000));
    const waiting = Array.from({ length: 3 }, () => run(alice, 'demo', 1));
    await new Promise(setImmediate);
    const refused = await problemOf(slotOf(admission, alice, 'demo'));
    expect(refused).toMatchObject({ code: 'rate-limited', problem: { options: { retryAfter: 5 } } });
    expect(refused.detail).toContain('3 waiting');
    await slotOf(admission, bob, 'demo');
    await clock.advance(60_001);
    await clock.advance(10);
    await Promise.all([...held, ...waiting]);
    const again = Array.from({ length: 5 }, () => run(alice, 'demo', 1_000));
    await new Promise(setImmediate);
    const { problem } = await problemOf(slotOf(admission, alice, 'demo'));
    expect(problem.options.retryAfter).toBeGreaterThan(10);
    await clock.advance(5_000);
    await Promise.all(again);
  });

  test('of a caller who may not queue is empty', async () => {
    const { admission } = setUp(limitsOf({ running: 1, queued: 0 }));
    const slot = await slotOf(admission, alice, 'demo');
    expect(await problemOf(slotOf(admission, alice, 'demo'))).toMatchObject({ code: 'rate-limited' });
    slot.release();
    await slotOf(admission, alice, 'demo');
  });

  test('is bounded for all callers together', async () => {
    const { admission } = setUp(limitsOf({ queued: 1_000_000 }, 1));
    await slotOf(admission, bob, 'demo');
    const entries = Array.from({ length: 5_000 }, () => slotOf(admission, alice, 'demo'));
    await new Promise(setImmediate);
    expect(await problemOf(slotOf(admission, carol, 'demo'))).toMatchObject({ code: 'gateway-busy' });
    expect(await grantedOf(entries)).toBe(0);
  });

  test.each([
    ['as configured by default', limitsOf({ queued: 200 })],
    ['where one caller may run more than a cluster takes', limitsOf({ running: 100, queued: 200 })],
  ])("with 200 commands of one caller delays another's by less than five seconds, %s", async (_, limits) => {
    const { clock, run } = setUp(limits);
    const many = Array.from({ length: 200 }, () => run(alice, 'demo', 30_000));
    await clock.advance(10_000);
    const asked = clock.monotonic();
    const single = run(bob, 'demo', 1_000);
    await clock.advance(1_000);
    expect((await single) - asked).toBeLessThan(5_000);
    await clock.advance(2_000_000);
    expect(await Promise.all(many)).toHaveLength(200);
  });

  test("goes round between callers: five commands each of three finish together, not one caller's first", async () => {
    const { clock, run } = setUp(limitsOf({ running: 5, queued: 20 }, 1));
    const order: string[] = [];
    const work = (who: PrincipalId) =>
      Array.from({ length: 5 }, async () => {
        await run(who, 'demo', 1_000);
        order.push(who.oid);
      });
    const all = [...work(alice), ...work(bob), ...work(carol)];
    await clock.advance(20_000);
    await Promise.all(all);
    for (let round = 0; round < 15; round += 3) {
      expect(order.slice(round, round + 3).toSorted()).toEqual(['alice', 'bob', 'carol']);
    }
  });

  test('loses nobody and oversteps no cap, however callers come, run and leave', async () => {
    const step = fc.record({
      who: fc.constantFrom(alice, bob, carol),
      cluster: fc.constantFrom('demo', 'stage'),
      runs: fc.integer({ min: 0, max: 5_000 }),
      leavesAfter: fc.option(fc.integer({ min: 0, max: 3_000 }), { nil: undefined }),
      gap: fc.integer({ min: 0, max: 500 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 30 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        async (steps, own, each) => {
          const { admission, clock } = setUp(limitsOf({ running: own, queued: 100 }, each));
          const now: string[] = [];
          let ended = 0;
          const all = steps.map(async ({ who, cluster, runs, leavesAfter }, index) => {
            await clock.sleep(index === 0 ? 0 : steps.slice(0, index).reduce((sum, { gap }) => sum + gap, 0));
            const gone = new AbortController();
            if (leavesAfter !== undefined) void clock.sleep(leavesAfter).then(() => gone.abort(new Error('left')));
            try {
              const slot = await slotOf(admission, who, cluster, gone.signal);
              now.push(`${principalKey(who)} ${cluster}`);
              expect(now.filter((one) => one.startsWith(principalKey(who))).length).toBeLessThanOrEqual(own);
              expect(now.filter((one) => one.endsWith(cluster)).length).toBeLessThanOrEqual(each);
              await clock.sleep(runs);
              now.splice(now.indexOf(`${principalKey(who)} ${cluster}`), 1);
              slot.release();
            } catch (error) {
              if (!(error instanceof Error && error.message === 'left')) throw error;
            }
            ended += 1;
          });
          await clock.advance(1_000_000);
          expect(ended).toBe(steps.length);
          await Promise.all(all);
          expect(admission.queued()).toBe(0);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('other processes', () => {
  const elsewhere = (count: number, who = alice, cluster = 'demo'): InFlight[] => [
    { owner: principalKey(who), cluster, count },
  ];

  test('count: what they have with Azure is not there for us', async () => {
    const { admission, store } = setUp(limitsOf({ running: 3 }, 5));
    store.elsewhere = elsewhere(2);
    expect(await grantedOf([slotOf(admission, alice, 'demo'), slotOf(admission, alice, 'stage')])).toBe(1);
    expect(
      await grantedOf([slotOf(admission, bob, 'demo'), slotOf(admission, bob, 'demo'), slotOf(admission, bob, 'demo')]),
    ).toBe(1);
  });

  test('are looked at once a second at most, and while somebody waits', async () => {
    const { admission, clock, store } = setUp(limitsOf({ running: 1 }));
    store.elsewhere = elsewhere(1);
    const entry = slotOf(admission, alice, 'demo');
    await Promise.all(Array.from({ length: 20 }, () => slotOf(admission, bob, 'demo').then((slot) => slot.release())));
    expect(store.looks).toBe(1);
    await clock.advance(5_000);
    expect(store.looks).toBe(6);
    store.elsewhere = [];
    await clock.advance(1_000);
    expect(await grantedOf([entry])).toBe(1);
    await clock.advance(10_000);
    expect(store.looks).toBe(7);
  });

  test('are told apart from our own commands, which are in the records too', async () => {
    const { admission, clock, store } = setUp(limitsOf({ running: 3 }));
    await Promise.all([slotOf(admission, alice, 'demo'), slotOf(admission, alice, 'demo')]);
    store.own = () => elsewhere(2);
    await clock.advance(1_000);
    expect(await grantedOf([slotOf(admission, alice, 'demo'), slotOf(admission, alice, 'demo')])).toBe(1);
  });

  test('that cannot be seen let nobody in', async () => {
    const { admission, clock, store } = setUp(limitsOf({ running: 1 }));
    await slotOf(admission, alice, 'demo');
    const waiting = slotOf(admission, alice, 'demo');
    await new Promise(setImmediate);
    store.broken = true;
    const refused = expect(waiting).rejects.toBeInstanceOf(StorageUnavailable);
    await clock.advance(1_000);
    await refused;
    await expect(slotOf(admission, bob, 'demo')).rejects.toBeInstanceOf(StorageUnavailable);
    store.broken = false;
    await clock.advance(1_000);
    expect(await grantedOf([slotOf(admission, bob, 'demo')])).toBe(1);
  });

  test('share their caps through the store: what one has in flight the other waits for, and gets within a second', async () => {
    const clock = createManualClock();
    const records = await openSqliteRecords(':memory:');
    const processes = [0, 1].map(() => createAdmission({ records, clock, limits: () => limitsOf({ running: 2 }) }));
    const most = { together: 0 };
    const run = async (process: number, id: string, ms: number): Promise<number> => {
      const admission = processes[process];
      if (!admission) throw new Error('there are two processes');
      const slot = await slotOf(admission, alice, 'demo');
      const record = commandRecord(id, { owner: principalKey(alice), status: 'running' });
      await records.create(record);
      most.together = Math.max(most.together, (await records.inFlight())[0]?.count ?? 0);
      const started = clock.monotonic();
      await clock.sleep(ms);
      await records.replace(changed(record, { status: 'completed' }));
      slot.release();
      return started;
    };
    const first = [run(0, 'a1', 10_000), run(0, 'a2', 20_000)];
    await clock.advance(2_000);
    const second = [run(1, 'b1', 10_000), run(1, 'b2', 10_000)];
    await clock.advance(60_000);
    expect(await Promise.all(first)).toEqual([0, 0]);
    const [third = 0, fourth = 0] = await Promise.all(second);
    expect(third).toBeGreaterThanOrEqual(10_000);
    expect(third).toBeLessThanOrEqual(11_100);
    expect(fourth).toBeGreaterThanOrEqual(20_000);
    expect(fourth).toBeLessThanOrEqual(21_200);
    expect(most.together).toBe(2);
    await records.close();
  });
});
