import { constants } from 'node:fs';
import * as nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ContainerClient, StorageSharedKeyCredential, newPipeline } from '@azure/storage-blob';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../shared/clock.ts';
import { createBlobLog, isImmutable, warnIfMutable } from '../../shared/store/blob-log.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import {
  account,
  accountKey,
  describeAzurite,
  startAzurite,
  startFaultyBlobs,
  type StorageFault,
  type Azurite,
} from '../support/azurite.ts';
import { describeAppendLog } from './append-log-contract.ts';

const folders: string[] = [];
const newFolder = async (): Promise<string> => {
  const folder = await nodeFs.mkdtemp(path.join(tmpdir(), 'aksgw-log-'));
  folders.push(folder);
  return folder;
};
afterAll(() => Promise.all(folders.map((folder) => nodeFs.rm(folder, { recursive: true, force: true }))));

for (const syncOnWrite of [true, false])
  describeAppendLog(`a log in files, ${syncOnWrite ? 'durable by O_DSYNC' : 'by fdatasync'}`, async (options) => {
    const folder = path.join(await newFolder(), 'log');
    return {
      log: createFileLog({ folder, syncOnWrite, ...(options.smallSegments && { maxSegmentBytes: 200 }) }),
      tear: (stream, bytes) => nodeFs.appendFile(path.join(folder, `${stream}.000000.jsonl`), bytes),
      close: async () => undefined,
    };
  });

describe('a log in files', () => {
  test('lists its folder once for its streams, and not again for each of them', async () => {
    const folder = path.join(await newFolder(), 'log');
    let listed = 0;
    const readdir = (async (...args: Parameters<typeof nodeFs.readdir>) => {
      listed += 1;
      return nodeFs.readdir(...args);
    }) as typeof nodeFs.readdir;
    const log = createFileLog({ folder, fs: { ...nodeFs, readdir } });
    for (const name of ['one', 'two', 'three']) {
      const stream = await log.open(name);
      await stream.append([name]);
      await stream.close();
    }
    for (const name of await log.streams()) expect((await log.tail(name)).last?.text).toBe(name);
    expect(listed).toBe(1);
  });

  test('tells what stands there beside its streams: links, other names, segments behind a gap', async () => {
    const folder = path.join(await newFolder(), 'log');
    const log = createFileLog({ folder });
    await (await log.open('one')).close();
    await nodeFs.symlink('one.000000.jsonl', path.join(folder, 'two.000000.jsonl'));
    await nodeFs.mkdir(path.join(folder, 'three.000000.jsonl'));
    await nodeFs.writeFile(path.join(folder, 'one.000000.jsonl.old'), '');
    await nodeFs.writeFile(path.join(folder, 'one.000002.jsonl'), 'x\n');
    expect(await log.streams()).toEqual(['one']);
    expect((await log.strangers()).toSorted((a, b) => a.name.localeCompare(b.name))).toEqual([
      { name: 'one.000000.jsonl.old', why: 'name' },
      { name: 'one.000002.jsonl', why: 'gap' },
      { name: 'three.000000.jsonl', why: 'link' },
      { name: 'two.000000.jsonl', why: 'link' },
    ]);
    expect(await log.segments('one')).toEqual([{ segment: 0, bytes: 0 }]);
  });

  type Harm = (file: string) => Promise<unknown>;
  const harms: readonly (readonly [string, Harm])[] = [
    ['removed', (file) => nodeFs.rm(file)],
    ['moved away', (file) => nodeFs.rename(file, `${file}.away`)],
    ['cut', (file) => nodeFs.truncate(file, 1)],
    [
      'replaced by a copy',
      async (file) => {
        await nodeFs.copyFile(file, `${file}.copy`);
        await nodeFs.rename(`${file}.copy`, file);
      },
    ],
    ['added to', (file) => nodeFs.appendFile(file, 'more\n')],
    ['moved away with its folder', (file) => nodeFs.rename(path.dirname(file), `${path.dirname(file)}.away`)],
  ];
  test.each(harms)('takes nothing more once its file was %s, and says so when it is asked', async (_, harm) => {
    for (const asked of ['append', 'check'] as const) {
      const folder = path.join(await newFolder(), 'log');
      const stream = await createFileLog({ folder }).open('s1');
      await stream.append(['a']);
      await expect(stream.check()).resolves.toBeUndefined();
      await harm(path.join(folder, 's1.000000.jsonl'));
      await expect(asked === 'check' ? stream.check() : stream.append(['b'])).rejects.toMatchObject({
        name: 'StorageUnavailable',
      });
      await expect(stream.append(['c'])).rejects.toMatchObject({ name: 'StorageUnavailable' });
      await stream.close();
    }
  });

  test('is readable by its owner only', async () => {
    const folder = path.join(await newFolder(), 'log');
    await (await createFileLog({ folder }).open('s1')).close();
    expect((await nodeFs.stat(folder)).mode & 0o777).toBe(0o700);
    expect((await nodeFs.stat(path.join(folder, 's1.000000.jsonl'))).mode & 0o777).toBe(0o600);
  });

  test.each([
    [true, ['sync folder', 'write']],
    [false, ['sync folder', 'write', 'datasync']],
  ])(
    'makes the folder durable before the first line, and each batch as it is written (O_DSYNC: %s)',
    async (syncOnWrite, expected) => {
      const folder = await newFolder();
      const calls: string[] = [];
      const log = createFileLog({
        folder,
        syncOnWrite,
        fs: {
          ...nodeFs,
          open: async (file, flags, mode) => {
            const handle = await nodeFs.open(file, flags, mode);
            if (flags !== 'r') expect(Number(flags) & constants.O_DSYNC).toBe(syncOnWrite ? constants.O_DSYNC : 0);
            const name = path.basename(String(file));
            const sync = handle.sync.bind(handle);
            const datasync = handle.datasync.bind(handle);
            const write = handle.write.bind(handle) as (...args: unknown[]) => Promise<unknown>;
            return Object.assign(handle, {
              sync: () => (calls.push(`sync ${name === path.basename(folder) ? 'folder' : name}`), sync()),
              datasync: () => (calls.push('datasync'), datasync()),
              write: (...args: unknown[]) => (calls.push('write'), write(...args)),
            });
          },
        },
      });
      const stream = await log.open('s1');
      await stream.append(Array.from({ length: 300 }, (_, n) => `${n}`));
      await stream.close();
      expect(calls).toEqual(expected);
    },
  );

  for (const [name, code, call] of [
    ['a full disk', 'ENOSPC', 'write'],
    ['a disk that fails to flush', 'EIO', 'datasync'],
  ] as const)
    test(`rejects what a batch held, and everything after it, on ${name}`, async () => {
      const folder = await newFolder();
      let failing = false;
      const log = createFileLog({
        folder,
        syncOnWrite: call === 'write',
        fs: {
          ...nodeFs,
          open: async (file, flags, mode) => {
            const handle = await nodeFs.open(file, flags, mode);
            const real = handle[call].bind(handle) as (...args: unknown[]) => Promise<unknown>;
            Object.assign(handle, {
              [call]: (...args: unknown[]) => {
                if (!failing || !(Number(flags) & constants.O_APPEND)) return real(...args);
                return Promise.reject(Object.assign(new Error(name), { code }));
              },
            });
            return handle;
          },
        },
      });
      const stream = await log.open('s1');
      await stream.append(['a']);
      failing = true;
      const lost = await Promise.allSettled([stream.append(['b']), stream.append(['c'])]);
      expect(lost.map((result) => result.status === 'rejected' && String(result.reason))).toEqual(
        Array.from({ length: 2 }, () => expect.stringContaining(code)),
      );
      failing = false;
      await expect(stream.append(['d'])).rejects.toMatchObject({ name: 'StorageUnavailable' });
      await stream.close();
    });

  test('cannot be opened in a folder that is read-only', async () => {
    const log = createFileLog({
      folder: '/nowhere',
      fs: {
        ...nodeFs,
        mkdir: (() => Promise.reject(Object.assign(new Error('read-only'), { code: 'EROFS' }))) as typeof nodeFs.mkdir,
      },
    });
    await expect(log.open('s1')).rejects.toThrow('EROFS');
  });
});

const credential = new StorageSharedKeyCredential(account, accountKey);

describeAzurite('with an emulated storage account', () => {
  let azurite: Azurite;
  let origin: string;
  let count = 0;

  beforeAll(async () => {
    azurite = await startAzurite();
    origin = new URL(azurite.blobUrl).origin;
  });
  afterAll(() => azurite.close());

  const newContainer = async (through = origin): Promise<ContainerClient> => {
    count += 1;
    const url = (host: string) => `${host}/${account}/container${count}`;
    const pipeline = () => newPipeline(credential, { retryOptions: { maxTries: 1 } });
    await new ContainerClient(url(origin), pipeline()).create();
    return new ContainerClient(url(through), pipeline());
  };

  describeAppendLog('a log in append blobs', async ({ smallSegments }) => {
    const container = await newContainer();
    return {
      log: createBlobLog({ container, clock: systemClock, ...(smallSegments && { maxSegmentBytes: 200 }) }),
      tear: async (stream, bytes) => {
        await container.getAppendBlobClient(`${stream}.000000.jsonl`).appendBlock(bytes, bytes.length);
      },
      close: async () => undefined,
    };
  });

  test('tells the time of the store, begins a segment after so many blocks, and knows of no immutability', async () => {
    const container = await newContainer();
    const log = createBlobLog({ container, clock: systemClock, maxSegmentBlocks: 2 });
    const stream = await log.open('s1');
    for (const line of ['a', 'b', 'c']) await stream.append([line]);
    expect(Math.abs((stream.storeTime() ?? 0) - Date.now())).toBeLessThan(60_000);
    await stream.close();
    expect(await log.segments('s1')).toHaveLength(2);
    expect(await isImmutable(container)).toBe(false);
    const warnings: string[] = [];
    await warnIfMutable(container, ({ message }) => warnings.push(message));
    expect(warnings).toEqual([expect.stringContaining('has no immutability policy')]);
  });

  test.each([
    ['nothing of a policy', { hasImmutabilityPolicy: true }, []],
    ['nothing of a legal hold', { hasLegalHold: true }, []],
    ['of neither', { hasImmutabilityPolicy: false, hasLegalHold: false }, ['has no immutability policy']],
    ['of a store that may not say', Object.assign(new Error('no'), { statusCode: 403 }), ['does not say whether']],
    ['of a store that is away', new Error('reset'), ['could not be asked']],
  ] as const)('warns %s, without the signature in the address, and does not fail', async (_, answer, expected) => {
    const warnings: string[] = [];
    const container = {
      url: 'https://a.blob.core.windows.net/audit?sig=abc',
      getProperties: () => (answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)),
    } as unknown as ContainerClient;
    await warnIfMutable(container, ({ message }) => warnings.push(message));
    expect(warnings).toEqual(expected.map((text) => expect.stringContaining(text)));
    expect(warnings.join('')).not.toContain('sig=');
  });

  const withFaults = async (
    fault: (append: number) => StorageFault,
    work: (log: ReturnType<typeof createBlobLog>, container: ContainerClient) => Promise<void>,
  ): Promise<number> => {
    await using way = await startFaultyBlobs(azurite, fault);
    const container = await newContainer(way.origin);
    await work(createBlobLog({ container, clock: { ...systemClock, sleep: async () => undefined } }), container);
    return way.appends();
  };
  const lines = async (log: ReturnType<typeof createBlobLog>): Promise<readonly string[]> => {
    const texts: string[] = [];
    for await (const line of log.read('s1')) texts.push(line.text);
    return texts;
  };

  for (const [name, fault] of [
    ['a request is lost', 'lose-request'],
    ['an answer is lost', 'lose-answer'],
    ['the store is busy (503)', 503],
  ] as const)
    test(`writes each line once when ${name}`, async () => {
      const appends = await withFaults(
        (append) => (append === 2 ? fault : 'pass'),
        async (log) => {
          const stream = await log.open('s1');
          for (const line of ['a', 'b', 'c']) await stream.append([line]);
          await stream.close();
          expect(await lines(log)).toEqual(['a', 'b', 'c']);
        },
      );
      expect(appends).toBe(4);
    });

  for (const [name, fault, tries] of [
    ['forbids it (403)', 403, 1],
    ['stays unavailable (503)', 503, 5],
    ['never answers', 'lose-request', 5],
  ] as const)
    test(`rejects when the store ${name}`, async () => {
      const appends = await withFaults(
        () => fault,
        async (log) => {
          const stream = await log.open('s1');
          await expect(stream.append(['a'])).rejects.toMatchObject({ name: 'StorageUnavailable' });
          await stream.close();
          expect(await lines(log)).toEqual([]);
        },
      );
      expect(appends).toBe(tries);
    });

  test('rejects when something else wrote to its blob (412), and does not write after it', async () => {
    await withFaults(
      () => 'pass',
      async (log, container) => {
        const stream = await log.open('s1');
        await stream.append(['a']);
        await container.getAppendBlobClient('s1.000000.jsonl').appendBlock('evil\n', 5);
        await expect(stream.append(['b'])).rejects.toThrow('Something else was written');
        await stream.close();
        expect(await lines(log)).toEqual(['a', 'evil']);
      },
    );
  });

  const blobHarms: readonly (readonly [string, (container: ContainerClient) => Promise<unknown>])[] = [
    ['removed', (container) => container.getAppendBlobClient('s1.000000.jsonl').delete()],
    ['added to', (container) => container.getAppendBlobClient('s1.000000.jsonl').appendBlock('x\n', 2)],
    [
      'replaced by another of the same length',
      async (container) => {
        const blob = container.getAppendBlobClient('s1.000000.jsonl');
        await blob.create();
        await blob.appendBlock('x\n', 2);
      },
    ],
  ];
  test.each(blobHarms)('takes nothing more once its blob was %s, and says so when it is asked', async (_, harm) => {
    for (const asked of ['append', 'check'] as const) {
      const container = await newContainer();
      const stream = await createBlobLog({ container, clock: systemClock }).open('s1');
      await stream.append(['a']);
      await expect(stream.check()).resolves.toBeUndefined();
      await harm(container);
      await expect(asked === 'check' ? stream.check() : stream.append(['b'])).rejects.toMatchObject({
        name: 'StorageUnavailable',
      });
      await stream.close();
    }
  });

  test('takes another writer at the same place for no success after a lost answer', async () => {
    await withFaults(
      (append) => (append === 2 ? 'lose-request' : 'pass'),
      async (log, container) => {
        const stream = await log.open('s1');
        await stream.append(['a']);
        const real = new ContainerClient(
          container.url.replace(/127\.0\.0\.1:\d+/, new URL(origin).host),
          newPipeline(credential),
        );
        await real.getAppendBlobClient('s1.000000.jsonl').appendBlock('x\n', 2);
        await expect(stream.append(['b'])).rejects.toMatchObject({ name: 'StorageUnavailable' });
        expect((await real.getBlobClient('s1.000000.jsonl').downloadToBuffer()).toString()).toBe('a\nx\n');
        await stream.close();
      },
    );
  });
});
