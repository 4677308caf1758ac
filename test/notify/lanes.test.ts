import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { systemEntropy } from '../../shared/clock.ts';
import type { Config } from '../../shared/config/config.ts';
import { createDeliveries, type NotifyContext } from '../../shared/notify/deliver.ts';
import { createLanes } from '../../shared/notify/lanes.ts';
import type { Delivery } from '../../shared/store/delivery.ts';
import { openSqliteRecords } from '../../shared/store/sqlite-records.ts';

const AT_ONCE = 4;

const delivery = (id: string, webhook: string, due = 0): Delivery => ({
  id,
  version: 1,
  webhook,
  about: { event: 'job.fired', job: 'nightly', detail: 'in time' },
  createdAt: 0,
  attempts: 0,
  due,
});

/** Everything that can happen before time goes on has happened. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 4; turn += 1) await new Promise(setImmediate);
};

/** Receivers, each of which takes its own time for an answer; the store; and time that goes from one event to the next. */
class Day {
  now = 0;
  readonly ended = new Map<string, number>();
  readonly atOnce = new Map<string, number>();
  most = 0;
  readonly #stored = new Map<string, Delivery>();
  readonly #events: { readonly at: number; readonly happen: () => void }[] = [];
  readonly #lanes = createLanes({
    due: async (limit, except) =>
      [...this.#stored.values()]
        .filter(({ webhook, due }) => due <= this.now && !except.has(webhook))
        .sort((one, other) => one.due - other.due)
        .slice(0, limit),
    attempt: async ({ id, webhook }) => {
      if (!this.#stored.delete(id)) throw new Error(`${id} was attempted twice`);
      const busy = (this.atOnce.get(webhook) ?? 0) + 1;
      this.atOnce.set(webhook, busy);
      this.most = Math.max(this.most, busy);
      await new Promise<void>((answer) => this.at(this.now + (this.slowness.get(webhook) ?? 0), answer));
      this.atOnce.set(webhook, (this.atOnce.get(webhook) ?? 0) - 1);
      this.ended.set(id, this.now);
    },
    signal: new AbortController().signal,
    onError: (error) => {
      throw error;
    },
  });
  readonly slowness: ReadonlyMap<string, number>;

  constructor(slowness: ReadonlyMap<string, number>) {
    this.slowness = slowness;
  }

  at(at: number, happen: () => void): void {
    this.#events.push({ at, happen });
  }

  /** Something comes for a webhook, and is looked for at once. */
  comes({ name, at, count, webhook }: Coming): void {
    this.at(at, () => {
      for (let index = 0; index < count; index += 1) {
        const one = delivery(`${name} ${index}`, webhook, at);
        this.#stored.set(one.id, one);
      }
      void this.#lanes.look();
    });
  }

  async pass(): Promise<void> {
    for (let left = 100_000; this.#events.length > 0 && left > 0; left -= 1) {
      this.now = Math.min(...this.#events.map(({ at }) => at));
      const due = this.#events.filter(({ at }) => at === this.now);
      this.#events.splice(0, this.#events.length, ...this.#events.filter(({ at }) => at !== this.now));
      for (const { happen } of due) happen();
      await settled();
    }
    expect(this.#stored.size).toBe(0);
  }
}

interface Coming {
  readonly name: number;
  readonly at: number;
  readonly count: number;
  readonly webhook: string;
}

async function endsOf(slowness: ReadonlyMap<string, number>, coming: readonly Coming[]): Promise<Map<string, number>> {
  const day = new Day(slowness);
  for (const one of coming) day.comes(one);
  await day.pass();
  expect(day.most).toBeLessThanOrEqual(AT_ONCE);
  return day.ended;
}

test('each webhook is served as if it were the only one, however slow the others are and whatever waits for them', async () => {
  const names = ['a', 'b', 'c', 'd'];
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: names.length, maxLength: names.length }),
      fc.array(
        fc.record({
          at: fc.integer({ min: 0, max: 60_000 }),
          count: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constant(130)),
          webhook: fc.constantFrom(...names),
        }),
        { minLength: 1, maxLength: 5 },
      ),
      async (times, all) => {
        const coming = all.map((one, name) => ({ ...one, name }));
        const slowness = new Map(names.map((name, index) => [name, times[index] ?? 1]));
        const together = await endsOf(slowness, coming);
        for (const name of names) {
          const own = coming.filter(({ webhook }) => webhook === name);
          const alone = await endsOf(slowness, own);
          // What comes beside it may cut a look short: then some of its own places stay empty for one attempt.
          const slack = coming.length * (slowness.get(name) ?? 0);
          for (const [id, at] of alone) expect([id, (together.get(id) ?? Infinity) <= at + slack]).toEqual([id, true]);
        }
      },
    ),
    { numRuns: 15 },
  );
}, 60_000);

test('a receiver that hangs with a long backlog delays nobody else, over real sockets', async () => {
  const held: ServerResponse[] = [];
  const got: string[] = [];
  const [hanging, prompt] = await Promise.all([
    listening((response) => held.push(response)),
    listening((response, id) => {
      got.push(id);
      response.end();
    }),
  ]);
  const records = await openSqliteRecords(':memory:');
  const webhook = (name: string, server: Server) => {
    const { port } = server.address() as AddressInfo;
    return [
      name,
      { name, url: `http://127.0.0.1:${port}/`, profile: 'json', events: [], output: false, private: false },
    ] as const;
  };
  const config = {
    webhooks: new Map([webhook('hanging', hanging), webhook('prompt', prompt)]),
    listen: { host: '127.0.0.1', port: 0 },
  } as unknown as Config;
  const deliveries = createDeliveries({
    config: { current: () => config, fresh: async () => config, isFresh: () => true, problem: () => undefined },
    env: {},
    records,
    trail: { record: async () => undefined } as unknown as NotifyContext['trail'],
    tell: async () => ({ event: 'job.fired', at: 0, data: {}, say: () => 'done' }),
    resolve: async () => [],
    // Time stands still: no attempt comes to its time-out.
    clock: { now: () => 1_000, monotonic: () => 0, sleep: () => new Promise(() => undefined) },
    entropy: systemEntropy,
    onError: (error) => {
      throw error;
    },
  });
  for (let index = 0; index < 150; index += 1) await records.addDelivery(delivery(`old-${index}`, 'hanging'));
  await records.addDelivery(delivery('new-1', 'prompt', 900));
  deliveries.soon();
  await until(() => got.length >= 1);
  await records.addDelivery(delivery('new-2', 'prompt', 950));
  deliveries.soon();
  await until(() => got.length >= 2);
  await until(() => held.length >= AT_ONCE);
  expect(got).toEqual(['new-1', 'new-2']);
  expect(held).toHaveLength(AT_ONCE);
  await deliveries.close();
  await records.close();
  for (const server of [hanging, prompt]) {
    server.closeAllConnections();
    server.close();
  }
}, 30_000);

/** A loop that nothing ends would outlive the test's own time-out. */
async function until(condition: () => boolean): Promise<void> {
  for (const began = performance.now(); !condition(); await new Promise(setImmediate))
    if (performance.now() - began > 20_000) throw new Error('it did not come to that');
}

async function listening(answer: (response: ServerResponse, id: string) => void): Promise<Server> {
  const server = createServer((request, response) => answer(response, String(request.headers['webhook-id'])));
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return server;
}
