import { describe, expect, test } from '@jest/globals';
import { createTraffic } from '../../shared/admission/traffic.ts';
import { countingLines } from '../../shared/admission/count-lines.ts';
import type { AuditTrail } from '../../shared/audit/trail.ts';
import type { Limits, TrafficLimits } from '../../shared/config/config.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { problemOf as problemOfPromise } from '../identity/problem-of.ts';

const problemOf = async (call: () => unknown) => (await problemOfPromise((async () => call())())).problem;

const tid = '11111111-1111-4111-8111-111111111111';
const one = { kind: 'user', tid, oid: 'aaaaaaaa-0000-4000-8000-000000000001' } as const;
const other = { ...one, oid: 'aaaaaaaa-0000-4000-8000-000000000002' } as const;
const KIB = 1024;

const own: TrafficLimits = {
  requestsPerMinute: 10,
  auditLinesPerMinute: 5,
  bytesInPerMinute: 1000 * KIB,
  bytesOutPerMinute: 1000 * KIB,
  openRequests: 3,
  heldBytes: 300 * KIB,
};
const all: TrafficLimits = {
  requestsPerMinute: 100,
  auditLinesPerMinute: 100,
  bytesInPerMinute: 10_000 * KIB,
  bytesOutPerMinute: 10_000 * KIB,
  openRequests: 4,
  heldBytes: 400 * KIB,
};

function setUp(limits: { own?: Partial<TrafficLimits>; all?: Partial<TrafficLimits> } = {}) {
  const clock = createManualClock();
  const given = { perPrincipal: { ...own, ...limits.own }, total: { ...all, ...limits.all } };
  return { clock, traffic: createTraffic({ clock, limits: () => given as unknown as Limits }) };
}

describe('what a caller uses', () => {
  test('is counted by request: one too many is told when the next may come, and others are served', async () => {
    const { clock, traffic } = setUp();
    for (let at = 0; at < 10; at++) traffic.enter(one).end();
    const problem = await problemOf(() => traffic.enter(one));
    expect(problem).toMatchObject({ code: 'rate-limited', options: { retryAfter: 6 } });
    traffic.enter(other).end();
    await clock.advance(6_000);
    traffic.enter(one).end();
  });

  test('is counted dearer where a request costs more', async () => {
    const { traffic } = setUp();
    traffic.enter(one, { cost: 9 }).end();
    expect((await problemOf(() => traffic.enter(one, { cost: 9 }))).code).toBe('rate-limited');
    traffic.enter(one).end();
  });

  test.each(['sent', 'received'] as const)(
    'is counted by bytes %s: what was too much is paid off first',
    async (way) => {
      const { clock, traffic } = setUp();
      const visit = traffic.enter(one);
      visit[way](1500 * KIB);
      visit.end();
      const again = () => traffic.enter(one, { bodyBytes: way === 'received' ? 1 : 0 });
      expect(await problemOf(again)).toMatchObject({ code: 'rate-limited' });
      await clock.advance(31_000);
      again().end();
    },
  );

  test('is counted by lines of the trail, but for those that say so', async () => {
    const { traffic } = setUp();
    const lines: string[] = [];
    const trail = countingLines(
      { record: async ({ event }: { event: string }) => void lines.push(event) } as unknown as AuditTrail,
      traffic,
    );
    const principal = { ...one, idtyp: 'user', azp: '', uti: '' } as const;
    for (let at = 0; at < 6; at++) {
      await trail.record({ event: 'rate-limited', requestId: 'r', principal, detail: '' });
      await trail.record({ event: 'principal.denied', requestId: 'r', principal, detail: '' });
    }
    expect(lines).toHaveLength(12);
    expect((await problemOf(() => traffic.enter(one))).code).toBe('rate-limited');
    traffic.enter(other).end();
  });

  test('is bounded at once: requests and memory, and the room comes back when they end', async () => {
    const { traffic } = setUp();
    const visits = Array.from({ length: 3 }, () => traffic.enter(one, { bodyBytes: 100 * KIB }));
    expect((await problemOf(() => traffic.enter(one))).code).toBe('rate-limited');
    visits[0]?.end();
    visits[0]?.end();
    expect((await problemOf(() => traffic.enter(one, { bodyBytes: 101 * KIB }))).code).toBe('rate-limited');
    traffic.enter(one, { bodyBytes: 10 * KIB }).end(); // a small body passes
    expect(() => visits[1]?.hold(100 * KIB)).not.toThrow();
    expect((await problemOf(() => visits[1]?.hold(65 * KIB))).code).toBe('rate-limited');
    visits[1]?.end();
    const release = traffic.hold(one, 200 * KIB);
    release();
    release();
    traffic.hold(one, 200 * KIB);
  });

  test('is bounded as it comes where nobody said how much: what stays small takes nothing', async () => {
    const { traffic } = setUp({ own: { heldBytes: 1_100 * KIB }, all: { heldBytes: 10_000 * KIB } });
    const small = [traffic.enter(one), traffic.enter(one)];
    for (const visit of small) for (let at = 0; at < 64; at++) visit.arrived(KIB);
    expect(small.map((visit) => visit.held())).toEqual([0, 0]);
    const large = traffic.enter(one);
    for (let at = 0; at < 1_000; at++) large.arrived(KIB);
    expect(large.held()).toBe(1_024 * KIB);
    expect((await problemOf(() => small[0]?.arrived(KIB))).code).toBe('rate-limited');
    large.end();
    small[0]?.arrived(KIB);
  });

  test('is bounded for all together: then the gateway is busy for everyone', async () => {
    const { traffic } = setUp();
    for (let at = 0; at < 3; at++) traffic.enter(one);
    traffic.enter(other);
    expect((await problemOf(() => traffic.enter(other))).code).toBe('gateway-busy');
  });
});
