import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

import { StorageUnavailable } from '../../shared/store/append-log.ts';
import { openSqliteRecords } from '../../shared/store/sqlite-records.ts';
import { prepare, prepareSchema } from '../../shared/store/sqlite-statements.ts';
import { createSqliteWriter } from '../../shared/store/sqlite-writer.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { describeRecords, purgeOutputs } from './records-contract.ts';
import { commandId, commandRecord, start } from '../support/records.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'records-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
const newFile = (): string => join(folder, 'sub', `records-${(files += 1)}.sqlite`);

describeRecords('a SQLite file', () => openSqliteRecords(newFile()), { modelRuns: 3 });
describeRecords('SQLite in memory', () => openSqliteRecords(':memory:'));

describe('a SQLite file', () => {
  test('keeps everything over a restart, readable by its owner only', async () => {
    const path = newFile();
    const first = await openSqliteRecords(path);
    await first.create(commandRecord('one'));
    await first.putOutput(commandId('one'), { stdout: Buffer.from('out'), stderr: Buffer.from('err') });
    for (const suffix of ['', '-wal', '-shm']) expect(statSync(path + suffix).mode & 0o777).toBe(0o600);
    await first.close();
    const second = await openSqliteRecords(path);
    expect(await second.get('one')).toEqual(commandRecord('one'));
    expect(Buffer.from((await second.getOutput('one'))?.stdout ?? []).toString()).toBe('out');
    await second.close();
  });

  test('that others could read is its owner’s alone once it is opened', async () => {
    const path = newFile();
    await (await openSqliteRecords(path)).close();
    chmodSync(path, 0o644);
    for (const suffix of ['-wal', '-shm']) writeFileSync(path + suffix, '', { mode: 0o644 });
    const records = await openSqliteRecords(path);
    await records.create(commandRecord('one'));
    for (const suffix of ['', '-wal', '-shm']) expect(statSync(path + suffix).mode & 0o777).toBe(0o600);
    await records.close();
  });

  test('of the writes that share a transaction, one that fails leaves nothing behind, and the others stay', async () => {
    const database = new DatabaseSync(':memory:');
    database.exec('CREATE TABLE notes (text TEXT PRIMARY KEY)');
    const put = database.prepare('INSERT INTO notes VALUES (?)');
    const writer = createSqliteWriter(database, createManualClock());
    // The first pair has a bug after its first row, the second violates a constraint with its second one.
    const ends = await Promise.allSettled([
      writer.write(() => put.run('before')),
      writer.write(() => {
        put.run('half');
        throw new TypeError('a bug');
      }),
      writer.write(() => {
        put.run('other half');
        put.run('before');
      }),
      writer.write(() => put.run('after')),
    ]);
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
    expect(database.prepare('SELECT text FROM notes').all()).toEqual([{ text: 'before' }, { text: 'after' }]);
    await writer.close();
    database.close();
  });

  test('a record that cannot be read holds up none of the others', async () => {
    const path = newFile();
    const records = await openSqliteRecords(path);
    await records.create(commandRecord('broken', { submittedAt: start - 1 }));
    await records.create(commandRecord('whole'));
    await records.create(commandRecord('gone', { status: 'completed', finishedAt: 1_000 }));
    await records.create(commandRecord('due', { status: 'completed', finishedAt: 1_000 }));
    for (const id of ['gone', 'due'])
      await records.putOutput(commandId(id), { stdout: Buffer.from('out'), stderr: Buffer.alloc(0) });
    const other = new DatabaseSync(path);
    other.exec("UPDATE records SET body = '{' WHERE id IN ('broken', 'gone')");
    other.close();
    expect(await records.unfinished(10)).toEqual({ records: [commandRecord('whole')], unreadable: ['broken'] });
    const limits = { outputsBefore: 1_001, recordsBefore: 0, now: 0 };
    expect(await records.purge(limits)).toEqual({ outputs: 2, records: 0, unreadable: ['gone'] });
    expect(await records.purge(limits)).toEqual({ outputs: 0, records: 0, unreadable: [] });
    expect(await records.getOutput('gone')).toBeUndefined();
    await records.close();
  });

  test('one purge removes a bounded number, and its log stays small', async () => {
    const path = newFile();
    const records = await openSqliteRecords(path);
    const ids = Array.from({ length: 2_500 }, (_, index) => `c${index}`);
    await Promise.all(ids.map((id) => records.create(commandRecord(id, { status: 'completed', finishedAt: 1_000 }))));
    const limits = { outputsBefore: 0, recordsBefore: 1_001, now: 0 };
    expect((await records.purge(limits)).records).toBe(2_000);
    expect(statSync(`${path}-wal`).size).toBeLessThan(64 * 1024 * 1024);
    expect((await records.purge(limits)).records).toBe(500);
    expect((await records.purge(limits)).records).toBe(0);
    await records.close();
  });

  test('that is not a database of ours is refused', async () => {
    const garbage = join(folder, 'garbage.sqlite');
    writeFileSync(garbage, 'this is not a database, but it is long enough to be looked at'.repeat(20));
    await expect(openSqliteRecords(garbage)).rejects.toBeInstanceOf(StorageUnavailable);
    const newer = join(folder, 'newer.sqlite');
    const database = new DatabaseSync(newer);
    database.exec('PRAGMA user_version = 99');
    database.close();
    await expect(openSqliteRecords(newer)).rejects.toThrow('schema 99');
    await expect(openSqliteRecords(folder)).rejects.toBeInstanceOf(StorageUnavailable);
  });

  test('commits what was asked for in one turn together, and one bad write alone fails', async () => {
    const path = newFile();
    const records = await openSqliteRecords(path);
    const before = statSync(`${path}-wal`).size;
    const writes = await Promise.allSettled([
      ...Array.from({ length: 50 }, (_, index) => records.create(commandRecord(`c${index}`))),
      records.create(commandRecord('c7', { reason: 'twice' })),
      records.putOutput(commandId('nobody'), { stdout: new Uint8Array(1), stderr: new Uint8Array(0) }),
    ]);
    expect(writes.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 50 }, () => 'fulfilled'),
      'rejected',
      'rejected',
    ]);
    expect((await records.list({ owner: commandRecord('x').owner, limit: 100 })).items).toHaveLength(50);
    const together = statSync(`${path}-wal`).size - before;
    for (let index = 0; index < 50; index += 1) await records.create(commandRecord(`d${index}`));
    // Each commit writes its pages to the log again.
    expect(statSync(`${path}-wal`).size - before - together).toBeGreaterThan(together * 3);
    await records.close();
  });

  test('waits while another process writes, beside the event loop and not for ever', async () => {
    const path = newFile();
    const clock = createManualClock();
    const records = await openSqliteRecords(path, { clock });
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    const waiting = records.create(commandRecord('one'));
    await clock.advance(1_000);
    other.exec('COMMIT');
    await clock.advance(50);
    await waiting;
    other.exec('BEGIN IMMEDIATE');
    const refused = expect(records.create(commandRecord('two'))).rejects.toBeInstanceOf(StorageUnavailable);
    await clock.advance(5_100);
    await refused;
    other.exec('COMMIT');
    expect(await records.get('two')).toBeUndefined();
    await records.create(commandRecord('two'));
    other.close();
    await records.close();
  });

  test('tells of a record once its log is on the disk, and commits what came meanwhile together', async () => {
    const syncs: (() => void)[] = [];
    const records = await openSqliteRecords(newFile(), {
      openLog: async () => ({
        sync: () => new Promise<void>((resolve) => syncs.push(resolve)),
        close: async () => undefined,
      }),
    });
    const told: string[] = [];
    const creating = ['one', 'two', 'three'].map(async (id, index) => {
      if (index > 0) await nextSync(syncs, 1);
      await records.create(commandRecord(id));
      told.push(id);
    });
    await nextSync(syncs, 1);
    expect(await records.get('one')).toBeDefined(); // committed, and this process's event loop is free
    expect(told).toEqual([]);
    syncs[0]?.();
    await creating[0];
    expect(told).toEqual(['one']);
    await nextSync(syncs, 2);
    syncs[1]?.();
    await Promise.all(creating);
    expect(syncs).toHaveLength(2);
    await records.close();
  });

  test('lets a write that need not be on the disk pass those that wait for it', async () => {
    const syncs: (() => void)[] = [];
    const records = await openSqliteRecords(newFile(), {
      openLog: async () => ({
        sync: () => new Promise<void>((resolve) => syncs.push(resolve)),
        close: async () => undefined,
      }),
    });
    const told: string[] = [];
    const creating = records.create(commandRecord('one')).then(() => told.push('one'));
    await nextSync(syncs, 1);
    const second = records.create(commandRecord('two')).then(() => told.push('two'));
    for (const name of ['a', 'b']) {
      expect(await records.lease(name, 'holder', 2, 1)).toBe(true);
      told.push(name);
    }
    expect(told).toEqual(['a', 'b']);
    expect(await records.get('two')).toBeUndefined(); // it waits to share the next sync with others
    syncs[0]?.();
    await creating;
    await nextSync(syncs, 2);
    syncs[1]?.();
    await second;
    expect(told).toEqual(['a', 'b', 'one', 'two']);
    await records.close();
  });

  test('waits for the disk before a command is sent, and not again until its outcome is in the trail', async () => {
    const syncs: (() => void)[] = [];
    const records = await openSqliteRecords(newFile(), {
      openLog: async () => ({
        sync: () => new Promise<void>((resolve) => syncs.push(resolve)),
        close: async () => undefined,
      }),
    });
    const next = async <Result>(write: Promise<Result>): Promise<Result> => {
      await nextSync(syncs, 1);
      for (const done of syncs.splice(0)) done();
      return write;
    };
    await next(records.create(commandRecord('one')));
    let isDurable = false;
    const sending = records
      .replace(commandRecord('one', { version: 1, status: 'submitting' }))
      .then(() => (isDurable = true));
    await nextSync(syncs, 1);
    expect(await records.get('one')).toMatchObject({ status: 'submitting' });
    expect(isDurable).toBe(false);
    await next(sending);
    const running = commandRecord('one', { version: 2, status: 'running' });
    expect(await records.replace(running)).toMatchObject({ version: 3 });
    const outcome = { status: 'failed', failure: { code: 'x', message: 'x' }, finishedAt: 1 } as const;
    const ending = { ...running, version: 3, ending: { event: 'command.failed', outcome } } as const;
    expect(await records.replace(ending)).toMatchObject({ version: 4 });
    expect(syncs).toEqual([]); // each of these would have waited for one
    const closing = records.close();
    await next(closing);
  });

  test('writes no index again for a change that is in none', () => {
    const database = new DatabaseSync(':memory:');
    prepareSchema(database);
    const { replace, replaceUnindexed } = prepare(database);
    const written = ({ sourceSQL }: { readonly sourceSQL: string }) =>
      database
        .prepare(`EXPLAIN ${sourceSQL}`)
        .all()
        .filter(({ opcode }) => opcode === 'IdxInsert').length;
    expect(written(replace)).toBeGreaterThan(0);
    expect(written(replaceUnindexed)).toBe(0);
    database.close();
  });

  test('syncs soon what nobody waits for, at the latest when it is closed', async () => {
    const clock = createManualClock();
    let syncs = 0;
    const records = await openSqliteRecords(newFile(), {
      clock,
      openLog: async () => ({ sync: async () => void (syncs += 1), close: async () => undefined }),
    });
    await records.create(commandRecord('one'));
    expect(syncs).toBe(1);
    await records.putOutput(commandId('one'), { stdout: Buffer.from('out'), stderr: Buffer.alloc(0) });
    expect(syncs).toBe(1);
    await clock.advance(50);
    expect(syncs).toBe(2);
    await records.replace(commandRecord('one', { status: 'completed' }));
    expect(syncs).toBe(2);
    await records.close();
    expect(syncs).toBe(3);
    expect(clock.sleeping()).toBe(0);
  });

  test('never trusts a log again that could not be synced, and goes on with another', async () => {
    let fails = true;
    let opened = 0;
    const records = await openSqliteRecords(newFile(), {
      openLog: async () => {
        opened += 1;
        return {
          sync: async () => {
            if (fails) throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
          },
          close: async () => undefined,
        };
      },
    });
    await expect(records.create(commandRecord('one'))).rejects.toThrow('EIO');
    expect(opened).toBe(1);
    fails = false;
    await records.create(commandRecord('two'));
    expect(opened).toBe(2);
    expect(await records.get('two')).toMatchObject({ id: 'two' });
    await records.ping();
    await records.close();
  });

  test('never takes a sync for good that ran beside one that failed', async () => {
    const clock = createManualClock();
    const syncs: { resolve: () => void; reject: (error: Error) => void }[] = [];
    const records = await openSqliteRecords(newFile(), {
      clock,
      openLog: async () => ({
        sync: () => new Promise<void>((resolve, reject) => syncs.push({ resolve, reject })),
        close: async () => undefined,
      }),
    });
    await records.releaseLease('none', 'nobody');
    await clock.advance(50); // the sync that nobody waits for is under way
    const refused = expect(records.create(commandRecord('one'))).rejects.toThrow('EIO');
    for (let count = 0; count < 10; count += 1) await turn();
    syncs[1]?.resolve(); // the kernel has told the error to the first
    syncs[0]?.reject(new Error('EIO: i/o error, fdatasync'));
    await refused;
    await records.close();
  });

  test('purges what was purged from the log and the file too', async () => {
    const path = newFile();
    const records = await openSqliteRecords(path);
    await records.create(commandRecord('one', { status: 'completed', finishedAt: 1_000 }));
    await records.putOutput(commandId('one'), {
      stdout: Buffer.from('top-secret-output'.repeat(1_000)),
      stderr: Buffer.alloc(0),
    });
    expect(await purgeOutputs(records, 1_001)).toBe(1);
    for (const suffix of ['', '-wal']) expect(readFileSync(path + suffix).includes('top-secret-output')).toBe(false);
    await records.close();
  });

  test('purges the log later when another process reads just then, or when the one that purged was killed', async () => {
    const path = newFile();
    const first = await openSqliteRecords(path);
    const holdsSecret = (): boolean =>
      ['', '-wal'].some((suffix) => readFileSync(path + suffix).includes('top-secret-output'));
    await first.create(commandRecord('one', { status: 'completed', finishedAt: 1_000 }));
    await first.putOutput(commandId('one'), {
      stdout: Buffer.from('top-secret-output'.repeat(1_000)),
      stderr: Buffer.alloc(0),
    });
    const reader = new DatabaseSync(path);
    reader.exec('BEGIN; SELECT count(*) FROM records');
    expect(await purgeOutputs(first, 1_001, 0)).toBe(1);
    expect(holdsSecret()).toBe(true);
    reader.exec('COMMIT');
    reader.close();
    const second = await openSqliteRecords(path); // knows nothing of what the first one still had to do
    expect(await purgeOutputs(second, 1_001, 0)).toBe(0);
    expect(holdsSecret()).toBe(false);

    await first.create(commandRecord('two', { status: 'completed', finishedAt: 1_000 }));
    await first.putOutput(commandId('two'), {
      stdout: Buffer.from('top-secret-output'.repeat(1_000)),
      stderr: Buffer.alloc(0),
    });
    const again = new DatabaseSync(path);
    again.exec('BEGIN; SELECT count(*) FROM records');
    expect(await purgeOutputs(first, 1_001, 0)).toBe(1);
    again.exec('COMMIT');
    again.close();
    expect(holdsSecret()).toBe(true);
    expect(await purgeOutputs(first, 1_001, 0)).toBe(0);
    expect(holdsSecret()).toBe(false);
    await Promise.all([first.close(), second.close()]);
  });
});

/** Resolves when so many syncs were asked for. */
async function nextSync(syncs: readonly unknown[], count: number): Promise<void> {
  while (syncs.length < count) await turn();
}

const store = fileURLToPath(new URL('../../shared/store/sqlite-records.ts', import.meta.url));

/** Runs `body`, which sees an open `records` and `print`, in a process of its own; gives what it printed, line by line. */
function inProcess(
  path: string,
  body: string,
  onLine: (line: string, kill: () => void) => void = () => {},
): Promise<string[]> {
  const program = `
    import { openSqliteRecords } from ${JSON.stringify(store)};
    import { writeSync } from 'node:fs';
    const print = (line) => writeSync(1, line + '\\n');
    const records = await openSqliteRecords(${JSON.stringify(path)});
    ${body}
    await records.close();`;
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const lines: string[] = [];
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      for (const line of parts) {
        lines.push(line);
        onLine(line, () => child.kill('SIGKILL'));
      }
    });
    child.on('error', reject).on('close', (code, signal) => {
      if (code === 0 || signal === 'SIGKILL') resolve(lines);
      else reject(new Error(`the process ended with ${code}`));
    });
  });
}

describe('several processes on one SQLite file', () => {
  test('never both win a version, and lose nothing', async () => {
    const path = newFile();
    const climb = (name: string) => `
      let wins = 0;
      while (wins < 60) {
        const record = await records.get('shared');
        const stored = await records.replace({ ...record, warnings: [...record.warnings, ${JSON.stringify(name)} + wins] });
        if (stored !== undefined) wins += 1;
      }`;
    const records = await openSqliteRecords(path);
    await records.create(commandRecord('shared'));
    await Promise.all([inProcess(path, climb('a')), inProcess(path, climb('b'))]);
    const { version, warnings } = (await records.get('shared')) ?? commandRecord('none');
    expect([version, warnings.length, new Set(warnings).size]).toEqual([121, 120, 120]);
    await records.close();
  });

  test('may open a new file at the same moment', async () => {
    const path = newFile();
    const opened = await Promise.all(
      ['a', 'b', 'c'].map((name) => inProcess(path, `await records.ping(); print('${name}')`)),
    );
    expect(opened.flat().toSorted()).toEqual(['a', 'b', 'c']);
  });

  test('find everything that had resolved when one was killed', async () => {
    const path = newFile();
    const seed = commandRecord('x');
    const lines = await inProcess(
      path,
      `const seed = ${JSON.stringify(seed)};
       for (let n = 0; n < 5000; n += 1) {
         await Promise.all([0, 1, 2].map(async (part) => {
           await records.create({ ...seed, id: n + '-' + part });
           print(n + '-' + part);
         }));
       }`,
      (line, kill) => {
        if (line === '40-1') kill();
      },
    );
    const records = await openSqliteRecords(path);
    expect(lines.length).toBeGreaterThan(100);
    expect(lines.length).toBeLessThan(15_000);
    for (const id of lines) expect(await records.get(id)).toBeDefined();
    await records.close();
  });
});
