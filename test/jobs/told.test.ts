import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { systemEntropy } from '../../shared/clock.ts';
import { jobEvents, type JobEventName } from '../../shared/config/webhooks.ts';
import type { AuthenticatedRequest } from '../../shared/gateway/request.ts';
import { createNotices } from '../../shared/notices.ts';
import { createDeliveries, type NotifyContext } from '../../shared/notify/deliver.ts';
import { compilePolicy } from '../../shared/policy/policy.ts';
import { openSqliteRecords } from '../../shared/store/sqlite-records.ts';
import { tenant } from '../config/valid.ts';
import { runner, SECRET, World } from './world.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2027, 0, 1);
const SLOT = START + HOUR;

interface Told {
  readonly path: string;
  readonly signed: boolean;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}
const received: Told[] = [];
const receiver = createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  request.on('end', () => {
    const { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signature } = request.headers;
    const signed = new Webhook(SECRET).sign(String(id), new Date(Number(seconds) * 1_000), text) === signature;
    received.push({ ...JSON.parse(text), path: (request.url ?? '').slice(1), signed });
    response.end();
  });
});

let at: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => void receiver.listen(0, '127.0.0.1', resolve));
  at = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
});
afterAll(() => {
  receiver.closeAllConnections();
  receiver.close();
});

/** A webhook that lists each event, one that lists them all, and the job's own, which lists none. */
const webhooks = (): string =>
  [
    ...jobEvents.map((event) => [event, `, events: [${event}]`] as const),
    ['all', `, events: ['job.*']`] as const,
    ['own', ''] as const,
  ]
    .map(([name, events]) => `${name}: { url: '${at}/${name}', secretEnv: HOOK${events} }`)
    .join(', ');

interface Case {
  readonly event: JobEventName;
  readonly job?: string;
  readonly runMs?: number;
  readonly exitCode?: number;
  readonly allowed?: boolean;
  /** The instants at which the gateway looks, in ms after the slot. */
  readonly looks: readonly number[];
  readonly byHand?: boolean;
  /** Whether the job's own webhook is told by this event: nothing else tells it there. */
  readonly own: boolean;
  readonly detail: string;
  readonly others?: readonly JobEventName[];
}

const cases: readonly Case[] = [
  { event: 'job.fired', looks: [1_000], own: false, detail: 'in time' },
  { event: 'job.failed', exitCode: 3, looks: [1_000, 9_000], own: false, detail: 'exit code 3', others: ['job.fired'] },
  { event: 'job.missed', looks: [90_001], own: true, detail: '1 missed' },
  {
    event: 'job.overlapped',
    runMs: 3 * HOUR,
    looks: [1_000, HOUR + 1_000],
    own: false,
    detail: 'the run before it has not ended',
    others: ['job.fired'],
  },
  {
    event: 'job.suspended',
    allowed: false,
    looks: [1_000],
    own: true,
    detail: 'policy-denied: No rule allows it.',
    others: ['job.fired'],
  },
  { event: 'job.run-by-hand', looks: [-1_000], byHand: true, own: false, detail: '{}' },
];

test('each event that a webhook may list is delivered in a case of its own', () => {
  expect(cases.map(({ event }) => event).sort()).toEqual([...jobEvents].sort());
});

test.each(cases)('$event is delivered, signed, to who lists it, and to nobody else', async (given) => {
  const {
    event,
    job = '',
    runMs,
    exitCode = 0,
    allowed = true,
    looks,
    byHand = false,
    own,
    detail,
    others = [],
  } = given;
  const world = new World(START, `schedule: "0 * * * *", notify: own${job}`, runMs, undefined, webhooks());
  Object.assign(world, { exitCode, allowed });
  const process = world.process();
  await process.look();
  for (const after of looks) {
    await world.goTo(SLOT + after);
    if (byHand) await process.jobs.run(person, 'nightly', { options: new Map() });
    else await process.look();
  }
  await deliver(world);
  const slot = byHand ? null : new Date(SLOT + (event === 'job.overlapped' ? HOUR : 0)).toISOString();
  const told = received.splice(0);
  const mine = told.filter(({ type }) => type === event);
  expect(mine.map(({ path }) => path).sort()).toEqual([event, 'all', ...(own ? ['own'] : [])].sort());
  expect(told.every(({ signed }) => signed)).toBe(true);
  for (const { data } of mine)
    expect(data).toMatchObject({ job: 'nightly', slot, detail, summary: expect.stringContaining(event) });
  expect(new Set(told.map(({ type }) => type))).toEqual(new Set([event, ...others]));
});

const person = {
  caller: {
    principal: {
      kind: 'user',
      tid: tenant,
      oid: runner,
      azp: '',
      uti: '',
      roles: [],
      groups: { kind: 'known', ids: [] },
    },
  },
  facts: { requestId: 'request-1', principal: { tid: tenant, oid: runner, azp: '', uti: '', idtyp: 'user' } },
} as unknown as AuthenticatedRequest;

/** What the jobs have left to be told goes out, as it does from every store. */
async function deliver(world: World): Promise<void> {
  const records = await openSqliteRecords(':memory:');
  for (const delivery of world.deliveries.values()) await records.addDelivery(delivery);
  const config = {
    current: () => world.config,
    fresh: async () => world.config,
    isFresh: () => true,
    problem: () => undefined,
  };
  const deliveries = createDeliveries({
    config,
    env: { HOOK: SECRET },
    records,
    trail: { record: async () => undefined } as unknown as NotifyContext['trail'],
    tell: createNotices({ config, policyOf: compilePolicy, records }),
    resolve: async () => [],
    clock: { now: () => world.now, monotonic: () => 0, sleep: () => new Promise(() => undefined) },
    entropy: systemEntropy,
    onError: (error) => {
      throw error;
    },
  });
  await deliveries.run();
  expect(await records.dueDeliveries(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
  await deliveries.close();
  await records.close();
}
