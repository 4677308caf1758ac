import { randomInt } from 'node:crypto';
import { AzureNamedKeyCredential, TableClient } from '@azure/data-tables';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { openStores } from '../../shared/open-stores.ts';
import { createTableRecords } from '../../shared/store/table-records.ts';
import { account, accountKey, describeAzurite, startAzurite, type Azurite } from '../support/azurite.ts';
import { testStack, type Answer, type TestStack } from '../support/stack.ts';

type Who = 'user' | 'bot' | 'job';
type Step =
  | { readonly kind: 'command'; readonly who: Who; readonly argv: readonly string[]; readonly key?: string }
  | { readonly kind: 'read'; readonly who: Who; readonly nth: number }
  | { readonly kind: 'list'; readonly who: Who; readonly query: string }
  | { readonly kind: 'sweep' };

const who = fc.constantFrom<Who>('user', 'bot', 'job');
/** Nothing whose answer goes by the clock: no ages, and no restart, which kubectl refuses twice in a second. */
const argv = fc.constantFrom(
  ['kubectl', 'get', 'pods', '-n', 'shop', '-o', 'name'],
  ['kubectl', 'get', 'pod', 'no-such-pod', '-n', 'shop'],
  ['kubectl', 'scale', 'deployment/web', '--replicas=2', '-n', 'shop'],
  ['kubectl', 'get', 'secrets', '-n', 'shop'],
  ['kubectl', 'proxy'],
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('command' as const), who, argv }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('command' as const), who, argv, key: fc.constantFrom('a', 'b') }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('read' as const), who, nth: fc.nat({ max: 5 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('list' as const),
      who,
      query: fc.constantFrom('', '?limit=2', '?status=completed', '?cluster=demo&status=failed'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('sweep' as const) }) },
);

/** The same requests to two whole gateways that differ in where their records are, and to nothing else. */
describeAzurite('a gateway on Tables and one on SQLite', () => {
  const seed = Number(process.env['STORES_SEED'] ?? randomInt(2 ** 31));
  let azurite: Azurite;
  let stores = 0;
  beforeAll(async () => {
    azurite = await startAzurite();
  });
  afterAll(() => azurite.close());

  const onTables: typeof openStores = async (config, options) => {
    const opened = await openStores(config, options);
    await opened.records.close();
    stores += 1;
    const table = new TableClient(
      azurite.tableUrl,
      `whole${stores}`,
      new AzureNamedKeyCredential(account, accountKey),
      {
        allowInsecureConnection: true,
      },
    );
    const outputs = new ContainerClient(
      `${azurite.blobUrl}/whole${stores}`,
      new StorageSharedKeyCredential(account, accountKey),
    );
    return { ...opened, records: await createTableRecords({ table, outputs, clock: options.clock }) };
  };

  test('answer alike', async () => {
    const run = fc.asyncProperty(fc.array(step, { minLength: 12, maxLength: 12 }), async (steps) => {
      const stacks = [await testStack(), await testStack({ gateway: { openStores: onTables } })] as const;
      try {
        const [sqlite, tables] = await Promise.all(stacks.map((stack) => answersOf(stack, steps)));
        expect(tables).toEqual(sqlite);
      } finally {
        await Promise.all(stacks.map((stack) => stack.close()));
      }
    });
    await fc.assert(run, { numRuns: Number(process.env['STORES_RUNS'] ?? 2), seed, endOnFailure: true });
  }, 120_000);
});

async function answersOf(stack: TestStack, steps: readonly Step[]): Promise<readonly unknown[]> {
  const ids: string[] = [];
  const answers: unknown[] = [];
  for (const one of steps) {
    switch (one.kind) {
      case 'command': {
        const headers = { prefer: 'wait=60', ...(one.key !== undefined && { 'idempotency-key': one.key }) };
        const answer = await stack.command({ argv: one.argv }, { token: stack.tokens[one.who], headers });
        if (answer.body.id && !ids.includes(answer.body.id)) ids.push(answer.body.id);
        answers.push(essence(answer, ids));
        break;
      }
      case 'read': {
        const path = `/v1/commands/${ids[one.nth] ?? 'none'}`;
        answers.push(essence(await stack.request('GET', path, { token: stack.tokens[one.who] }), ids));
        break;
      }
      case 'list':
        answers.push(
          essence(await stack.request('GET', `/v1/commands${one.query}`, { token: stack.tokens[one.who] }), ids),
        );
        break;
      case 'sweep':
        answers.push(await stack.gateway.sweep());
    }
  }
  return answers;
}

/** What two gateways must agree on: everything but ids, times, receipts and cursors, which are each one's own. */
function essence({ status, text }: Answer<unknown>, ids: readonly string[]): unknown {
  const own = new Set(['submittedAt', 'startedAt', 'finishedAt', 'receipt', 'azure', 'instance']);
  const parsed: unknown =
    text === '' ? undefined : JSON.parse(text, (key, value: unknown) => (own.has(key) ? undefined : value));
  const named = ids.reduce((json, id, index) => json.replaceAll(id, `id-${index}`), JSON.stringify(parsed) ?? '');
  return { status, body: named.replaceAll(/"next":"[^"]*"/g, '"next":"…"') };
}
