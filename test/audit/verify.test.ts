import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { rfc3339 } from '../../shared/audit/chain.ts';
import { createSigningKey, signCompact } from '../../shared/audit/signature.ts';
import { renderReport } from '../../shared/audit/verify/report.ts';
import { emptyState, acknowledge, parseState, renderState } from '../../shared/audit/verify/state.ts';
import type { VerificationReport } from '../../shared/audit/verify/verification-report.ts';
import { type VerifyOptions, verifyTrail } from '../../shared/audit/verify/verify.ts';
import { canonicalJson } from '../../shared/lib/canonical-json.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import { memoryLog } from './support/memory-log.ts';
import { type Bench, completed, createBench, intended } from './support/samples.ts';
import { type Trail, joinLines, parseLines, readTrail, rechain, splitLines } from './support/tamper.ts';
import { commandId } from '../support/records.ts';

const seed = Number(process.env['FC_SEED'] ?? 20_260_104);
console.log(`seed ${seed}`);
/** Hundreds of verifications each: seconds when the machine is quiet. */
const TIMEOUT_MS = 120_000;

describe('a trail that somebody changes', () => {
  let bench: Bench;
  let trail: Trail;
  let options: VerifyOptions;
  const receipts: string[] = [];
  const copies: string[] = [];

  /** Closed; killed, its end torn; and one that lives: random numbers of commands, in batches of random size. */
  beforeAll(async () => {
    bench = await createBench();
    const sizes = fc.sample(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 3, maxLength: 8 }), {
      seed,
      numRuns: 3,
    });
    const sink = {
      offer: (_: string, jws: string) => void copies.push(jws),
      counts: () => ({ copied: 0, failed: 0 }),
      close: async () => undefined,
    };
    for (const [life, batches] of sizes.entries()) {
      const writing = await bench.open({ copies: [sink] });
      for (const [at, size] of batches.entries()) {
        const ids = Array.from({ length: size }, (_, n) => `cmd-${life}-${at}-${n}`);
        const recorded = await Promise.all(ids.map((id) => writing.record(intended(id))));
        receipts.push((await recorded[0]?.receipt()) ?? '');
        await Promise.all(ids.map((id) => writing.record(completed(id))));
        await bench.clock.advance(500);
      }
      if (life !== 2) await writing.close();
    }
    trail = await readTrail(bench.folder);
    // Some of them: each costs a signature's check, hundreds of times.
    const some = copies.filter((_, at) => at % 6 === 0 || at === copies.length - 1);
    options = { rootKeys: [bench.key.keyId], now: bench.clock.now(), receipts: receipts.slice(-3), copies: some };
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  const verify = (of: Trail, more: VerifyOptions = {}): Promise<VerificationReport> =>
    verifyTrail(memoryLog(of), { ...options, ...more });

  test('is intact before', async () => {
    const report = await verify(trail);
    expect([report.verdict, Object.keys(report.counts)]).toEqual(['INTACT', ['alive']]);
  });

  const edit = fc.record({
    stream: fc.nat(2),
    at: fc.nat(2 ** 30),
    cut: fc.oneof(fc.constant(0), fc.constant(1), fc.nat(400)),
    put: fc.oneof(
      fc.constant(''),
      fc.constantFrom('\n', '{}\n', 'x', '{"code":"AKG002I"}\n'),
      fc.string({ maxLength: 5 }),
    ),
  });

  test(
    'is never intact after bytes were changed, put in or left out anywhere, and the place is named',
    async () => {
      const names = [...trail.keys()].sort();
      await fc.assert(
        fc.asyncProperty(edit, async ({ stream, at, cut, put }) => {
          const name = names[stream] ?? '';
          const bytes = trail.get(name) ?? Buffer.alloc(0);
          const from = at % bytes.length;
          const changed = Buffer.concat([bytes.subarray(0, from), Buffer.from(put), bytes.subarray(from + cut)]);
          if (changed.equals(bytes)) return;
          const report = await verify(new Map(trail).set(name, changed));
          const seqs = report.findings
            .filter((finding) => finding.stream === name && finding.level !== 'note')
            .map(({ seq = -1 }) => seq);
          const line = bytes.subarray(0, from).filter((byte) => byte === 10).length;
          expect([report.verdict === 'INTACT', seqs.some((seq) => seq <= line + 4), seqs.length > 0]).toEqual([
            false,
            true,
            true,
          ]);
        }),
        { seed, numRuns: 150 },
      );
    },
    TIMEOUT_MS,
  );

  test(
    'is never intact after whole lines were left out, repeated, exchanged or made up, with a chain that holds',
    async () => {
      const names = [...trail.keys()].sort();
      const change = fc.record({
        stream: fc.nat(2),
        at: fc.nat(1_000),
        what: fc.constantFrom('leave out', 'repeat', 'exchange', 'make up', 'cut'),
        member: fc.constantFrom('reason', 'commandId', 'argv', 'requestId', 'lagMs'),
      });
      await fc.assert(
        fc.asyncProperty(change, async ({ stream, at, what, member }) => {
          const name = names[stream] ?? '';
          const lines = parseLines(splitLines(trail.get(name) ?? Buffer.alloc(0)));
          const here = at % lines.length;
          const line = lines[here] ?? {};
          const forged = {
            'leave out': lines.toSpliced(here, 1),
            repeat: lines.toSpliced(here, 0, line),
            exchange: lines.toSpliced(here, 2, lines[here + 1] ?? line, line),
            'make up': lines.with(here, {
              ...line,
              [member]: member === 'argv' ? ['x'] : member === 'lagMs' ? 7 : 'x',
            }),
            cut: lines.slice(0, here),
          }[what];
          const report = await verify(new Map(trail).set(name, joinLines(rechain(forged))));
          if (canonicalJson(forged) !== canonicalJson(lines))
            expect([what, here, report.verdict]).not.toEqual([what, here, 'INTACT']);
        }),
        { seed, numRuns: 120 },
      );
    },
    TIMEOUT_MS,
  );

  test('does not break because a receipt or a copy is forged: that is named apart', async () => {
    const [payload] = receipts.map(
      (one) => JSON.parse(Buffer.from(one.split('.')[1] ?? '', 'base64url').toString()) as Record<string, string>,
    );
    const own = createSigningKey();
    const swapPayload = (jws: string, members: object): string =>
      jws.replace(/\.[^.]*\./, `.${Buffer.from(canonicalJson({ ...payload, ...members })).toString('base64url')}.`);
    const cases: readonly (readonly [string, string])[] = [
      [signCompact(own, 'aksgw-receipt', { ...payload }), 'invalid'],
      [swapPayload(receipts[0] ?? '', { hash: 'f'.repeat(64) }), 'invalid'],
      [swapPayload(receipts[0] ?? '', { stream: 'gone' }), 'unknown'],
      ['nonsense', 'invalid'],
      // A checkpoint is not a receipt: the types keep them apart.
      [copies.at(-1) ?? '', 'invalid'],
    ];
    for (const [receipt, judgement] of cases) {
      const report = await verify(trail, { receipts: [receipt], copies: [] });
      expect(report.evidence).toMatchObject({ valid: 0, other: [{ what: 'receipt', number: 1, judgement }] });
      expect(report.verdict).toBe(judgement === 'unknown' ? 'UNPROVEN' : 'INTACT');
      expect(renderReport(report)).toContain(`${judgement} receipt 1`);
    }
    const copied = await verify(trail, { copies: [signCompact(own, 'aksgw-checkpoint', { ...payload })] });
    expect(copied.evidence.other).toMatchObject([{ what: 'copy', judgement: 'invalid' }]);
  });
});

describe('a state file', () => {
  test('pins what was there: a stream that is cut or gone since then is a contradiction', async () => {
    await using bench = await createBench();
    const writing = await bench.open();
    await writing.record(intended('cmd-1'));
    await writing.record(completed('cmd-1'));
    const options = { rootKeys: [bench.key.keyId], now: bench.clock.now() };
    const { state } = await verifyTrail(bench.log, options);
    const [[stream, bytes] = ['', Buffer.alloc(0)]] = await readTrail(bench.folder);
    const cut = memoryLog(new Map([[stream, joinLines(splitLines(bytes).slice(0, 4))]]));
    expect((await verifyTrail(cut, options)).verdict).toBe('INTACT');
    expect((await verifyTrail(cut, { ...options, state })).counts).toMatchObject({ 'tail-cut': 1 });
    expect((await verifyTrail(memoryLog(new Map()), { ...options, state })).counts).toMatchObject({
      'stream-missing': 1,
    });
    await writing.close();
    // A broken trail pins nothing.
    expect((await verifyTrail(cut, { ...options, state })).state).toEqual(state);
  });

  test('does not vouch for the end of a stream that lived when it was pinned: what followed may have been cut off', async () => {
    await using bench = await createBench();
    const writing = await bench.open();
    await writing.record(intended('cmd-1'));
    await writing.record(completed('cmd-1'));
    const options = { rootKeys: [bench.key.keyId] };
    const seen = new Map(await readTrail(bench.folder));
    const { state } = await verifyTrail(memoryLog(seen), { ...options, now: bench.clock.now() });
    await bench.clock.advance(600_000);
    await writing.record(intended('cmd-2'));
    await writing.close();
    const now = bench.clock.now() + 600_000;
    // The stream is cut back to what the state file knows.
    const cut = await verifyTrail(memoryLog(seen), { ...options, state, now });
    expect([cut.verdict, cut.counts]).toEqual(['UNPROVEN', { 'end-unproven': 1 }]);
    // Once it has been seen to stand still for longer than a living one does, it has ended there.
    const later = await verifyTrail(memoryLog(seen), { ...options, state: cut.state, now });
    expect(later.verdict).toBe('INTACT');
  });

  test('pins the trail, so that one of another trail is foreign though it is the only one', async () => {
    await using one = await createBench();
    await using two = await createBench();
    await (await one.open()).close();
    await (await two.open({ key: one.key })).close();
    const options = { rootKeys: [one.key.keyId], now: one.clock.now() };
    const { state } = await verifyTrail(one.log, options);
    const report = await verifyTrail(two.log, { ...options, state: { ...state, streams: {} } });
    expect(report.counts).toEqual({ 'foreign-stream': 1 });
  });

  test('holds what was explained, by whom and why, and that finding alone counts no longer', async () => {
    await using bench = await createBench();
    const writing = await bench.open();
    await writing.record(intended('cmd-1'));
    await writing.record(completed('cmd-1'));
    bench.clock.step(-60_000);
    await writing.record(intended('cmd-2'));
    await writing.record(completed('cmd-2'));
    await writing.close();
    const options = { rootKeys: [bench.key.keyId], now: bench.clock.now() };
    const before = await verifyTrail(bench.log, options);
    expect([before.verdict, before.counts]).toEqual(['UNPROVEN', { 'clock-stepped': 1 }]);
    const [{ id } = { id: '' }] = before.findings;
    const word = { id, by: 'Ann', at: rfc3339(bench.clock.now()), why: 'NTP was set up' };
    const state = parseState(renderState(acknowledge(before.state, before.findings, word)));
    const after = await verifyTrail(bench.log, { ...options, state });
    expect([after.verdict, after.acknowledged]).toMatchObject(['INTACT', [{ by: 'Ann', why: 'NTP was set up' }]]);
    expect(renderReport(after)).toContain('by Ann');
    expect(after.state.acknowledged).toHaveLength(1);
    expect(() => acknowledge(state, [], word)).toThrow('nothing was found');
    const none = { ...state, acknowledged: [] };
    expect((await verifyTrail(bench.log, { ...options, state: none })).verdict).toBe('UNPROVEN');
  });

  test.each(['', '[]', '{"version":2}', '{"version":1,"rootKeys":[],"streams":{},"more":1}'])(
    'that reads %j is refused',
    (text) => {
      expect(() => parseState(text)).toThrow('state file');
    },
  );

  test('retires and revokes root keys from a time on', async () => {
    await using bench = await createBench();
    await (await bench.open()).close();
    await bench.clock.advance(3_600_000);
    const from = rfc3339(bench.clock.now());
    await bench.clock.advance(60_000);
    const decided = (status: 'retired' | 'revoked') => ({
      ...emptyState,
      rootKeys: [bench.key.keyId],
      keys: { [bench.key.keyId]: { status, from, by: 'Ann', why: 'rotated' } },
    });
    const options = { now: bench.clock.now() };
    const before = await verifyTrail(bench.log, { ...options, state: decided('retired') });
    expect(before.verdict).toBe('INTACT');
    // What a stolen key has opened may have been made up later, unless somebody saw it then.
    const revoked = await verifyTrail(bench.log, { ...options, state: decided('revoked') });
    expect([revoked.verdict, revoked.counts]).toEqual(['UNPROVEN', { 'root-key-revoked-later': 1 }]);
    const pinned = { ...before.state, keys: decided('revoked').keys };
    expect((await verifyTrail(bench.log, { ...options, state: pinned })).verdict).toBe('INTACT');
    await (await bench.open()).close();
    for (const status of ['retired', 'revoked'] as const)
      expect((await verifyTrail(bench.log, { ...options, state: decided(status) })).counts).toMatchObject({
        'root-key-revoked': 1,
      });
  });
});

describe('what an honest but troubled gateway leaves', () => {
  const writeWith = async (write: (bench: Bench) => Promise<void>): Promise<VerificationReport> => {
    const own = await createBench();
    await write(own);
    const report = await verifyTrail(own.log, { rootKeys: [own.key.keyId], now: own.clock.now() });
    await own[Symbol.asyncDispose]();
    return report;
  };
  const cases: readonly (readonly [string, readonly string[], (bench: Bench) => Promise<void>])[] = [
    [
      'a clock that was set back',
      ['clock-stepped'],
      async (own) => {
        const writing = await own.open();
        own.clock.step(-5_000);
        await writing.record(intended('cmd-1'));
        await writing.record(completed('cmd-1'));
        await writing.close();
      },
    ],
    [
      'two outcomes of one command',
      ['two-outcomes'],
      async (own) => {
        const writing = await own.open();
        await writing.record(intended('cmd-1'));
        await writing.record(completed('cmd-1'));
        await writing.record(completed('cmd-1', 1));
        await writing.close();
      },
    ],
    [
      'a command that was sent after its outcome was told',
      ['sent-after-outcome'],
      async (own) => {
        const writing = await own.open();
        await writing.record(intended('cmd-1'));
        await writing.record({ event: 'command.unknown', commandId: commandId('cmd-1') });
        await writing.record({ event: 'command.accepted', commandId: commandId('cmd-1'), azureCommandId: 'a' });
        await writing.close();
      },
    ],
    [
      'an outcome without an intent',
      ['outcome-without-intent'],
      async (own) => {
        const writing = await own.open();
        await writing.record(completed('cmd-1'));
        await writing.close();
      },
    ],
    [
      'an outcome before its intent',
      ['outcome-before-intent'],
      async (own) => {
        const writing = await own.open();
        await writing.record(completed('cmd-1'));
        await writing.record(intended('cmd-1'));
        await writing.close();
      },
    ],
    [
      'a command that was sent without an intent',
      ['sent-without-intent'],
      async (own) => {
        const writing = await own.open();
        await writing.record({ event: 'command.accepted', commandId: commandId('cmd-1'), azureCommandId: 'a' });
        await writing.close();
      },
    ],
    [
      'one intent that is told twice',
      ['two-intents'],
      async (own) => {
        const writing = await own.open();
        await writing.record(intended('cmd-1'));
        await writing.record(intended('cmd-1'));
        await writing.record(completed('cmd-1'));
        await writing.close();
      },
    ],
    [
      'an interruption without intent, after a crash between record and intent',
      [],
      async (own) => {
        const writing = await own.open();
        await writing.record({ event: 'command.interrupted', commandId: commandId('cmd-1') });
        await writing.close();
      },
    ],
    [
      'the same outcome again, after a crash between outcome and record',
      ['outcome-repeated'],
      async (own) => {
        const killed = await own.open();
        await killed.record(intended('cmd-1'));
        await killed.record(completed('cmd-1'));
        const writing = await own.open();
        await writing.record(completed('cmd-1'));
        await writing.close();
      },
    ],
  ];
  for (const [what, kinds, write] of cases)
    test(`names ${what}`, async () => {
      const report = await writeWith(write);
      expect(Object.keys(report.counts).filter((kind) => kind !== 'alive')).toEqual(kinds);
    });

  test('names an intent without outcome once it is older than any time-out', async () => {
    await using own = await createBench();
    const writing = await own.open();
    await writing.record(intended('cmd-1'));
    await writing.close();
    const hours = (count: number) => ({ rootKeys: [own.key.keyId], now: own.clock.now() + count * 3_600_000 });
    expect((await verifyTrail(own.log, hours(1))).verdict).toBe('INTACT');
    const late = await verifyTrail(own.log, hours(3));
    expect(late.findings).toMatchObject([{ kind: 'intent-without-outcome', seq: 2 }]);
    expect(late.verdict).toBe('UNPROVEN');
  });

  test.each([
    [0, 'outcome-repeated', 'note', 'The outcome of cmd-1 is told in two streams, alike'],
    [1, 'two-outcomes', 'broken', 'Command cmd-1 has two outcomes, which differ'],
  ])(
    'takes a second outcome of a process that stood still for no tampering if it agrees (exit code %i)',
    async (exitCode, kind, level, words) => {
      const report = await writeWith(async (own) => {
        const [stalled, heir] = [await own.open(), await own.open()];
        await stalled.record(intended('cmd-1'));
        await heir.record(completed('cmd-1'));
        await stalled.record(completed('cmd-1', exitCode));
        await stalled.close();
        await heir.close();
      });
      const [first = '', second = ''] = report.streams.map(({ stream }) => stream);
      expect(report.findings).toEqual([
        expect.objectContaining({
          kind,
          level,
          message: expect.stringContaining(words),
        }),
      ]);
      // One of them is the place, the other is in the words.
      const [{ stream, message } = { stream: '', message: '' }] = report.findings;
      expect([first, second].filter((name) => stream === name || message.includes(name))).toHaveLength(2);
      expect(stream === first ? message.includes(second) : message.includes(first)).toBe(true);
    },
  );

  test('tells of a second outcome that differs even after its stream broke off', async () => {
    const report = await writeWith(async (own) => {
      const killed = await own.open();
      await killed.record(intended('cmd-1'));
      await killed.record(completed('cmd-1'));
      const heir = await own.open();
      await heir.record(completed('cmd-1', 1));
      await heir.close();
    });
    expect(report.counts).toMatchObject({ 'two-outcomes': 1 });
  });

  describe.each([false, true])('of two processes, the heir’s stream read first: %s', (heirFirst) => {
    /** One process intends and sends, the other tells the outcome, in either order. */
    const report = (outcome: 'command.interrupted' | 'command.rejected' | 'command.unknown', sentFirst: boolean) =>
      writeWith(async (own) => {
        const [one, two] = [await own.open(), await own.open()];
        const name = async (trail: typeof one) => (await trail.record({ event: 'result.purged', count: 1 })).stream;
        const oneIsRead = (await name(one)) < (await name(two)); // streams are read by name
        const [heir, first] = oneIsRead === heirFirst ? [one, two] : [two, one];
        await first.record(intended('cmd-1'));
        const send = () =>
          first.record({ event: 'command.accepted', commandId: commandId('cmd-1'), azureCommandId: 'a' });
        if (sentFirst) await send();
        await own.clock.advance(1_000);
        await heir.record({ event: outcome, commandId: commandId('cmd-1') });
        await own.clock.advance(1_000);
        if (!sentFirst) await send();
        await first.close();
        await heir.close();
      });

    test.each(['command.interrupted', 'command.rejected'] as const)(
      'never takes a command for unsent (%s) that the other says was sent, whenever',
      async (outcome) => {
        for (const sentFirst of [true, false])
          expect(await report(outcome, sentFirst)).toMatchObject({
            verdict: 'BROKEN',
            findings: [{ kind: 'sent-after-outcome', message: expect.stringContaining('never was') }],
          });
      },
    );

    test('tells of one that is noted as sent after its outcome was told, and of none before', async () => {
      const { verdict, findings } = await report('command.unknown', false);
      expect({ verdict, findings }).toEqual({
        verdict: 'INTACT',
        findings: [
          {
            id: expect.any(String),
            kind: 'sent-noted-late',
            level: 'note',
            stream: expect.any(String),
            seq: expect.any(Number),
            position: expect.anything(),
            message: expect.stringContaining('cmd-1'),
          },
        ],
      });
      expect(await report('command.unknown', true)).toMatchObject({ verdict: 'INTACT', findings: [] });
    });
  });

  test('takes two streams that see each other for intact', async () => {
    const report = await writeWith(async (own) => {
      const [one, two] = [await own.open(), await own.open()];
      await one.record(intended('cmd-1'));
      await two.record(completed('cmd-1'));
      await own.clock.advance(60_000);
      await own.clock.advance(60_000);
      await one.close();
      await two.close();
    });
    expect(report).toMatchObject({ verdict: 'INTACT', counts: {}, commands: { paired: 1 } });
  });
});

describe('what cannot be found', () => {
  test('a trail made up with a root key of its own is unproven while nobody names one', async () => {
    await using bench = await createBench();
    await (await bench.open()).close();
    const options = { now: bench.clock.now() };
    const report = await verifyTrail(bench.log, options);
    expect([report.verdict, report.counts]).toEqual(['UNPROVEN', { 'root-key-not-named': 1 }]);
    expect(report.doesNotProve.join('\n')).toContain('name its root key');
    expect((await verifyTrail(bench.log, { ...options, rootKeys: ['another'] })).counts['root-key-unknown']).toBe(1);
  });

  test('a cut of the last two minutes is told as such, and so is what nobody outside has seen', async () => {
    await using bench = await createBench();
    const writing = await bench.open();
    await writing.record(intended('cmd-1'));
    const report = await verifyTrail(bench.log, { rootKeys: [bench.key.keyId], now: bench.clock.now() });
    await writing.close();
    expect(report.verdict).toBe('INTACT');
    const text = renderReport(report);
    expect(text).toContain('a cut since then shows only in copies and receipts');
    expect(text).toContain(
      'that its end was not cut off after seq 3; the last line that anything outside it has seen is none',
    );
    expect(text).toContain('a compromised gateway that lies as it writes');
  });

  test('things in the folder that are not streams are told', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'aksgw-strangers-'));
    await using bench = await createBench((of) => createFileLog({ folder: of }));
    await (await bench.open()).close();
    const [stream = ''] = await bench.log.streams();
    await symlink(folder, path.join(bench.folder, `${stream.slice(0, -4)}ffff.000000.jsonl`));
    await writeFile(path.join(bench.folder, `${stream}.000000.jsonl.old`), 'x');
    await writeFile(path.join(bench.folder, `${stream}.000002.jsonl`), 'x\n');
    const report = await verifyTrail(bench.log, { rootKeys: [bench.key.keyId], now: bench.clock.now() });
    expect([report.verdict, report.counts]).toEqual(['UNPROVEN', { 'not-a-stream': 3 }]);
    await rm(folder, { recursive: true });
  });
});
