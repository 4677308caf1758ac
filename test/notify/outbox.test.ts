import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { AuditEvent } from '../../shared/audit/events.ts';
import { systemEntropy } from '../../shared/clock.ts';
import type { Config } from '../../shared/config/config.ts';
import { endDelivery } from '../../shared/gateway/lifecycle/end-delivery.ts';
import { createDeliveries, type NotifyContext } from '../../shared/notify/deliver.ts';
import type { Delivery } from '../../shared/store/delivery.ts';
import type { Records } from '../../shared/store/records.ts';
import { openSqliteRecords } from '../../shared/store/sqlite-records.ts';
import { openAzuriteRecords } from '../../shared/store/table-records.ts';
import * as azurite from '../support/azurite.ts';
import { alice, changed, commandRecord } from '../support/records.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

class Killed extends Error {}

/** A store, a receiver on loopback, and as many gateways as a test wants, in time that the test makes. */
class World {
  now = Date.UTC(2026, 0, 1);
  readonly events: AuditEvent[] = [];
  readonly errors: unknown[] = [];
  readonly received: string[] = [];
  /** What the receiver answers, from now on. */
  answer = 200;
  /** Until when the receiver lets its callers wait. */
  pause: Promise<void> | undefined;
  /** Whether what there is to tell cannot be read. */
  unreadable = false;
  readonly records: Records;
  readonly #server = createServer((request, response) => {
    this.received.push(String(request.headers['webhook-id']));
    const answer = (): void =>
      void response.writeHead(this.answer, this.answer === 307 ? { location: 'http://169.254.169.254/' } : {}).end();
    void (this.pause ?? Promise.resolve()).then(answer);
  });

  constructor(records: Records) {
    this.records = records;
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await new Promise((resolve) => this.#server.once('listening', resolve));
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** One look of a gateway that is killed at its n-th effect, before or after it is made. */
  async look({ at = Number.POSITIVE_INFINITY, when = 'before' } = {}): Promise<void> {
    let effects = 0;
    let dead = false;
    const mortal =
      <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        if (dead) throw new Killed();
        const fatal = ++effects === at;
        if (fatal && when === 'before') dead = true;
        if (dead) throw new Killed();
        const result = await call(...args);
        if (fatal) dead = true;
        if (dead) throw new Killed();
        return result;
      };
    const { records } = this;
    const { port } = this.#server.address() as AddressInfo;
    const webhook = {
      name: 'ops',
      url: `http://127.0.0.1:${port}/`,
      profile: 'json',
      events: [],
      output: false,
      private: false,
      hosts: [],
    };
    const config = {
      webhooks: new Map([['ops', webhook]]),
      listen: { host: '127.0.0.1', port: 0 },
    } as unknown as Config;
    const context: NotifyContext = {
      config: { current: () => config, fresh: async () => config, isFresh: () => true, problem: () => undefined },
      env: {},
      records: {
        get: mortal((id: string) => records.get(id)),
        dueDeliveries: mortal((now: number, limit: number) => records.dueDeliveries(now, limit)),
        replaceDelivery: mortal((one: Parameters<Records['replaceDelivery']>[0]) => records.replaceDelivery(one)),
        dropDelivery: mortal((one: Parameters<Records['dropDelivery']>[0]) => records.dropDelivery(one)),
      },
      trail: {
        record: mortal(async (event: AuditEvent) => {
          this.events.push(event);
          return undefined as never;
        }),
      } as unknown as NotifyContext['trail'],
      tell: mortal(async () => {
        if (this.unreadable) throw new Error('the output is damaged');
        return { event: 'command.ended', at: this.now, data: {}, say: () => 'done' };
      }),
      resolve: async () => [],
      clock: { now: () => this.now, monotonic: () => this.now, sleep: () => new Promise(() => undefined) },
      entropy: systemEntropy,
      onError: (error) => void (error instanceof Killed || this.errors.push(error)),
    };
    await createDeliveries(context)
      .run()
      .catch((error: unknown) => {
        if (!(error instanceof Killed)) throw error;
      });
  }

  /** A command that ends, with its delivery in one transaction. */
  async end(id: string): Promise<void> {
    const first = commandRecord(id, {
      status: 'running',
      submittedAt: this.now,
      notify: { webhook: 'ops', on: 'always' },
    });
    await this.records.create(first);
    const ended = changed(first, { status: 'completed', finishedAt: this.now, version: 1 });
    const delivery = endDelivery(first, ended);
    expect(delivery).toBeDefined();
    expect(await this.records.replace(ended, delivery)).toBeDefined();
  }

  kinds(): string[] {
    return this.events.map(({ event }) => event);
  }
}

const describeOutbox = (
  name: string,
  suite: (name: string, run: () => void) => void,
  open: () => Promise<Records>,
  close: () => Promise<void>,
) =>
  suite(`the outbox in ${name}`, () => {
    let records: Records;
    let world: World;
    let ids = 0;
    beforeAll(async () => {
      records = await open();
    }, 60_000);
    afterAll(async () => {
      await records.close();
      await close();
    });
    const fresh = async (): Promise<World> => {
      world = new World(records);
      await world.start();
      await world.end(`outbox-${name.length}-${(ids += 1)}`);
      return world;
    };

    test('gives a message once to who takes it, and no other record is listed for it', async () => {
      const world = await fresh();
      await Promise.all([world.look(), world.look()]);
      await world.look();
      expect([world.received.length, world.kinds()]).toEqual([1, ['delivery.sent']]);
      expect(await records.dueDeliveries(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
      const { items } = await records.list({ owner: alice, limit: 100 });
      expect(items.every(({ id }) => id.startsWith('outbox-'))).toBe(true);
      world.close();
    });

    test('makes no attempt beside one that is under way in another gateway', async () => {
      const world = await fresh();
      const { promise, resolve: goOn } = Promise.withResolvers<void>();
      world.pause = promise;
      const slow = world.look();
      while (world.received.length === 0) await new Promise(setImmediate);
      world.now += MINUTE;
      const over = new AbortController();
      const beside = world.look().then(() => over.abort());
      while (!over.signal.aborted && world.received.length === 1) await new Promise(setImmediate);
      goOn();
      await Promise.all([slow, beside]);
      expect([world.received.length, world.kinds()]).toEqual([1, ['delivery.sent']]);
      world.close();
    });

    test('loses none that a gateway was killed over, at whichever step, and lets the next one take it in time', async () => {
      for (const when of ['before', 'after'])
        for (let at = 1; at <= 7; at += 1) {
          const world = await fresh();
          await world.look({ at, when });
          world.now += 3 * MINUTE;
          await Promise.all([world.look(), world.look()]);
          expect([at, when, world.received.length >= 1 && world.received.length <= 2]).toEqual([at, when, true]);
          expect(new Set(world.received).size).toBe(1); // a receiver knows it again by its id
          expect(await records.dueDeliveries(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
          expect(world.errors).toEqual([]);
          world.close();
        }
    }, 60_000);

    test('gives up after a day, in bounds, and says so', async () => {
      const world = await fresh();
      world.answer = 503;
      const began = world.now;
      while (world.now < began + 2 * DAY) {
        await world.look();
        world.now += 10 * MINUTE;
      }
      expect(world.kinds()).toEqual(['delivery.failed']);
      expect(world.received.length).toBeGreaterThan(6);
      expect(world.received.length).toBeLessThanOrEqual(15);
      world.close();
    }, 60_000);

    test('neither tries for ever what it cannot read, nor gives it up at once', async () => {
      const world = await fresh();
      world.unreadable = true;
      const began = world.now;
      while (world.now < began + 2 * DAY) {
        await world.look();
        world.now += 10 * MINUTE;
      }
      expect([world.kinds(), world.received]).toEqual([['delivery.failed'], []]);
      expect(world.errors.length).toBeGreaterThan(6);
      expect(world.errors.length).toBeLessThanOrEqual(15);
      expect(await records.dueDeliveries(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
      world.close();
    }, 60_000);

    test('takes 410 for the end, and a redirect for nothing', async () => {
      const gone = await fresh();
      gone.answer = 410;
      await gone.look();
      expect(gone.kinds()).toEqual(['delivery.failed']);
      gone.close();
      const away = await fresh();
      away.answer = 307;
      await away.look();
      expect([away.received.length, away.kinds(), away.errors]).toEqual([1, [], []]);
      away.answer = 200;
      away.now += MINUTE;
      await away.look();
      expect(away.kinds()).toEqual(['delivery.sent']);
      away.close();
    });

    test('is asked for what is due to others than those that are busy, whatever stands before it', async () => {
      const of = (webhook: string, index: number): Delivery => ({
        id: `${name}-${webhook}-${index}`,
        version: 1,
        webhook,
        about: { event: 'job.fired', job: 'nightly', detail: 'in time' },
        createdAt: 0,
        attempts: 0,
        due: webhook === 'slow' ? 0 : 1_000,
      });
      const stored = [...Array.from({ length: 30 }, (_, index) => of('slow', index)), of('ops', 1), of("o'ther", 1)];
      for (const one of stored) await records.addDelivery(one);
      const due = async (except: readonly string[]) =>
        (await records.dueDeliveries(1_000, 10, new Set(except))).map(({ webhook }) => webhook).sort();
      expect(await due(['slow'])).toEqual(["o'ther", 'ops']);
      expect(await due(["o'ther", 'slow'])).toEqual(['ops']);
      const many = Array.from({ length: 20 }, (_, index) => `busy-${index}`);
      expect(await due([...many, 'slow', 'ops'])).toEqual(["o'ther"]);
      expect(await due([])).toHaveLength(10);
      for (const one of stored) expect(await records.dropDelivery(one)).toBe(true);
    });

    test('stores no message with an end that somebody else wrote first', async () => {
      const world = await fresh();
      await world.look();
      const first = commandRecord(`lost-${name}`, {
        status: 'running',
        submittedAt: world.now,
        notify: { webhook: 'ops', on: 'always' },
      });
      await records.create(first);
      const ended = changed(first, { status: 'completed', finishedAt: world.now, version: 7 });
      expect(await records.replace(ended, endDelivery(first, ended))).toBeUndefined();
      expect(await records.dueDeliveries(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
      world.close();
    });
  });

describeOutbox(
  'SQLite',
  describe,
  () => openSqliteRecords(':memory:'),
  async () => undefined,
);

let emulator: azurite.Azurite | undefined;
describeOutbox(
  'Azure Tables',
  azurite.describeAzurite,
  async () => {
    emulator = await azurite.startAzurite();
    return openAzuriteRecords(emulator.tableUrl, {
      blobs: emulator.blobUrl,
      clock: { now: () => Date.UTC(2026, 0, 1), monotonic: () => 0, sleep: async () => undefined },
    });
  },
  async () => emulator?.close(),
);
