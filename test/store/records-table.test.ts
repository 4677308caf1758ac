import { inspect } from 'node:util';

import { AzureNamedKeyCredential, RestError, TableClient } from '@azure/data-tables';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

import { StorageUnavailable } from '../../shared/store/append-log.ts';
import type { Records } from '../../shared/store/records.ts';
import { blobEndpoint, storageCredential } from '../../shared/store/azure-storage.ts';
import { createTableRecords, openTableRecords } from '../../shared/store/table-records.ts';
import { Secret } from '../../shared/secret.ts';
import { systemClock } from '../../shared/clock.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { account, accountKey, describeAzurite, startAzurite } from '../support/azurite.ts';
import type { Azurite } from '../support/azurite.ts';
import { problemOf } from '../identity/problem-of.ts';
import { describeRecords, purgeOutputs } from './records-contract.ts';
import { changed, commandId, commandRecord, ownerKey } from '../support/records.ts';

describeAzurite('against Azurite', () => {
  let azurite: Azurite;
  beforeAll(async () => {
    azurite = await startAzurite();
  });
  afterAll(() => azurite.close());

  let stores = 0;
  function newStore() {
    stores += 1;
    const table = new TableClient(
      azurite.tableUrl,
      `records${stores}`,
      new AzureNamedKeyCredential(account, accountKey),
      {
        allowInsecureConnection: true,
        retryOptions: { maxRetries: 2, retryDelayInMs: 1, maxRetryDelayInMs: 2 },
      },
    );
    const outputs = new ContainerClient(
      `${azurite.blobUrl}/outputs${stores}`,
      new StorageSharedKeyCredential(account, accountKey),
    );
    return { table, outputs, clock: systemClock };
  }

  describeRecords('Azure Tables and blobs', () => createTableRecords(newStore()), { modelRuns: 5 });

  describe('Azure Tables', () => {
    const rowsOf = async (table: TableClient, partition: string): Promise<string[]> => {
      const found: string[] = [];
      for await (const { partitionKey, rowKey } of table.listEntities()) {
        if (partitionKey === partition) found.push(rowKey ?? '');
      }
      return found;
    };
    const id = 'c1';
    const nothing = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
    const unfinished = (record = commandRecord(id)) => `${String(record.submittedAt).padStart(16, '0')}:${record.id}`;

    test('are shared: what one process writes, another sees, and wins only with the version', async () => {
      const store = newStore();
      const [a, b] = await Promise.all([createTableRecords(store), createTableRecords(store)]);
      await a.create(commandRecord(id));
      const mine = await a.replace(commandRecord(id));
      expect(await b.get(id)).toEqual(mine);
      expect(await b.replace(commandRecord(id))).toBeUndefined();
      const theirs = await b.replace(changed(commandRecord(id), { version: 2, status: 'running' }));
      expect(theirs).toMatchObject({ version: 3 });
      // The etag that a remembers is old now.
      expect(await a.replace({ ...commandRecord(id), version: 2 })).toBeUndefined();
      expect(await a.get(id)).toEqual(theirs);
    });

    test('hold a record as long as its row can, and say when it is longer', async () => {
      const records = await createTableRecords(newStore());
      const long = (length: number) => commandRecord('long', { argv: ['x'.repeat(length)] });
      expect(await problemOf(records.create(long(450_000)))).toMatchObject({ code: 'payload-too-large' });
      expect(await records.get('long')).toBeUndefined();
      await records.create(long(440_000));
      expect(await records.get('long')).toEqual(long(440_000));
    });

    test.each(["user:t:o'brien", 'a/b\\c#d?e', '', 'ünïcode 😀', 'job:nightly run'])(
      'take any owner and id: %j',
      async (name) => {
        const owner = ownerKey(name);
        const records = await createTableRecords(newStore());
        const odd = commandRecord(`id ${owner}/`, { owner });
        await records.create(odd);
        await records.putOutput(odd.id, { stdout: Buffer.from('o'), stderr: Buffer.from('e') });
        expect(await records.get(odd.id)).toEqual(odd);
        expect((await records.list({ owner, limit: 1 })).items).toEqual([odd]);
        expect(await records.getOutput(odd.id)).toBeDefined();
      },
    );

    test('keep no row of what was going on once it is over', async () => {
      const store = newStore();
      const records = await createTableRecords(store);
      await records.create(commandRecord(id));
      expect(await rowsOf(store.table, 'unfinished')).toEqual([unfinished()]);
      await records.replace(changed(commandRecord(id), { status: 'completed', finishedAt: 1_000 }));
      expect(await rowsOf(store.table, 'unfinished')).toEqual([]);
      expect(await rowsOf(store.table, 'ended')).toEqual(['0000000000001000:c1']);
      await purgeOutputs(records, 1_001);
      expect(await rowsOf(store.table, 'ended')).toEqual([]);
    });

    test('a record that cannot be read holds up none of the others', async () => {
      const store = newStore();
      const records = await createTableRecords(store);
      await records.create(commandRecord('broken'));
      await records.create(commandRecord('whole'));
      await records.create(commandRecord('gone', { status: 'completed', finishedAt: 1_000 }));
      await records.putOutput(commandId('gone'), { stdout: Buffer.from('out'), stderr: Buffer.alloc(0) });
      for (const id of ['broken', 'gone']) {
        const at = await store.table.getEntity<{ partition: string; row: string }>(`id:${id}`, 'at');
        await store.table.updateEntity({ partitionKey: at.partition, rowKey: at.row, body0: '{' }, 'Merge');
      }
      const { records: found, unreadable } = await records.unfinished(10);
      expect(found).toEqual([commandRecord('whole')]);
      expect(unreadable).toHaveLength(1);
      const limits = { outputsBefore: 1_001, recordsBefore: 0, now: 0 };
      expect(await records.purge(limits)).toEqual({ outputs: 0, records: 0, unreadable: ['gone'] });
      expect(await records.purge(limits)).toEqual({ outputs: 0, records: 0, unreadable: [] });
      expect(await records.getOutput('gone')).toBeUndefined();
    });

    test.each(['table', 'container'] as const)(
      'a %s that was deleted is a store that cannot be used, never an empty one',
      async (what) => {
        const store = newStore();
        const records = await createTableRecords(store);
        await records.create(commandRecord(id));
        if (what === 'table') await store.table.deleteTable();
        else await store.outputs.delete();
        const asked =
          what === 'table'
            ? [records.get('c9'), records.unfinished(1), records.create(commandRecord('c2')), records.ping()]
            : [records.getOutput(id), records.putOutput(commandId(id), nothing), records.ping()];
        for (const settled of await Promise.allSettled(asked)) {
          const error: unknown = settled.status === 'rejected' ? settled.reason : 'no error';
          expect(error).toBeInstanceOf(StorageUnavailable);
          expect(String(error)).toMatch(/NotFound|BeingDeleted/);
          expect(String(error)).toContain('restart the gateway, which makes an empty one');
        }
        await createTableRecords(store).then((again) => again.ping());
      },
    );

    describe('after a crash', () => {
      const now = commandRecord(id).submittedAt;
      const none = { records: [], unreadable: [] };

      test('between the unfinished row and the record, clear the row away, but not while it may be under way', async () => {
        const store = newStore();
        const clock = createManualClock(now);
        const records = await createTableRecords({ ...store, clock });
        await records.create(commandRecord(id));
        const pointer = await store.table.getEntity<{ partition: string; row: string }>(`id:${id}`, 'at');
        await store.table.deleteEntity(pointer.partition, pointer.row);
        clock.step(3_600_000);
        expect(await records.unfinished(10)).toEqual(none);
        expect(await rowsOf(store.table, 'unfinished')).toHaveLength(1);
        clock.step(1);
        expect(await records.unfinished(10)).toEqual(none);
        expect(await rowsOf(store.table, 'unfinished')).toEqual([]);
      });

      test('between the end of a record and its unfinished row, clear the row away', async () => {
        const store = newStore();
        const records = await createTableRecords(store);
        await records.create(commandRecord(id));
        const row = await store.table.getEntity('unfinished', unfinished());
        await records.replace(changed(commandRecord(id), { status: 'failed' }));
        await store.table.upsertEntity({ ...row, partitionKey: 'unfinished', rowKey: unfinished() });
        expect(await rowsOf(store.table, 'unfinished')).toHaveLength(1);
        expect(await records.unfinished(10)).toEqual(none);
        expect(await rowsOf(store.table, 'unfinished')).toHaveLength(0);
      });

      test('or while the rows beside a record cannot be written, have written the record', async () => {
        let down = false;
        const store = newStore();
        store.table.pipeline.addPolicy({
          name: 'refused',
          sendRequest: async (request, next) => {
            if (down && request.url.includes('unfinished')) throw new RestError('down', { statusCode: 503 });
            return next(request);
          },
        });
        const records = await createTableRecords(store);
        const running = { status: 'running' } as const;
        await records.create(commandRecord('c1', running));
        await records.create(commandRecord('c2', running));
        down = true;
        const next = await records.replace({ ...commandRecord('c1', running), carrier: 'gateway-2' });
        expect(next).toMatchObject({ version: 2 });
        expect(await records.replace(changed(commandRecord('c2', running), { status: 'failed' }))).toMatchObject({
          version: 2,
        });
        down = false;
        expect(await rowsOf(store.table, 'unfinished')).toHaveLength(2);
        expect(await records.unfinished(10)).toEqual({ records: [next], unreadable: [] });
        expect(await rowsOf(store.table, 'unfinished')).toHaveLength(1);
      });

      test('between the mark of a purge and the output, remove the output later', async () => {
        const store = newStore();
        const records = await createTableRecords(store);
        const ended = changed(commandRecord(id), { status: 'completed', finishedAt: 1_000 });
        await records.create({ ...ended, outputPurged: true });
        await records.putOutput(commandId(id), { stdout: Buffer.from('o'), stderr: Buffer.alloc(0) });
        expect(await purgeOutputs(records, 1_001)).toBe(0);
        expect(await records.getOutput(id)).toBeUndefined();
      });
    });

    describe('when the answer to a write is lost, and the write sent again', () => {
      const losing = async (lose: (method: string, url: string) => boolean): Promise<Records> => {
        const store = newStore();
        store.table.pipeline.addPolicy(
          {
            name: 'lostAnswer',
            sendRequest: async (request, next) => {
              const response = await next(request);
              if (!lose(request.method, request.url)) return response;
              return { ...response, status: 503 };
            },
          },
          { afterPhase: 'Retry' },
        );
        return createTableRecords(store);
      };

      test('know their own write again', async () => {
        let left = 0;
        const records = await losing((method) => ['POST', 'PUT'].includes(method) && (left -= 1) >= 0);
        left = 1;
        await records.create(commandRecord('c1'));
        left = 2;
        await records.create(commandRecord('c2'));
        left = 1;
        expect(await records.replace(commandRecord('c1'))).toMatchObject({ version: 2 });
        expect(await records.replace({ ...commandRecord('c1'), version: 2 })).toMatchObject({ version: 3 });
        left = 1;
        const claim = { scope: 'ab', body: 'b', commandId: commandId('c1'), expiresAt: 10 };
        expect(await records.claimKey(claim, 0)).toEqual({ claimed: true });
        left = 1;
        expect(await records.lease('sweep', 'a', 10, 0)).toBe(true);
      });

      test('still lose to somebody else', async () => {
        let left = 0;
        const records = await losing((method) => method === 'PUT' && (left -= 1) >= 0);
        await records.create(commandRecord('c1'));
        left = 1;
        const wins = await Promise.all(Array.from({ length: 5 }, () => records.replace(commandRecord('c1'))));
        expect(wins.filter((win) => win !== undefined)).toHaveLength(1);
      });

      test('are unavailable when no answer ever comes, and say neither key nor content', async () => {
        let down = false;
        const records = await losing(() => down);
        await records.create(commandRecord('c1'));
        down = true;
        const calls = [
          records.get('c9'),
          records.create(commandRecord('secret-id')),
          records.list({ owner: ownerKey('x'), limit: 1 }),
          records.inFlight(),
          records.unfinished(1),
          records.ping(),
        ];
        for (const settled of await Promise.allSettled(calls)) {
          const error: unknown = settled.status === 'rejected' ? settled.reason : 'no error';
          expect(error).toBeInstanceOf(StorageUnavailable);
          expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/secret-id|SharedKey/);
        }
      });
    });
  });
});

describe('the blob endpoint', () => {
  test.each([
    ['https://acct.table.core.windows.net', 'https://acct.blob.core.windows.net'],
    ['https://acct.table.core.usgovcloudapi.net/', 'https://acct.blob.core.usgovcloudapi.net'],
    ['https://acct.table.core.chinacloudapi.cn', 'https://acct.blob.core.chinacloudapi.cn'],
  ])('beside %s is %s', (table, blob) => {
    expect(blobEndpoint(table)).toBe(blob);
  });

  test('beside anything else is nowhere', () => {
    expect(() => blobEndpoint('https://acct.blob.core.windows.net')).toThrow(StorageUnavailable);
  });
});

describe('the account of the configuration', () => {
  test('is opened with tokens of the gateway for storage, asked for again within minutes', async () => {
    const clock = createManualClock(1_000);
    const asked: string[] = [];
    const credential = storageCredential(async (scope) => {
      asked.push(scope);
      return new Secret('a-token');
    }, clock);
    expect(await credential.getToken(['https://storage.azure.com/.default'])).toEqual({
      token: 'a-token',
      expiresOnTimestamp: 241_000,
    });
    expect(asked).toEqual(['https://storage.azure.com/.default']);
  });

  test('is unavailable where no token is given', async () => {
    const refuse = async (): Promise<Secret> => {
      throw new Error('no identity here');
    };
    const opening = openTableRecords('https://acct.table.core.windows.net', {
      credential: refuse,
      clock: createManualClock(),
    });
    await expect(opening).rejects.toThrow('no identity here');
    await expect(opening).rejects.toBeInstanceOf(StorageUnavailable);
  });
});
