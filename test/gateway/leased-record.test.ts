import { beforeEach, describe, expect, test } from '@jest/globals';
import { LeaseLost, leaseRecord, updateRecord, withLease } from '../../shared/gateway/lifecycle/leased-record.ts';
import { linkedAbort } from '../../shared/lib/abort.ts';
import { mark } from '../../shared/lib/elapsed.ts';
import { StorageUnavailable } from '../../shared/store/append-log.ts';
import type { CommandRecord, Records } from '../../shared/store/records.ts';
import { openSqliteRecords } from '../../shared/store/sqlite-records.ts';
import { changed, commandRecord, type RecordChanges } from '../support/records.ts';
import { createManualClock, type ManualClock } from '../support/manual-clock.ts';

const LEASE_MS = 60_000;

let clock: ManualClock;
let records: Records;
/** What the store does with a replace instead of taking it; undefined when it works. */
let trouble: ((record: CommandRecord) => Promise<undefined>) | undefined;

beforeEach(async () => {
  clock = createManualClock();
  records = await openSqliteRecords(':memory:', { clock });
  trouble = undefined;
});

const away = (): Promise<never> => Promise.reject(new StorageUnavailable('the store is away'));

/** A record with the lease of this process. */
async function leased(holder = 'one') {
  const store: Records = {
    ...records,
    replace: (record) => (trouble ? trouble(record) : records.replace(record)),
  };
  const context = { records: store, clock, holder, leaseMs: LEASE_MS };
  const record = commandRecord('c1', { status: 'running', carrier: holder });
  const began = mark(clock);
  await records.create(record);
  const state = leaseRecord(record, began);
  watched = { version: 0, since: 0 };
  return {
    update: (changes: RecordChanges) => updateRecord(context, state, (before) => changed(before, changes)),
    keep: <T>(step: (signal: AbortSignal) => Promise<T>) => withLease(context, state, linkedAbort(), step),
  };
}

/** What another process would take over: the version that it saw, and since when. */
let watched = { version: 0, since: 0 };
async function orphans(): Promise<readonly string[]> {
  const stored = await records.get('c1');
  if (!stored) return [];
  if (stored.version !== watched.version) watched = { version: stored.version, since: clock.monotonic() };
  return clock.monotonic() - watched.since >= LEASE_MS ? [stored.id] : [];
}

describe('a leased record', () => {
  test('is nobody else’s while its lease is renewed, for as long as the step takes', async () => {
    const one = await leased();
    const step = Promise.withResolvers<string>();
    const kept = one.keep(() => step.promise);
    for (let count = 0; count < 10; count += 1) {
      await clock.advance(LEASE_MS / 2);
      expect(await orphans()).toEqual([]);
    }
    step.resolve('done');
    expect(await kept).toBe('done');
    await clock.advance(1_000); // the store writes to the disk soon what nobody waits for
    expect(clock.sleeping()).toBe(0);
  });

  test('outlives a store that is away for less than its lease', async () => {
    const one = await leased();
    const step = Promise.withResolvers<string>();
    let aborted = false;
    const kept = one.keep((signal) => {
      signal.addEventListener('abort', () => (aborted = true));
      return step.promise;
    });
    trouble = away;
    await clock.advance(LEASE_MS * 0.6);
    trouble = undefined;
    await clock.advance(LEASE_MS * 0.3);
    expect(await orphans()).toEqual([]);
    await clock.advance(LEASE_MS * 2);
    expect(await orphans()).toEqual([]);
    expect(aborted).toBe(false);
    step.resolve('done');
    expect(await kept).toBe('done');
  });

  test('is let go when the store is away for longer', async () => {
    const one = await leased();
    const reason = one.keep((signal) => untilAborted(signal));
    trouble = away;
    expect(await orphans()).toEqual([]);
    await clock.advance(LEASE_MS * 2);
    expect(await reason).toBeInstanceOf(StorageUnavailable);
    expect(await orphans()).toEqual(['c1']);
  });

  test('is let go as soon as another process has it, which keeps it', async () => {
    const one = await leased();
    const reason = one.keep((signal) => untilAborted(signal));
    const stored = await records.get('c1');
    if (!stored) throw new Error('the record is stored');
    await records.replace({ ...stored, carrier: 'two' });
    await clock.advance(LEASE_MS / 3);
    expect(await reason).toBeInstanceOf(LeaseLost);
    await expect(one.update({ status: 'completed' })).rejects.toBeInstanceOf(LeaseLost);
    expect(await records.get('c1')).toMatchObject({ status: 'running', carrier: 'two' });
  });

  test('knows its own change when the answer to it was lost', async () => {
    const one = await leased();
    trouble = async (record) => {
      trouble = undefined;
      await records.replace(record);
      throw new StorageUnavailable('the answer was lost');
    };
    const moved = one.update({ status: 'completed' });
    await clock.advance(1_000);
    expect(await moved).toMatchObject({ status: 'completed', version: 3 });
    expect(await records.get('c1')).toMatchObject({ status: 'completed', version: 3 });
  });

  test('does not take an earlier change, given up though the store had it, for the one it makes', async () => {
    const one = await leased();
    trouble = async (record) => {
      trouble = away;
      await records.replace(record);
      throw new StorageUnavailable('the answer was lost');
    };
    const renewed = expect(one.update({})).rejects.toBeInstanceOf(StorageUnavailable);
    const moved = one.update({ status: 'completed' });
    await clock.advance(LEASE_MS * 0.6);
    await renewed;
    trouble = undefined;
    await clock.advance(LEASE_MS * 0.4);
    expect(await moved).toMatchObject({ status: 'completed' });
    expect(await records.get('c1')).toMatchObject({ status: 'completed' });
  });

  test('makes its changes in the order asked for, none lost', async () => {
    const one = await leased();
    await Promise.all([
      one.update({ warnings: ['a'] }),
      one.update({ exitCode: 3 }),
      one.update({ status: 'completed' }),
    ]);
    expect(await records.get('c1')).toMatchObject({ warnings: ['a'], exitCode: 3, status: 'completed', version: 4 });
  });
});

const untilAborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason), { once: true }));
