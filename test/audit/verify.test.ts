import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { integer, nat, sample, tuple } from 'fast-check';
import { canonicalJson } from '../../shared/lib/canonical-json.ts';
import { hashLine } from '../../shared/audit/chain.ts';
import { memoryLog } from '../../shared/audit/read/export-log.ts';
import { createSigningKey, signCompact } from '../../shared/audit/signature.ts';
import { type VerificationReport, type VerifyOptions, verifyTrail } from '../../shared/audit/verify/verify.ts';
import { renderReport } from '../../shared/audit/verify/report.ts';
import { type Bench, completed, createBench, intended } from './support/samples.ts';
import { type Trail, joinLines, readTrail, rechain, splitLines, withStream } from './support/tamper.ts';

/** A real trail of about 1,000 events over 3 streams: closed, closed, and one whose process was killed. */
let bench: Bench;
let trail: Trail;
let names: readonly string[];
const receipts: string[] = [];
const copies: string[] = [];
let options: VerifyOptions;

beforeAll(async () => {
  bench = await createBench();
  for (const [index, count] of [160, 160, 160].entries()) {
    const sink = { offer: (_: unknown, jws: string) => void copies.push(jws), close: async () => undefined };
    const writing = await bench.open({ copies: [sink] });
    for (let n = 0; n < count; n += 1) {
      const recorded = await writing.record(intended(`cmd-${index}-${n}`));
      await writing.record(completed(`cmd-${index}-${n}`));
      if (n % 50 === 49) {
        receipts.push(await recorded.receipt());
        await bench.clock.advance(60_000);
      }
    }
    if (index < 2) await writing.close();
    await bench.clock.advance(1_000);
  }
  trail = await readTrail(bench.folder);
  names = [...trail.keys()].sort();
  options = { rootKeys: [bench.key.keyId] };
});
afterAll(() => bench[Symbol.asyncDispose]());

const verify = (of: Trail, more: VerifyOptions = {}): Promise<VerificationReport> =>
  verifyTrail(memoryLog(of), { ...options, ...more });
const name = (index: number): string => names[index] ?? '';
const bytesOf = (index: number): Buffer => trail.get(name(index)) ?? Buffer.alloc(0);
const linesOf = (index: number): readonly string[] => splitLines(bytesOf(index));
const withLines = (index: number, lines: readonly string[]): Trail => withStream(trail, name(index), joinLines(lines));
/** The findings that are neither notes nor elsewhere. */
const found = (report: VerificationReport, stream?: string): readonly string[] =>
  report.findings
    .filter(({ level, ...f }) => level !== 'note' && (!stream || f.stream === stream))
    .map(({ kind }) => kind);

describe('verification of an untouched trail', () => {
  test('finds nothing in three streams of a thousand events, with pins, receipts and copies', async () => {
    const first = await verify(trail);
    expect(first.events).toBeGreaterThan(970);
    expect(found(first)).toEqual([]);
    const again = await verify(trail, { state: first.state, receipts, copies });
    expect(found(again)).toEqual([]);
    expect(again.streams.map(({ witnessedUpTo, lastSeq }) => witnessedUpTo === lastSeq)).toEqual([true, true, true]);
    expect(again.verdict).toBe('sound');
  });
});

/** Thousands of verifications each: seconds when the machine is quiet. */
const TIMEOUT_MS = 240_000;

describe('whoever can write to the store but has no key', () => {
  test(
    'changes no byte unnoticed: 2,000 random ones',
    async () => {
      const seed = 20_260_101;
      console.log(`seed ${seed}`);
      const places = sample(tuple(nat(2), nat(2 ** 30), integer({ min: 1, max: 255 })), {
        numRuns: 2_000,
        seed,
      });
      const state = (await verify(trail)).state;
      for (const [index, at, flip] of places) {
        const bytes = Buffer.from(bytesOf(index));
        const offset = at % bytes.length;
        bytes[offset] = (bytes[offset] ?? 0) ^ flip;
        const report = await verifyOne(index, bytes, state);
        expect({ offset, verdict: report.verdict }).toEqual({ offset, verdict: 'broken' });
        // The place is named: the line, or the one after it, whose prev no longer fits.
        const lineIndex = bytesOf(index)
          .subarray(0, offset)
          .filter((byte) => byte === 10).length;
        const named = report.findings.map(({ seq = -1 }) => seq);
        expect(named.some((seq) => Math.abs(seq - lineIndex) <= 1)).toBe(true);
      }
    },
    TIMEOUT_MS,
  );

  /** One stream alone, for speed: what the other streams saw of it comes from the state file. */
  const verifyOne = (index: number, bytes: Buffer, state: VerificationReport['state']): Promise<VerificationReport> => {
    const pin = state.streams[name(index)];
    const own = pin ? { version: 1 as const, rootKeys: state.rootKeys, streams: { [name(index)]: pin } } : undefined;
    return verifyTrail(memoryLog(new Map([[name(index), bytes]])), { ...options, state: own, now: 0 });
  };

  test.each([0, 1, 2])(
    'deletes, repeats, moves or puts in no line of stream %i unnoticed, wherever it stands',
    async (index) => {
      const lines = linesOf(index);
      expect(lines.length).toBeGreaterThan(320);
      for (let at = 0; at < lines.length - 1; at += 1) {
        const line = lines[at] ?? '';
        const next = lines[at + 1] ?? '';
        const tampered = {
          deleted: lines.toSpliced(at, 1),
          repeated: lines.toSpliced(at, 0, line),
          swapped: lines.toSpliced(at, 2, next, line),
          inserted: lines.toSpliced(at + 1, 0, line.replace(`cmd-${index}-`, 'cmd-9-')),
        };
        for (const [what, changed] of Object.entries(tampered)) {
          const report = await verifyTrail(memoryLog(new Map([[name(index), joinLines(changed)]])), options);
          expect({ what, at, verdict: report.verdict }).toEqual({ what, at, verdict: 'broken' });
          const place = report.findings.find(
            ({ kind }) => kind === 'chain-broken' || kind === 'seq-broken' || kind === 'opening-missing',
          );
          expect(Math.abs((place?.seq ?? -9) - at)).toBeLessThanOrEqual(2);
        }
      }
    },
    TIMEOUT_MS,
  );

  test(
    'cuts the end off a stream unnoticed at no line that a pin, a receipt, a copy or another stream has seen',
    async () => {
      const state = (await verify(trail)).state;
      const last = linesOf(2);
      for (let kept = 0; kept < last.length; kept += 1) {
        const report = await verifyOne(2, joinLines(last.slice(0, kept)), state);
        expect([kept, report.verdict]).toEqual([kept, 'broken']);
        expect(found(report, name(2))).toContain('tail-cut');
      }
      // A stream that another has seen to its end needs no pin.
      for (const index of [0, 1]) {
        const lines = linesOf(index);
        for (let kept = 0; kept < lines.length; kept += 1) {
          const cut = found(await verify(withLines(index, lines.slice(0, kept))), name(index));
          expect([index, kept, cut.includes('tail-cut')]).toEqual([index, kept, true]);
        }
      }
      expect(found(await verify(withLines(2, last.slice(0, 150)), { receipts }), name(2))).toContain('tail-cut');
      expect(found(await verify(withLines(2, last.slice(0, 150)), { copies }), name(2))).toContain('tail-cut');
    },
    TIMEOUT_MS,
  );

  test('cuts a line in the middle: an end that no recovery explains is broken', async () => {
    const bytes = bytesOf(2);
    const report = await verify(withStream(trail, name(2), bytes.subarray(0, bytes.length - 40)));
    expect(found(report)).toContain('torn-tail');
    expect(report.verdict).toBe('broken');
  });

  test('replaces, renames or deletes no stream that another has seen', async () => {
    const without = new Map(trail);
    without.delete(name(0));
    expect(found(await verify(without))).toContain('stream-missing');
    const swapped = new Map(trail).set(name(0), bytesOf(1)).set(name(1), bytesOf(0));
    expect(found(await verify(swapped))).toEqual(expect.arrayContaining(['foreign-line', 'opening-invalid']));
  });

  test('rewrites nothing with a fresh chain: checkpoints, heads and pins hold the old one', async () => {
    const rewritten = rechain(
      linesOf(0),
      (line) => ({ ...line, ...(line['reason'] === undefined ? {} : { reason: 'forged' }) }),
      canonicalJson as (line: unknown) => string,
      hashLine,
    );
    const report = await verify(withLines(0, rewritten));
    expect(found(report)).not.toContain('chain-broken');
    expect(found(report)).toEqual(expect.arrayContaining(['checkpoint-invalid', 'history-replaced']));
  });

  test('forks no stream: another end after the same beginning', async () => {
    const state = (await verify(trail)).state;
    const lines = linesOf(2);
    const fork = rechain(
      lines,
      (line, index) => (index < 300 ? line : { ...line, commandId: `fork-${index}` }),
      canonicalJson as (line: unknown) => string,
      hashLine,
    );
    expect(found(await verify(withLines(2, fork), { state, receipts }))).toContain('history-replaced');
  });

  test('forges no checkpoint and no opening with a key of its own', async () => {
    const own = await createSigningKey();
    const forged = rechain(
      linesOf(0),
      (line) => {
        if (line['checkpoint'] === undefined) return line;
        const checkpoint = line['checkpoint'] as Parameters<typeof signCompact>[2];
        return { ...line, signature: signCompact(own, 'aksgw-checkpoint', checkpoint).replace(/\.[^.]*\./, '..') };
      },
      canonicalJson as (line: unknown) => string,
      hashLine,
    );
    expect(found(await verify(withLines(0, forged)))).toContain('checkpoint-invalid');

    const other = await createBench();
    const theirs = await other.open();
    await theirs.record(intended('cmd-x'));
    await theirs.close();
    const report = await verify(new Map([...trail, ...(await readTrail(other.folder))]));
    await other[Symbol.asyncDispose]();
    expect(found(report)).toContain('root-key-unknown');
  });

  test('passes off no receipt: of another stream, of another key, of a line that is not there', async () => {
    const [payload] = receipts.map((receipt) =>
      JSON.parse(Buffer.from(receipt.split('.')[1] ?? '', 'base64url').toString()),
    );
    const own = await createSigningKey();
    const cases = [
      signCompact(own, 'aksgw-receipt', payload),
      (receipts[0] ?? '').replace(
        /\.[^.]*\./,
        `.${Buffer.from(canonicalJson({ ...payload, stream: name(1) })).toString('base64url')}.`,
      ),
      (receipts[0] ?? '').replace(
        /\.[^.]*\./,
        `.${Buffer.from(canonicalJson({ ...payload, stream: 'gone' })).toString('base64url')}.`,
      ),
      'nonsense',
    ];
    for (const receipt of cases)
      expect(found(await verify(trail, { receipts: [receipt] }))).toEqual(['receipt-invalid']);
    // A checkpoint is no receipt: the types keep them apart.
    expect(found(await verify(trail, { receipts: copies.slice(0, 1) }))).toEqual(['receipt-invalid']);
  });
});

describe('what an honest but troubled gateway leaves', () => {
  const writeWith = async (write: (bench: Bench) => Promise<void>): Promise<VerificationReport> => {
    const own = await createBench();
    await write(own);
    const report = await verifyTrail(own.log, { rootKeys: [own.key.keyId] });
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
        await writing.record({ event: 'command.accepted', commandId: 'cmd-1', azureCommandId: 'a' });
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
        await writing.record({ event: 'command.interrupted', commandId: 'cmd-1' });
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
      expect(Object.keys(report.counts).filter((kind) => kind !== 'not-closed')).toEqual(kinds);
    });

  test('names an intent without outcome once it is older than any time-out', async () => {
    await using own = await createBench();
    const writing = await own.open();
    await writing.record(intended('cmd-1'));
    await writing.close();
    const hours = (count: number) => ({ now: own.clock.now() + count * 3_600_000 });
    expect(found(await verifyTrail(own.log, hours(1)))).toEqual([]);
    const late = await verifyTrail(own.log, hours(3));
    expect(late.findings).toMatchObject([{ kind: 'intent-without-outcome', seq: 1 }]);
    expect(late.verdict).toBe('suspect');
  });

  test.each([
    [0, 'agree'],
    [1, 'differ'],
  ])(
    'names the second outcome of a process that stood still while another took its command over (exit code %i)',
    async (exitCode, what) => {
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
          kind: 'two-outcomes',
          level: 'broken',
          message: expect.stringContaining(`Command cmd-1 has two outcomes, which ${what}; the other is in`),
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

  test('takes two streams that see each other for sound', async () => {
    const report = await writeWith(async (own) => {
      const [one, two] = [await own.open(), await own.open()];
      await one.record(intended('cmd-1'));
      await two.record(completed('cmd-1'));
      await own.clock.advance(60_000);
      await own.clock.advance(60_000);
      await one.close();
      await two.close();
    });
    expect(report).toMatchObject({ verdict: 'sound', counts: {}, commands: { paired: 1 } });
  });
});

describe('what cannot be found', () => {
  test('a cut after the last line that anybody outside saw is sound, and the report says so', async () => {
    const lines = linesOf(2).slice(0, 150);
    const report = await verify(withLines(2, lines));
    expect(report.verdict).toBe('sound');
    expect(report.doesNotProve.join('\n')).toContain(
      `${name(2)}: that its end was not cut off after seq 149; the last line that anything outside it has seen is none`,
    );
    expect(renderReport(report)).toContain('This does not prove');
  });

  test('the loss of a last stream that nobody saw is sound, and the report says so', async () => {
    const report = await verify(new Map([...trail].filter(([stream]) => stream !== name(2))));
    expect(report.verdict).toBe('sound');
    expect(report.doesNotProve.join('\n')).toContain('no stream was deleted of which neither another stream');
  });

  test('a trail made up with a root key of its own is sound to whoever names none, and the report says so', async () => {
    const report = await verifyTrail(memoryLog(trail));
    expect(report.verdict).toBe('sound');
    expect(report.doesNotProve.join('\n')).toContain('no root key was named');
    expect((await verify(trail, { rootKeys: ['another'] })).counts['root-key-unknown']).toBe(3);
  });
});
