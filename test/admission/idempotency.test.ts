import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';

import { bodyDigest, createIdempotency, keyScope, parseIdempotencyKey } from '../../shared/admission/idempotency.ts';
import type { KeyedRequest } from '../../shared/admission/idempotency.ts';
import type { Records } from '../../shared/store/records.ts';
import { openSqliteRecords } from '../../shared/store/sqlite-records.ts';
import { problemOf } from '../identity/problem-of.ts';
import { commandId, commandRecord } from '../support/records.ts';
import { createManualClock } from '../support/manual-clock.ts';

const attempt = async (header: string): Promise<unknown> => parseIdempotencyKey(header);

describe('the Idempotency-Key header', () => {
  test.each([
    ['bare', 'abc-123', 'abc-123'],
    ['quoted', '"abc-123"', 'abc-123'],
    ['with spaces around it', '  "a"  ', 'a'],
    ['with escapes', '"a\\"b\\\\c"', 'a"b\\c'],
    ['of 255 characters', 'k'.repeat(255), 'k'.repeat(255)],
    ['of 255 quoted characters', `"${'k'.repeat(255)}"`, 'k'.repeat(255)],
  ])('is taken %s', (_, header, key) => {
    expect(parseIdempotencyKey(header)).toBe(key);
  });

  test('may be left out', () => {
    expect(parseIdempotencyKey(undefined)).toBeUndefined();
  });

  const refused = [
    '',
    '  ',
    '""',
    '"',
    '"a',
    'a"',
    'a"b',
    '"a"b"',
    '"a";p=1',
    '"a", "b"',
    'a, b',
    'a b',
    '"a b"',
    'a\tb',
  ];
  const odd = ['\\', '"\\a"', 'ä', '"ä"', 'a\n', '\u00a0a'];
  test.each([...refused, ...odd, 'k'.repeat(256)])('is refused as %j', async (header) => {
    expect(await problemOf(attempt(header))).toMatchObject({ code: 'request-invalid' });
  });

  test('is a key or a problem, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (header) => {
        let key: string | undefined;
        try {
          key = parseIdempotencyKey(header);
        } catch (error) {
          expect(error).toMatchObject({ code: 'request-invalid' });
          return;
        }
        expect(key).toMatch(/^[\x21-\x7e]{1,255}$/);
        expect(parseIdempotencyKey(JSON.stringify(key))).toBe(key);
      }),
    );
  });
});

describe('digests', () => {
  const base = { owner: 'user:t:o', armId: 'demo', key: 'k' };

  test('of scope differ by caller, cluster and key, however the parts are cut', () => {
    const scopes = [
      base,
      { ...base, owner: 'app:t:o' },
      { ...base, armId: 'demo2' },
      { ...base, key: 'k2' },
      { ...base, owner: 'user:t:odemo', armId: '' },
      { ...base, armId: 'demok', key: '' },
    ].map(keyScope);
    expect(new Set(scopes).size).toBe(scopes.length);
  });

  test('of bodies are the same for the same meaning, and only for it', () => {
    const shuffled = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(shuffled);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .toReversed()
          .map(([name, member]) => [name, shuffled(member)]),
      );
    };
    // A body holds no other numbers: its schema has integers only.
    const body = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.string(),
        fc.maxSafeInteger(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value')),
        fc.dictionary(fc.string(), tie('value')),
      ),
    })).value;
    fc.assert(
      fc.property(body, body, (body, other) => {
        const digest = bodyDigest({ key: 'k', body });
        expect(bodyDigest({ key: 'k', body: shuffled(body) })).toBe(digest);
        const isSame = JSON.stringify(fc.stringify(shuffled(body))) === JSON.stringify(fc.stringify(shuffled(other)));
        if (!isSame && fc.stringify(body) !== fc.stringify(other)) return;
        expect(bodyDigest({ key: 'k', body: other })).toBe(digest);
      }),
    );
    const bodies = [
      { a: 1 },
      { a: '1' },
      { a: [1] },
      { a: 1, b: null },
      { b: 1 },
      [],
      {},
      null,
      'x',
      { a: { b: 1 } },
      { 'a.b': 1 },
    ];
    expect(new Set(bodies.map((body) => bodyDigest({ key: 'k', body }))).size).toBe(bodies.length);
  });

  test('of a body cannot be made without the key', () => {
    const body = { argv: ['kubectl', 'get', 'pods'] };
    expect(bodyDigest({ key: 'k', body })).not.toBe(bodyDigest({ key: 'l', body }));
  });
});

describe('a keyed request', () => {
  let records: Records;
  beforeEach(async () => {
    records = await openSqliteRecords(':memory:');
  });
  afterEach(() => records.close());

  const setUp = () => {
    const clock = createManualClock();
    const idempotency = createIdempotency({ records, clock });
    const request = (id: string, changes: Partial<KeyedRequest> = {}): KeyedRequest => ({
      owner: 'user:t:o',
      armId: 'demo',
      key: 'k',
      body: { argv: ['kubectl', 'get', 'pods'], reason: 'r' },
      commandId: commandId(id),
      ...changes,
    });
    const firstOf = async (keyed: KeyedRequest) => {
      const answer = await idempotency.claim(keyed);
      if (answer.kind !== 'first') throw new Error(`${keyed.commandId} is a replay`);
      return answer;
    };
    return { clock, idempotency, request, firstOf };
  };
  const hour = 3_600_000;

  test('is replayed to its first record for 24 hours', async () => {
    const { clock, idempotency, request, firstOf } = setUp();
    const first = await firstOf(request('c1'));
    await records.create(commandRecord('c1'));
    expect(await first.confirm()).toBe(true);
    const reordered = { body: { reason: 'r', argv: ['kubectl', 'get', 'pods'] } };
    await clock.advance(24 * hour - 1);
    expect(await idempotency.claim(request('c2', reordered))).toEqual({ kind: 'replay', record: commandRecord('c1') });
    await clock.advance(1);
    expect(await idempotency.claim(request('c2'))).toMatchObject({ kind: 'first' });
  });

  test('conflicts with another body, in flight too', async () => {
    const { idempotency, request, firstOf } = setUp();
    await firstOf(request('c1'));
    expect(
      await problemOf(idempotency.claim(request('c2', { body: { argv: ['kubectl', 'get', 'nodes'] } }))),
    ).toMatchObject({
      code: 'idempotency-conflict',
    });
  });

  test.each([{ owner: 'user:t:other' }, { owner: 'app:t:o' }, { armId: 'stage' }])(
    'of %j with the same key is a request of its own',
    async (changes) => {
      const { request, firstOf } = setUp();
      await firstOf(request('c1'));
      await firstOf(request('c2', { ...changes, body: 'another' }));
    },
  );

  test('that was refused does not use the key up', async () => {
    const { request, firstOf } = setUp();
    await (await firstOf(request('c1'))).release();
    await firstOf(request('c2', { body: 'another' }));
  });

  test('is the same however the letters of the ARM id are written', async () => {
    const { idempotency, request, firstOf } = setUp();
    await firstOf(request('c1', { armId: '/subscriptions/S/c' }));
    await records.create(commandRecord('c1'));
    expect(await idempotency.claim(request('c2', { armId: '/SUBSCRIPTIONS/s/C' }))).toMatchObject({ kind: 'replay' });
  });

  test('is free again when its process was killed and nothing was sent, and only then', async () => {
    const { idempotency, request, firstOf } = setUp();
    const azure = { commandId: 'a'.repeat(32) };
    for (const [id, sent, kind] of [
      ['c1', {}, 'first'],
      ['c2', { azure }, 'replay'],
    ] as const) {
      const key = `key of ${id}`;
      await (await firstOf(request(id, { key }))).confirm();
      await records.create(commandRecord(id, { status: 'failed', ...sent }));
      expect(await idempotency.claim(request(`${id}-again`, { key }))).toMatchObject({ kind });
    }
  });

  test('waits for the record of the first, which is being stored', async () => {
    const { clock, idempotency, request, firstOf } = setUp();
    const first = await firstOf(request('c1'));
    const second = idempotency.claim(request('c2'));
    await clock.advance(1_000);
    await records.create(commandRecord('c1'));
    await first.confirm();
    await clock.advance(50);
    expect(await second).toMatchObject({ kind: 'replay', record: { id: 'c1' } });
  });

  test('becomes the first when the first is refused meanwhile', async () => {
    const { clock, idempotency, request, firstOf } = setUp();
    const first = await firstOf(request('c1'));
    const second = idempotency.claim(request('c2'));
    await clock.advance(100);
    await first.release();
    await clock.advance(50);
    expect(await second).toMatchObject({ kind: 'first' });
  });

  test('waits for no more than five seconds, nor longer than its caller', async () => {
    const { clock, idempotency, request, firstOf } = setUp();
    await firstOf(request('c1'));
    const gone = new AbortController();
    const leaving = idempotency.claim(request('c2'), gone.signal);
    const staying = problemOf(idempotency.claim(request('c3')));
    await clock.advance(100);
    gone.abort(new Error('the caller left'));
    await expect(leaving).rejects.toThrow('the caller left');
    await clock.advance(5_000);
    expect(await staying).toMatchObject({ code: 'gateway-busy', problem: { options: { retryAfter: 55 } } });
    expect(clock.sleeping()).toBe(0);
  });

  test('whose process was killed before its record was stored frees the key within a minute, and cannot come back', async () => {
    const { clock, request, firstOf } = setUp();
    const stalled = await firstOf(request('c1'));
    await clock.advance(60_000);
    const second = await firstOf(request('c2'));
    expect(await stalled.confirm()).toBe(false);
    expect(await second.confirm()).toBe(true);
    await stalled.release();
    expect(await second.confirm()).toBe(true);
  });

  test('of many at once has one first', async () => {
    const { clock, idempotency, request } = setUp();
    const all = Array.from({ length: 20 }, async (_, index) => {
      const answer = await idempotency.claim(request(`c${index}`));
      if (answer.kind === 'replay') return answer.record.id;
      await records.create(commandRecord(`c${index}`));
      await answer.confirm();
      return 'first';
    });
    await clock.advance(200);
    const answers = await Promise.all(all);
    expect(answers.filter((answer) => answer === 'first')).toHaveLength(1);
    expect(new Set(answers).size).toBe(2);
  });
});
