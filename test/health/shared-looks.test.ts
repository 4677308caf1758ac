import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import { systemClock } from '../../shared/clock.ts';
import { Problem } from '../../shared/errors.ts';
import { createLooks } from '../../shared/health/looks.ts';
import { createSharedLooks } from '../../shared/health/shared-looks.ts';
import { StorageUnavailable } from '../../shared/store/append-log.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';

let stack: TestStack;
beforeAll(async () => {
  // Each look counts as eleven commands.
  stack = await testStack({
    jobs: false,
    edit: (yaml) => yaml.replace('submitsPerMinute: 30', 'submitsPerMinute: 400').replace('max: 3600', 'max: 330'),
  });
});
afterAll(() => stack.close());

test('a process that knows nothing of a look finds it by the store, while it goes on and when it has just ended', async () => {
  let ahead = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + ahead };
  const notes = new Map<string, { version: number; text: string }>();
  const records = {
    getNote: async (name: string) => notes.get(name),
    putNote: async (name: string, { version, text }: { version: number; text: string }) => {
      if ((notes.get(name)?.version ?? 0) !== version) return false;
      notes.set(name, { version: version + 1, text });
      return true;
    },
  };
  const view = () => Promise.reject(new Problem('azure-unreachable', 'Azure is away.'));
  const { gateway } = stack.gateway;
  const seconds: (number | undefined)[][] = [];
  const process = (store = records) =>
    createLooks({
      gateway: {
        ...gateway,
        runBatch: (asker, batch, signal) => {
          seconds.push(batch.steps.map(({ timeoutSeconds }) => timeoutSeconds));
          return gateway.runBatch(asker, batch, signal);
        },
      },
      relay: { view },
      clock,
      metrics: { set: () => undefined },
      shared: createSharedLooks(store, clock),
    });
  const tid = '11111111-1111-4111-8111-111111111111';
  const request = {
    caller: {
      principal: { kind: 'app', tid, oid: people.bot, azp: '', uti: '', roles: [], groups: { known: true, ids: [] } },
    },
    facts: { requestId: 'r', principal: { tid, oid: people.bot, azp: '', uti: '', idtyp: 'app' } },
  } as const;
  const look = async (looks: ReturnType<typeof process>) =>
    (await looks.look(request, { cluster: 'demo', namespace: 'shop' }, { ms: 60_000 })).health?.parts.pods.numbers;

  const first = look(process());
  while (notes.size === 0) await turn();
  const [one, two] = await Promise.all([first, look(process())]);
  expect(await look(process())).toEqual(one);
  expect(two).toEqual(one);
  expect(stack.azure.arm.posts).toHaveLength(1);
  expect(one).toMatchObject({ total: 4 });
  // Each command has its share of the time of one, and a minute at most.
  expect(seconds).toEqual([seconds[0]?.map(() => 330 / 11)]);

  ahead = 60_000;
  await look(process());
  expect(stack.azure.arm.posts).toHaveLength(2);

  const away = () => Promise.reject(new StorageUnavailable('the store does not answer'));
  expect(await look(process({ getNote: away, putNote: away }))).toMatchObject({ total: 4 });
  expect(stack.azure.arm.posts).toHaveLength(3);
});
