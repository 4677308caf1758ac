import { ContainerClient, StorageSharedKeyCredential, newPipeline } from '@azure/storage-blob';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { verifyTrail } from '../../shared/audit/verify/verify.ts';
import { systemClock } from '../../shared/clock.ts';
import type { AppendLog } from '../../shared/store/append-log.ts';
import { createBlobLog } from '../../shared/store/blob-log.ts';
import {
  account,
  accountKey,
  describeAzurite,
  startAzurite,
  startFaultyBlobs,
  type StorageFault,
  type Azurite,
} from '../support/azurite.ts';
import { completed, createBench, intended, linesOf } from './support/samples.ts';

describeAzurite('the trail in append blobs', () => {
  let azurite: Azurite;
  let count = 0;
  beforeAll(async () => {
    azurite = await startAzurite();
  });
  afterAll(() => azurite.close());

  const newContainer = async (origin: string): Promise<{ url: string; log: AppendLog; container: ContainerClient }> => {
    const url = `${origin}/${account}/trail${(count += 1)}`;
    const credential = new StorageSharedKeyCredential(account, accountKey);
    const container = new ContainerClient(url, newPipeline(credential, { retryOptions: { maxTries: 1 } }));
    await container.create();
    return {
      url,
      container,
      log: createBlobLog({ container, clock: { ...systemClock, sleep: async () => undefined } }),
    };
  };

  test.each([
    ['forbids it (403)', 403],
    ['has a lease or a policy in the way (409)', 409],
    ['says that the place is another (412)', 412],
    ['is busy (503)', 503],
    ['never hears of it', 'lose-request'],
  ] as const)('is unavailable while the store %s, and goes on by itself afterwards', async (_, what) => {
    let fault: StorageFault = 'pass';
    await using way = await startFaultyBlobs(azurite, () => fault);
    const { log } = await newContainer(way.origin);
    await using bench = await createBench(() => log);
    const trail = await bench.open();
    await trail.record(intended('cmd-1'));

    fault = what;
    for (const event of [completed('cmd-1'), intended('cmd-2')])
      await expect(trail.record(event)).rejects.toMatchObject({ code: 'audit-unavailable' });
    await expect(trail.check()).rejects.toMatchObject({ code: 'audit-unavailable' });
    fault = 'pass';
    await bench.clock.advance(1_500);
    await trail.record(completed('cmd-1'));
    await expect(trail.check()).resolves.toBeUndefined();
    await trail.close();
    const report = await verifyTrail(log, { rootKeys: [bench.key.keyId], now: bench.clock.now() });
    // The test's clock stands at another year than the store's: that is seen too, and nothing else.
    const kinds = report.findings.filter(({ level }) => level !== 'note').map(({ kind }) => kind);
    expect(kinds).toEqual(['store-clock']);
    expect(report.streams).toHaveLength(2);
  });

  test('takes an answer that was lost for no failure, and has the line once', async () => {
    await using way = await startFaultyBlobs(azurite, (append) => (append % 2 === 0 ? 'lose-answer' : 'pass'));
    const { log } = await newContainer(way.origin);
    await using bench = await createBench(() => log);
    const trail = await bench.open();
    for (let n = 0; n < 5; n += 1) {
      await trail.record(intended(`cmd-${n}`));
      await trail.record(completed(`cmd-${n}`));
    }
    await expect(trail.check()).resolves.toBeUndefined();
    await trail.close();
    expect(await linesOf(log)).toHaveLength(25);
    const { counts } = await verifyTrail(log, { rootKeys: [bench.key.keyId], now: bench.clock.now() });
    expect(counts).toEqual({ 'store-clock': 1 });
  });

  test('stops at what somebody else wrote into its stream, goes on in another, and verification names the place', async () => {
    const { log, container } = await newContainer(new URL(azurite.blobUrl).origin);
    await using bench = await createBench(() => log);
    const trail = await bench.open();
    const { stream } = await trail.record(intended('cmd-1'));
    await container.getAppendBlobClient(`${stream}.000000.jsonl`).appendBlock('evil\n', 5);
    await expect(trail.record(completed('cmd-1'))).rejects.toMatchObject({ code: 'audit-unavailable' });
    await bench.clock.advance(1_500);
    await trail.record(completed('cmd-1'));
    await trail.close();
    const { findings } = await verifyTrail(log, { rootKeys: [bench.key.keyId], now: bench.clock.now() });
    const broken = findings.filter(({ level }) => level === 'broken');
    expect(broken).toMatchObject([{ kind: 'not-canonical', stream, seq: 4 }]);
  });
});
