import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { TableClient, AzureNamedKeyCredential } from '@azure/data-tables';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { createStoredResults } from '../../shared/admission/stored-results.ts';
import type { Limits } from '../../shared/config/config.ts';
import { Problem } from '../../shared/errors.ts';
import { principalKey } from '../../shared/identity/principal.ts';
import type { PrincipalId } from '../../shared/lib/ids.ts';
import { StorageUnavailable } from '../../shared/store/append-log.ts';
import type { Note, Records } from '../../shared/store/records.ts';
import { openSqliteRecords } from '../../shared/store/sqlite-records.ts';
import { createTableRecords } from '../../shared/store/table-records.ts';
import * as azurite from '../support/azurite.ts';
import { createManualClock } from '../support/manual-clock.ts';

const HOUR = 3_600_000;
const alice: PrincipalId = { kind: 'user', tid: 't', oid: 'alice' };
const bob: PrincipalId = { kind: 'user', tid: 't', oid: 'bob' };
const key = principalKey(alice);
const MOST = 100_000;
/** What a command may store in any case. */
const LEAST = 4_096;

type Notes = Pick<Records, 'getNote' | 'putNote'>;

function notesInMemory() {
  const notes = new Map<string, Note>();
  const asked = { reads: 0, writes: 0 };
  const records: Notes = {
    getNote: async (name) => {
      asked.reads += 1;
      return notes.get(name);
    },
    putNote: async (name, { version, text }) => {
      asked.writes += 1;
      await turn();
      if ((notes.get(name)?.version ?? 0) !== version) return false;
      notes.set(name, { version: version + 1, text });
      return true;
    },
  };
  return { records, notes, asked };
}

function setUp(records: Notes = notesInMemory().records, { hours = 24, storedBytes = MOST } = {}) {
  const clock = createManualClock();
  const inForce = { hours, storedBytes };
  const errors: unknown[] = [];
  const open = () =>
    createStoredResults({
      records,
      clock,
      limits: () => ({ perPrincipal: { storedBytes: inForce.storedBytes } }) as Limits,
      hours: () => inForce.hours,
      onError: (error) => errors.push(error),
    });
  return { clock, inForce, errors, open };
}

async function store(results: ReturnType<ReturnType<typeof setUp>['open']>, bytes: number): Promise<number> {
  const taken = await results.take(key, bytes);
  await taken.counted;
  return taken.bytes;
}

const refusal = async (asked: Promise<void>): Promise<Problem> => {
  const error: unknown = await asked.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Problem)) throw new Error('it was let in', { cause: error });
  return error;
};

describe('what commands printed', () => {
  test('keep no command waiting for the disk: the count is there at once, and on the disk a moment later', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'results-'));
    let syncs = 0;
    const records = await openSqliteRecords(join(folder.path, 'records.sqlite'), {
      clock: createManualClock(),
      openLog: async () => ({ sync: async () => void (syncs += 1), close: async () => undefined }),
    });
    expect(await store(setUp(records).open(), 10)).toBe(10);
    expect((await records.getNote(`stored-results:${key}`))?.text).toMatch(/,10\]\]$/);
    expect(syncs).toBe(0);
    await records.close();
    expect(syncs).toBe(1);
  });

  test('is kept up to the quota: then it is cut, and nothing new is let in, until enough of it is past its retention', async () => {
    const { clock, open } = setUp();
    const results = open();
    await results.admit(alice);
    expect(await store(results, 60_000)).toBe(60_000);
    await clock.advance(HOUR);
    await results.admit(alice);
    expect(await store(results, 60_000)).toBe(40_000);
    // One that ran already when the quota was used up.
    expect(await store(results, 60_000)).toBe(LEAST);

    const { code, message, options } = await refusal(results.admit(alice));
    expect(code).toBe('rate-limited');
    expect(message).toMatch(/100000 bytes .* nothing was run.* 24 h .*less output/);
    await results.admit(bob);

    const wait = (options.retryAfter ?? 0) * 1_000;
    expect(wait).toBeGreaterThan(22 * HOUR);
    await clock.advance(wait - 2_000);
    await refusal(results.admit(alice));
    await clock.advance(4_000);
    await results.admit(alice);
    expect(await store(results, 60_000)).toBe(MOST - 40_000 - LEAST);
  });

  test('costs one read in ten seconds, however much is stored, and a text that stays small', async () => {
    const { records, notes, asked } = notesInMemory();
    const { clock, open } = setUp(records, { hours: 8_760, storedBytes: 1e15 });
    const results = open();
    for (let count = 0; count < 100; count += 1) await results.admit(alice);
    expect(asked.reads).toBe(1);
    for (let days = 0; days < 800; days += 1) {
      await store(results, 1e6);
      await clock.advance(24 * HOUR);
    }
    expect([...notes.values()].map(({ text }) => text.length < 4_000)).toEqual([true]);
    expect(asked.writes).toBe(800);
  });

  test('of many commands that end at once is counted in few writes', async () => {
    const { records, asked } = notesInMemory();
    const { open } = setUp(records);
    const results = open();
    const taken = await Promise.all(Array.from({ length: 200 }, () => results.take(key, 10)));
    await Promise.all(taken.map(({ counted }) => counted));
    expect(asked.writes).toBeLessThan(5);
    expect(await store(results, MOST)).toBe(MOST - 2_000);
  });

  test('is told of by its end though the records do not answer, and counted when they do', async () => {
    const { records } = notesInMemory();
    let down = true;
    const failing = async () => {
      throw new StorageUnavailable('down');
    };
    const { open, errors } = setUp({
      getNote: (name) => (down ? failing() : records.getNote(name)),
      putNote: (name, note) => (down ? failing() : records.putNote(name, note)),
    });
    const results = open();
    expect(await store(results, 60_000)).toBe(60_000);
    expect(errors.length).toBeGreaterThan(0);
    await expect(results.admit(alice)).rejects.toThrow(StorageUnavailable);
    down = false;
    expect(await store(results, 10_000)).toBe(10_000);
    expect(await store(open(), MOST)).toBe(30_000);
  });

  test('counts as a list of all that was stored would, by any number of processes', async () => {
    const steps = fc.array(
      fc.record({ process: fc.nat({ max: 2 }), bytes: fc.nat({ max: 30_000 }), wait: fc.nat({ max: 5 * HOUR }) }),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 12 }), async (planned, hours) => {
        const { clock, open } = setUp(undefined, { hours });
        const processes = [open(), open(), open()];
        const all: { bytes: number; at: number }[] = [];
        for (const { process, bytes, wait } of planned) {
          // Longer than another process's count may be unknown.
          await clock.advance(10_001 + wait);
          const results = processes[process] ?? raise();
          const sum = (since: number) => all.reduce((most, one) => most + (one.at >= since ? one.bytes : 0), 0);
          const taken = await store(results, bytes);
          // Between what is certainly still kept, and what was stored up to an hour before that.
          const [least, most] = [sum(clock.now() - hours * HOUR), sum(clock.now() - (hours + 1) * HOUR)];
          expect(taken).toBeLessThanOrEqual(Math.min(bytes, Math.max(LEAST, MOST - least)));
          expect(taken).toBeGreaterThanOrEqual(Math.min(bytes, Math.max(LEAST, MOST - most)));
          all.push({ bytes: taken, at: clock.now() });
        }
      }),
      { numRuns: 50 },
    );
  });
});

const raise = (): never => {
  throw new Error('there is no such process');
};

function shared(openRecords: () => Promise<Records>): void {
  test('counts for the other process, and for the one after', async () => {
    const records = await openRecords();
    const { clock, open } = setUp(records);
    const [one, other] = [open(), open()];
    await other.admit(alice);
    const both = Array.from({ length: 10 }, (_, at) => store(at % 2 === 0 ? one : other, 5_000));
    expect(await Promise.all(both)).toEqual(Array.from({ length: 10 }, () => 5_000));
    await clock.advance(10_001);
    expect(await store(other, MOST)).toBe(MOST - 50_000);
    await refusal(open().admit(alice));
    await open().admit(bob);
    await records.close();
  });
}

describe('stored results on SQLite', () => shared(() => openSqliteRecords(':memory:')));

azurite.describeAzurite('stored results on Azure Tables', () => {
  let running: azurite.Azurite;
  beforeAll(async () => {
    running = await azurite.startAzurite();
  }, 60_000);
  afterAll(() => running.close());

  shared(() => {
    const named = [azurite.account, azurite.accountKey] as const;
    return createTableRecords({
      clock: createManualClock(),
      table: new TableClient(running.tableUrl, 'results', new AzureNamedKeyCredential(...named), {
        allowInsecureConnection: true,
      }),
      outputs: new ContainerClient(`${running.blobUrl}/results`, new StorageSharedKeyCredential(...named)),
    });
  });
});
