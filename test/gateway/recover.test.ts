import { describe, expect, test } from '@jest/globals';
import type { AuditEvent } from '../../shared/audit/events.ts';
import type { AuditTrail } from '../../shared/audit/trail.ts';
import type { Cluster } from '../../shared/config/config.ts';
import { Problem } from '../../shared/errors.ts';
import { createLifecycle } from '../../shared/gateway/lifecycle/lifecycle.ts';
import type { Relay } from '../../shared/relay/relay.ts';
import { StorageUnavailable } from '../../shared/store/append-log.ts';
import { isFinished, type Records } from '../../shared/store/records.ts';
import { openSqliteRecords } from '../../shared/store/sqlite-records.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { commandRecord } from '../support/records.ts';
import { anyResults } from '../support/results.ts';

/** Who cannot bring a command to its end does not take it, and does not keep it from one who can. */
const LEASE_MS = 60_000;
const SWEEP_MS = 15_000;
const cluster: Cluster = {
  name: 'demo',
  arm: { id: '/subscriptions/s/c', subscription: 's', resourceGroup: 'g', name: 'c' },
  runAs: 'gateway',
  impersonate: false,
  defaultNamespace: 'default',
  resources: [],
};

async function createHouse(orphans: number) {
  const clock = createManualClock();
  const records = await openSqliteRecords(':memory:', { clock });
  const ids = Array.from({ length: orphans }, (_, index) => `c${index}`);
  for (const id of ids) await records.create(commandRecord(id, { status: 'submitting', carrier: 'dead' }));
  const told: AuditEvent[] = [];

  /** A process. Its trail can be full from the start, or as soon as it has to write. */
  const open = (holder: string, trailIs: () => 'well' | 'full' | 'full once it is written to' = () => 'well') => {
    const errors: unknown[] = [];
    let passes = 0;
    const full = (): Promise<never> => Promise.reject(new Problem('audit-unavailable', 'The trail is full.'));
    const trail: AuditTrail = {
      check: () => (trailIs() === 'full' ? full() : Promise.resolve()),
      record: async (event) => {
        if (trailIs() !== 'well') return full();
        told.push(event);
        return { stream: holder, seq: told.length, hash: '', receipt: () => Promise.resolve('') };
      },
      close: () => Promise.resolve(),
    };
    const take = (store: Partial<Records>) =>
      createLifecycle({
        results: anyResults,
        records: { ...records, ...store },
        trail,
        relay: {} as Relay,
        clock,
        holder,
        leaseMs: LEASE_MS,
        clusterOf: () => cluster,
        entropy: { bytes: (count) => new Uint8Array(count) },
        outcomesOf: () => {
          passes += 1;
          return Promise.resolve(new Map());
        },
        onError: (error) => errors.push(error),
      });
    return { take, errors, passes: () => passes };
  };
  const carriers = async () => new Set((await records.unfinished(1_000)).records.map(({ carrier }) => carrier));
  return { clock, records, ids, told, open, carriers };
}

describe('recovery', () => {
  test('is not begun while the trail is full: another process, which is well, gets every command', async () => {
    const { clock, records, ids, told, open, carriers } = await createHouse(18);
    const sick = open('sick', () => 'full').take({});
    for (let sweeps = 0; sweeps < 20; sweeps += 1) {
      expect(await sick.recover(100)).toBe(0);
      await clock.advance(SWEEP_MS);
    }
    expect(await carriers()).toEqual(new Set(['dead']));
    const well = open('well').take({});
    for (let sweeps = 0; sweeps < 6; sweeps += 1) {
      await Promise.all([sick.recover(100), well.recover(100)]);
      await clock.advance(SWEEP_MS);
    }
    await well.idle();
    expect(told.filter(({ event }) => event === 'command.unknown')).toHaveLength(18);
    for (const id of ids) expect((await records.get(id))?.status).toBe('unknown');
  });

  test('that fails gives each command back at once, and is tried less and less often', async () => {
    const { clock, open, carriers } = await createHouse(3);
    let trailIs: 'well' | 'full once it is written to' = 'full once it is written to';
    const process = open('one', () => trailIs);
    const one = process.take({});
    const tried: number[] = [];
    for (const began = clock.monotonic(); clock.monotonic() - began < 40 * 60_000;) {
      if ((await one.recover(100)) > 0) tried.push(clock.monotonic() - began);
      await one.idle();
      expect([...(await carriers())]).not.toContain('one');
      await clock.advance(SWEEP_MS);
    }
    // However many fail at a time: twice as long each time, to ten minutes.
    const pauses = tried.slice(1).map((at, index) => (at - (tried[index] ?? 0)) / 1_000);
    expect(pauses).toEqual([15, 30, 60, 120, 240, 480, 600, 600]);
    expect(process.errors.length).toBeGreaterThan(0);
    // It gave them back, so a process that is well needs no lease to run out.
    const two = open('two').take({});
    expect(await two.recover(100)).toBe(3);
    trailIs = 'well';
    await two.idle();
    expect(await carriers()).toEqual(new Set());
  });

  test('asks the trail once for all that it takes', async () => {
    const { clock, records, ids, open } = await createHouse(100);
    const process = open('one');
    const one = process.take({});
    await one.recover(100);
    await clock.advance(LEASE_MS);
    expect(await one.recover(100)).toBe(100);
    await one.idle();
    expect(process.passes()).toBe(1);
    for (const id of ids) expect(isFinished((await records.get(id)) ?? commandRecord(id, {}))).toBe(true);
  });

  test('of one that the store does not take, or cannot read, holds up none of the others', async () => {
    const { clock, records, ids, open } = await createHouse(5);
    const process = open('one');
    const one = process.take({
      unfinished: async (limit) => ({ ...(await records.unfinished(limit)), unreadable: ['c-broken'] }),
      replace: async (record) => {
        if (record.id === 'c2' && !isFinished(record)) throw new StorageUnavailable('this one row is stuck');
        return records.replace(record);
      },
    });
    await one.recover(100);
    await clock.advance(LEASE_MS);
    expect(await one.recover(100)).toBe(4);
    await one.idle();
    for (const id of ids)
      expect([id, (await records.get(id))?.status]).toEqual([id, id === 'c2' ? 'submitting' : 'unknown']);
    await one.recover(100);
    // The unreadable one is told of once, not at each sweep.
    expect(process.errors.filter((error) => String(error).includes('cannot be read'))).toHaveLength(1);
  });
});
