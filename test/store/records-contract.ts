import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import * as fc from 'fast-check';

import { Problem } from '../../shared/errors.ts';
import type { BatchId } from '../../shared/lib/ids.ts';
import { StorageUnavailable } from '../../shared/store/append-log.ts';
import { isFinished, MAX_NOTE } from '../../shared/store/records.ts';
import type { CommandRecord, CommandStatus, KeyClaim, Records } from '../../shared/store/records.ts';
import { alice, changed, commandId, commandRecord, ownerKey, start } from '../support/records.ts';

const bob = ownerKey('app:aaaaaaaa-0000-4000-8000-000000000001:dddddddd-0000-4000-8000-000000000002');

const ids = (records: readonly CommandRecord[]): string[] => records.map(({ id }) => id);
const output = (stdout: string, stderr = '') => ({ stdout: Buffer.from(stdout), stderr: Buffer.from(stderr) });

/** As `purge`, of outputs alone. */
export async function purgeOutputs(records: Records, before: number, now = 0): Promise<number> {
  return (await records.purge({ outputsBefore: before, recordsBefore: 0, now })).outputs;
}

/** One thing to do: create a record, or replace it as it is or as it was one version ago. */
const step = fc.record({
  id: fc.constantFrom('a', 'b', 'c', 'd'),
  stale: fc.boolean(),
  status: fc.constantFrom<CommandStatus>('accepted', 'submitting', 'running', 'completed', 'failed', 'unknown'),
  carrier: fc.constantFrom('', 'gateway-1', 'gateway-2'),
});

/** Does each step to the store and to a map, and compares all that can be asked of the two. */
async function followModel(
  records: Records,
  steps: readonly (typeof step extends fc.Arbitrary<infer One> ? One : never)[],
) {
  const model = new Map<string, CommandRecord>();
  const times = { a: 3, b: 1, c: 2, d: 1 };
  for (const { id, stale, status, carrier } of steps) {
    const known = model.get(id);
    if (known === undefined) {
      const created = commandRecord(id, {
        status,
        carrier,
        submittedAt: start + times[id],
        owner: id === 'a' ? bob : alice,
        cluster: id === 'b' ? 'stage' : 'demo',
      });
      await records.create(created);
      model.set(id, created);
    } else if (!isFinished(known)) {
      const next = changed(known, { status, carrier, version: known.version + 1 });
      const stored = await records.replace({ ...next, version: stale ? known.version - 1 : known.version });
      expect(stored).toEqual(stale ? undefined : next);
      if (!stale) model.set(id, next);
    }
  }
  const all = [...model.values()];
  for (const record of all) expect(await records.get(record.id)).toEqual(record);
  const open = all.filter((record) => !isFinished(record));
  for (const owner of [alice, bob]) {
    const { items } = await records.list({ owner, limit: 10 });
    const own = all.filter((record) => record.owner === owner);
    expect(items.map(({ submittedAt }) => submittedAt)).toEqual(
      own.map((one) => one.submittedAt).toSorted((a, b) => b - a),
    );
    expect(ids(items).toSorted()).toEqual(ids(own).toSorted());
  }
  const { records: unfinished, unreadable } = await records.unfinished(10);
  expect(unfinished.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual(
    open.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  );
  expect(unreadable).toEqual([]);
  const sent = open.filter(({ status }) => status !== 'accepted');
  expect((await records.inFlight()).reduce((sum, { count }) => sum + count, 0)).toBe(sent.length);
}

async function cursorRefusal(list: Promise<unknown>): Promise<string> {
  return list.then(
    () => 'not refused',
    (error: unknown) => (error instanceof Problem ? error.code : String(error)),
  );
}

/** What every kind of Records does. `open` gives an empty store; the suite closes it. */
export function describeRecords(kind: string, open: () => Promise<Records>, { modelRuns = 30 } = {}): void {
  describe(`records in ${kind}`, () => {
    let records: Records;
    beforeEach(async () => {
      records = await open();
    });
    afterEach(() => records.close());

    const stored = async (id: string): Promise<CommandRecord> => {
      const record = await records.get(id);
      if (record === undefined) throw new Error(`no record ${id}`);
      return record;
    };

    describe('a record', () => {
      test('comes back as it was stored, every field of it', async () => {
        const full = commandRecord('full', {
          argv: ['kubectl', 'get', 'pods', '-l', 'it\'s="ü" \\ \u0000 😀'],
          reason: 'INC-1',
          requestedBy: 'U02ABC on Slack',
          status: 'completed',
          startedAt: start + 1_000,
          finishedAt: start + 2_000,
          azure: { commandId: 'c0ffee', requestId: 'r' },
          exitCode: 124,
          timedOut: true,
          truncated: true,
          streams: 'merged',
          warnings: ['cut'],
          receipt: 'a.b.c',
        });
        const failed = commandRecord('failed', {
          status: 'failed',
          failure: { code: 'ImagePullBackoff', message: 'ü' },
        });
        await records.create(full);
        await records.create(failed);
        await records.create(commandRecord('bare'));
        expect(await records.get('failed')).toEqual(failed);
        expect(await records.get('full')).toEqual(full);
        expect(await records.get('bare')).toEqual(commandRecord('bare'));
        expect(await records.get('none')).toBeUndefined();
      });

      test('may be large', async () => {
        const large = commandRecord('large', { argv: ['kubectl', `--x=${'ü"\\😀'.repeat(10_000)}`] });
        await records.create(large);
        expect(await records.get('large')).toEqual(large);
        const smaller = await records.replace({ ...large, argv: ['kubectl'] });
        expect(await records.get('large')).toEqual(smaller);
      });

      test('is created once', async () => {
        await records.create(commandRecord('one'));
        await expect(records.create(commandRecord('one', { reason: 'again' }))).rejects.toThrow();
        expect((await stored('one')).reason).toBeUndefined();
      });

      test('is replaced by the one that has its version, and by nobody else', async () => {
        const first = commandRecord('one');
        await records.create(first);
        const second = await records.replace(changed(first, { status: 'submitting' }));
        expect(second).toEqual(changed(first, { status: 'submitting', version: 2 }));
        expect(await records.replace(changed(first, { status: 'failed' }))).toBeUndefined();
        expect(await records.get('one')).toEqual(second);
        expect(await records.replace(commandRecord('none'))).toBeUndefined();
        expect(await records.get('none')).toBeUndefined();
      });

      test('is won by exactly one of many at once', async () => {
        const first = commandRecord('one');
        await records.create(first);
        const wins = await Promise.all(
          Array.from({ length: 12 }, (_, index) => records.replace({ ...first, reason: `writer ${index}` })),
        );
        const winners = wins.filter((win) => win !== undefined);
        expect(winners).toHaveLength(1);
        expect(await records.get('one')).toEqual(winners[0]);
      });

      test('grows through a whole life', async () => {
        let record = commandRecord('one');
        await records.create(record);
        for (const status of ['submitting', 'running', 'running', 'completed'] as const) {
          const next = await records.replace(changed(record, { status }));
          if (next === undefined) throw new Error(`lost at ${status}`);
          record = next;
        }
        expect(await records.get('one')).toMatchObject({ status: 'completed', version: 5 });
      });
    });

    describe('a list', () => {
      const fill = async (): Promise<void> => {
        const statuses: CommandStatus[] = ['running', 'completed', 'failed'];
        for (let index = 0; index < 12; index += 1) {
          await records.create(
            commandRecord(`c${String(index).padStart(2, '0')}`, {
              // Two by two at the same instant.
              submittedAt: start + Math.floor(index / 2) * 1_000,
              cluster: index % 4 === 0 ? 'stage' : 'demo',
              status: statuses[index % 3] ?? 'running',
            }),
          );
        }
        await records.create(commandRecord('other', { owner: bob, submittedAt: start + 99_000 }));
      };
      const all = async (query: { cluster?: string; status?: CommandStatus; limit: number }) => {
        const pages: (readonly CommandRecord[])[] = [];
        let cursor: string | undefined;
        do {
          const page = await records.list({ owner: alice, ...query, cursor });
          pages.push(page.items);
          cursor = page.next;
        } while (cursor !== undefined);
        return pages;
      };

      test("holds the caller's own, newest first, and pages through them without a gap", async () => {
        await fill();
        for (const limit of [1, 5, 12, 100]) {
          const pages = await all({ limit });
          const listed = pages.flat();
          expect(listed.map(({ submittedAt }) => submittedAt)).toEqual(
            listed.map(({ submittedAt }) => submittedAt).toSorted((a, b) => b - a),
          );
          expect(ids(listed).toSorted()).toEqual(
            Array.from({ length: 12 }, (_, i) => `c${String(i).padStart(2, '0')}`),
          );
          for (const page of pages.slice(0, -1)) expect(page).toHaveLength(limit);
          expect(pages.at(-1)).not.toHaveLength(0);
        }
        expect(ids((await records.list({ owner: bob, limit: 10 })).items)).toEqual(['other']);
        expect(await records.list({ owner: ownerKey('user:x:y'), limit: 10 })).toEqual({ items: [] });
      });

      test('takes a cluster and a status', async () => {
        await fill();
        expect(ids((await all({ cluster: 'stage', limit: 2 })).flat())).toEqual(['c08', 'c04', 'c00']);
        expect(ids((await all({ status: 'completed', limit: 3 })).flat())).toEqual(['c10', 'c07', 'c04', 'c01']);
        expect(ids((await all({ status: 'completed', cluster: 'stage', limit: 3 })).flat())).toEqual(['c04']);
        expect(ids((await all({ cluster: "o'brien", limit: 3 })).flat())).toEqual([]);
      });

      test("stays the caller's own with another caller's cursor", async () => {
        await fill();
        const { next } = await records.list({ owner: alice, limit: 1 });
        expect(ids((await records.list({ owner: bob, limit: 10, cursor: next })).items)).toEqual([]);
      });

      test.each(['', 'x', '!!', 'bnVsbA', 'WzEsMl0', 'WzEsImEiLDFd', 'WzFlOTksImEiXQ', 'A'.repeat(10_000)])(
        'refuses what is not a cursor',
        async (cursor) => {
          expect(await cursorRefusal(records.list({ owner: alice, limit: 1, cursor }))).toBe('request-invalid');
        },
      );
    });

    describe('what is not finished', () => {
      test('is listed as it is, oldest first, until it is finished', async () => {
        const aged = (id: string, age: number, status: CommandStatus = 'running') =>
          commandRecord(id, { submittedAt: start - age, status });
        await records.create(aged('young', 1));
        await records.create(aged('old', 3));
        await records.create(aged('middle', 2, 'submitting'));
        await records.create(aged('oldest', 4, 'accepted'));
        await records.create(aged('finished', 5, 'unknown'));
        const listed = async (limit: number) => ids((await records.unfinished(limit)).records);
        expect(await listed(10)).toEqual(['oldest', 'old', 'middle', 'young']);
        expect(await listed(2)).toEqual(['oldest', 'old']);
        await records.replace({ ...aged('old', 3), carrier: 'gateway-2' });
        await records.replace(changed(await stored('middle'), { status: 'failed' }));
        expect(await listed(10)).toEqual(['oldest', 'old', 'young']);
        expect((await records.unfinished(10)).records[1]).toMatchObject({ version: 2, carrier: 'gateway-2' });
      });

      test('is counted by caller and cluster as far as it is with Azure', async () => {
        const statuses: CommandStatus[] = ['accepted', 'submitting', 'running', 'completed', 'failed', 'unknown'];
        for (const status of statuses) {
          await records.create(commandRecord(`alice-${status}`, { status }));
          await records.create(commandRecord(`bob-${status}`, { status, owner: bob, cluster: 'stage' }));
        }
        await records.create(commandRecord('alice-stage', { status: 'running', cluster: 'stage' }));
        const inFlight = async () =>
          (await records.inFlight())
            .map(({ owner, cluster, count }) => `${owner === alice ? 'alice' : 'bob'} ${cluster} ${count}`)
            .toSorted();
        expect(await inFlight()).toEqual(['alice demo 2', 'alice stage 1', 'bob stage 2']);
        await records.replace(changed(await stored('alice-accepted'), { status: 'submitting' }));
        await records.replace(changed(await stored('alice-stage'), { status: 'completed' }));
        expect(await inFlight()).toEqual(['alice demo 3', 'bob stage 2']);
        const batch = { id: 'b' as BatchId, of: 2, onError: 'stop' as const };
        for (const step of [0, 1])
          await records.create(commandRecord(`step-${step}`, { status: 'running', batch: { ...batch, step } }));
        expect(await inFlight()).toEqual(['alice demo 4', 'bob stage 2']); // a batch counts once
      });

      test('that is unknown is found by when it ended, until it is settled', async () => {
        for (const [id, finishedAt] of [
          ['early', start],
          ['late', start + 2],
        ] as const)
          await records.create(commandRecord(id, { status: 'unknown', finishedAt }));
        await records.create(commandRecord('completed', { status: 'completed', finishedAt: start + 2 }));
        const found = async (limit = 10) => (await records.unknown(start, limit)).map(({ id }) => id);
        expect(await found()).toEqual(['late']);
        expect(await found(0)).toEqual([]);
        await records.replace(changed(await stored('late'), { status: 'completed' }));
        expect(await found()).toEqual([]);
      });
    });

    describe('output', () => {
      test('comes back byte for byte', async () => {
        await records.create(commandRecord('one'));
        expect(await records.getOutput('one')).toBeUndefined();
        const every = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);
        await records.putOutput(commandId('one'), { stdout: every, stderr: new Uint8Array(0) });
        const back = await records.getOutput('one');
        expect(back && Buffer.compare(back.stdout, every)).toBe(0);
        expect(back?.stderr).toHaveLength(0);
        await records.putOutput(commandId('one'), output('', 'second'));
        const second = await records.getOutput('one');
        expect([second?.stdout.length, Buffer.from(second?.stderr ?? []).toString()]).toEqual([0, 'second']);
      });

      test('may be megabytes', async () => {
        await records.create(commandRecord('one'));
        const large = { stdout: Buffer.alloc(5_000_000, 'a'), stderr: Buffer.alloc(100_000, 'b') };
        await records.putOutput(commandId('one'), large);
        const back = await records.getOutput('one');
        expect(back && [Buffer.compare(back.stdout, large.stdout), Buffer.compare(back.stderr, large.stderr)]).toEqual([
          0, 0,
        ]);
      });

      test('goes with its record, with an output or without one, and not a moment sooner', async () => {
        for (const id of ['due', 'dry', 'kept']) {
          const finishedAt = id === 'kept' ? start : start - 1;
          await records.create(commandRecord(id, { status: 'completed', finishedAt }));
          if (id !== 'dry') await records.putOutput(commandId(id), output(id));
        }
        await records.create(commandRecord('open', { status: 'running', submittedAt: start - 1_000_000 }));
        const everything = { outputsBefore: start + 1, recordsBefore: start, now: 0 };
        expect(await records.purge(everything)).toEqual({ outputs: 2, records: 2, unreadable: [] });
        expect(await records.purge(everything)).toEqual({ outputs: 0, records: 0, unreadable: [] });
        for (const id of ['due', 'dry']) {
          expect(await records.get(id)).toBeUndefined();
          expect(await records.getOutput(id)).toBeUndefined();
        }
        expect(ids((await records.list({ owner: alice, limit: 10 })).items).toSorted()).toEqual(['kept', 'open']);
        expect(await records.get('kept')).toMatchObject({ outputPurged: true });
      });

      test('is purged at the end of its retention, and the record says so', async () => {
        const finished = { status: 'completed', finishedAt: start + 1_000 } as const;
        await records.create(commandRecord('due', finished));
        await records.create(commandRecord('due-silent', finished));
        await records.create(commandRecord('kept', { ...finished, finishedAt: start + 2_000 }));
        await records.create(commandRecord('unfinished', { finishedAt: start }));
        await records.create(commandRecord('lost', { status: 'unknown', finishedAt: start + 1_000 }));
        await records.create(commandRecord('lost-due', { status: 'unknown', finishedAt: start + 999 }));
        for (const id of ['due', 'kept', 'unfinished', 'lost', 'lost-due'])
          await records.putOutput(commandId(id), output(id));
        expect(await purgeOutputs(records, start + 1_000, 0)).toBe(1);
        expect(await stored('lost-due')).toMatchObject({ outputPurged: true, version: 2 });
        expect(await purgeOutputs(records, start + 1_001, 0)).toBe(2);
        expect(await stored('due')).toEqual({ ...commandRecord('due', finished), outputPurged: true, version: 2 });
        expect(await stored('due-silent')).toMatchObject({ outputPurged: false, version: 1 });
        for (const id of ['due', 'lost', 'lost-due']) expect(await records.getOutput(id)).toBeUndefined();
        for (const id of ['kept', 'unfinished']) {
          expect(await stored(id)).toMatchObject({ outputPurged: false, version: 1 });
          expect(await records.getOutput(id)).toBeDefined();
        }
        expect(await purgeOutputs(records, start + 1_001, 0)).toBe(0);
        const done = changed(await stored('unfinished'), { ...finished, finishedAt: start + 1_000 });
        await records.replace(done);
        expect(await purgeOutputs(records, start + 1_001, 0)).toBe(1);
      });
    });

    describe('an idempotency key', () => {
      const claim = (id: string, changes: Partial<KeyClaim> = {}): KeyClaim => ({
        scope: 'scope-1',
        body: 'body-1',
        commandId: commandId(id),
        expiresAt: start + 1_000,
        ...changes,
      });

      test('belongs to the first who claims it, until it expires', async () => {
        expect(await records.claimKey(claim('c1'), start)).toEqual({ claimed: true });
        expect(await records.claimKey(claim('c2', { body: 'body-2' }), start + 999)).toEqual({
          claimed: false,
          by: claim('c1'),
        });
        expect(await records.claimKey(claim('c3', { scope: 'scope-2' }), start)).toEqual({ claimed: true });
        expect(await records.claimKey(claim('c2', { expiresAt: start + 5_000 }), start + 1_000)).toEqual({
          claimed: true,
        });
        expect(await records.claimKey(claim('c1'), start + 1_000)).toMatchObject({
          claimed: false,
          by: { commandId: 'c2' },
        });
      });

      test('may be claimed again by its own command, to be kept longer', async () => {
        await records.claimKey(claim('c1'), start);
        expect(await records.claimKey(claim('c1', { expiresAt: start + 9_000 }), start)).toEqual({ claimed: true });
        expect(await records.claimKey(claim('c2'), start + 8_999)).toMatchObject({ claimed: false });
      });

      test('is given back by its own command only', async () => {
        await records.claimKey(claim('c1'), start);
        await records.releaseKey(claim('c2'));
        expect(await records.claimKey(claim('c2'), start)).toMatchObject({ claimed: false });
        await records.releaseKey(claim('c1'));
        await records.releaseKey(claim('c1'));
        expect(await records.claimKey(claim('c2'), start)).toEqual({ claimed: true });
      });

      test('is claimed by exactly one of many at once, also where an old claim stands', async () => {
        await records.claimKey(claim('old', { expiresAt: start }), start - 1);
        const answers = await Promise.all(
          Array.from({ length: 12 }, (_, index) => records.claimKey(claim(`c${index}`), start)),
        );
        expect(answers.filter(({ claimed }) => claimed)).toHaveLength(1);
        expect(new Set(answers.flatMap((answer) => (answer.claimed ? [] : [answer.by.commandId]))).size).toBe(1);
      });

      test('that expired is purged, others are not', async () => {
        await records.claimKey(claim('c1'), start);
        await records.claimKey(claim('c2', { scope: 'scope-2', expiresAt: start + 1_001 }), start);
        expect(await purgeOutputs(records, 0, start + 1_000)).toBe(0);
        // Asked with a time before both ends: what answers is what is stored.
        expect(await records.claimKey(claim('c3'), start)).toEqual({ claimed: true });
        expect(await records.claimKey(claim('c4', { scope: 'scope-2' }), start)).toMatchObject({ claimed: false });
      });
    });

    describe('a lease', () => {
      test("is one holder's until it ends or is released", async () => {
        expect(await records.lease('sweep', 'a', start + 10, start)).toBe(true);
        expect(await records.lease('sweep', 'b', start + 20, start + 9)).toBe(false);
        expect(await records.lease('other', 'b', start + 20, start)).toBe(true);
        expect(await records.lease('sweep', 'a', start + 20, start + 9)).toBe(true);
        expect(await records.lease('sweep', 'b', start + 30, start + 19)).toBe(false);
        expect(await records.lease('sweep', 'b', start + 30, start + 20)).toBe(true);
        await records.releaseLease('sweep', 'a');
        expect(await records.lease('sweep', 'a', start + 40, start + 21)).toBe(false);
        await records.releaseLease('sweep', 'b');
        expect(await records.lease('sweep', 'a', start + 40, start + 21)).toBe(true);
      });

      test('is won by exactly one of many at once', async () => {
        await records.lease('sweep', 'old', start, start - 1);
        const wins = await Promise.all(
          Array.from({ length: 12 }, (_, index) => records.lease('sweep', `h${index}`, start + 10, start)),
        );
        expect(wins.filter(Boolean)).toHaveLength(1);
      });
    });

    test('does what a plain list of records would, whatever is asked in whatever order', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
          const store = await open();
          try {
            await followModel(store, steps);
          } finally {
            await store.close();
          }
        }),
        { numRuns: modelRuns },
      );
    });

    test('a store answers a ping, and nothing once it is closed', async () => {
      await records.ping();
      await records.close();
      await expect(records.ping()).rejects.toBeInstanceOf(StorageUnavailable);
      await expect(records.get('one')).rejects.toBeInstanceOf(StorageUnavailable);
      await expect(records.create(commandRecord('one'))).rejects.toBeInstanceOf(StorageUnavailable);
    });

    describe('a note', () => {
      test('is what was written last, from the version that was read', async () => {
        expect(await records.getNote('job/nightly')).toBeUndefined();
        expect(await records.putNote('job/nightly', { version: 0, text: 'one' })).toBe(true);
        expect(await records.getNote('job/nightly')).toEqual({ version: 1, text: 'one' });
        expect(await records.putNote('job/nightly', { version: 1, text: 'two' })).toBe(true);
        expect(await records.getNote('job/nightly')).toEqual({ version: 2, text: 'two' });
      });

      test('is not written from any other version', async () => {
        expect(await records.putNote('n', { version: 3, text: 'lost' })).toBe(false);
        expect(await records.putNote('n', { version: 0, text: 'first' })).toBe(true);
        expect(await records.putNote('n', { version: 0, text: 'again' })).toBe(false);
        expect(await records.putNote('n', { version: 2, text: 'ahead' })).toBe(false);
        expect(await records.getNote('n')).toEqual({ version: 1, text: 'first' });
      });

      test('is written by one of many who start from the same version', async () => {
        await records.putNote('n', { version: 0, text: 'start' });
        const tries = await Promise.all(
          Array.from({ length: 8 }, (_, index) => records.putNote('n', { version: 1, text: `by ${index}` })),
        );
        expect(tries.filter(Boolean)).toHaveLength(1);
        expect(await records.getNote('n')).toEqual({ version: 2, text: `by ${tries.indexOf(true)}` });
      });

      test('holds as much as is promised, whatever is in it', async () => {
        const text = '"\u00e4\u{1F600}\n'.repeat(Math.floor(MAX_NOTE / 5)).slice(0, MAX_NOTE);
        expect(await records.putNote('n', { version: 0, text })).toBe(true);
        expect(await records.getNote('n')).toEqual({ version: 1, text });
      });
    });
  });
}
