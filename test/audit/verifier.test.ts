import { execFile, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { exportLines } from '../../shared/audit/read/export.ts';
import { createStreamIndex } from '../../shared/audit/read/stream-index.ts';
import { verifyTrail } from '../../shared/audit/verify/verify.ts';
import { verifyExport } from '../../shared/audit/verify/export-file.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import { memoryLog } from './support/memory-log.ts';
import { type Bench, completed, createBench, intended } from './support/samples.ts';
import { type Trail, joinLines, parseLines, readTrail, rechain, splitLines } from './support/tamper.ts';

/**
 * The stranger's verifier: Python, written from shared/audit/README.md alone. It and ours must say the same of the same trail, and
 * both what stands beside the sample trail.
 */
const folder = path.join(import.meta.dirname, 'verifier');
const sample = path.join(folder, 'trail');

interface Expected {
  readonly rootKey: string;
  readonly now: string;
  readonly verdict: string;
  readonly streams: Readonly<
    Record<string, { readonly last: number; readonly signedUpTo: number; readonly final: boolean }>
  >;
}
const readExpected = async (): Promise<Expected> =>
  JSON.parse(await readFile(path.join(folder, 'expected.json'), 'utf8')) as Expected;

test('the sample trail gets the verdict that stands beside it', async () => {
  const { rootKey, now, verdict, streams } = await readExpected();
  const report = await verifyTrail(createFileLog({ folder: sample }), { rootKeys: [rootKey], now: Date.parse(now) });
  expect([report.verdict, report.findings.filter(({ level }) => level !== 'note')]).toEqual([verdict, []]);
  const seen = report.streams.map(({ stream, lastSeq, signedUpTo, final }) => [
    stream,
    { last: lastSeq, signedUpTo, final },
  ]);
  expect(Object.fromEntries(seen)).toEqual(streams);
});

const hasPython = spawnSync('python3', ['-c', 'import cryptography']).status === 0;
const describePython = hasPython ? describe : describe.skip;

describePython(
  `the verifier in Python${hasPython ? '' : ' (skipped: no python3 with the package cryptography)'}`,
  () => {
    let bench: Bench;
    let trail: Trail;
    let place: string;

    beforeAll(async () => {
      place = await mkdtemp(path.join(tmpdir(), 'aksgw-verifier-'));
      bench = await createBench();
      for (const life of [0, 1, 2]) {
        const writing = await bench.open();
        for (let n = 0; n < 4; n += 1) {
          await Promise.all([
            writing.record(intended(`cmd-${life}-${n}`)),
            writing.record(completed(`cmd-${life}-${n}`)),
          ]);
          await bench.clock.advance(500);
        }
        if (life !== 1) await writing.close();
      }
      trail = await readTrail(bench.folder);
    });
    afterAll(async () => {
      await bench[Symbol.asyncDispose]();
      await rm(place, { recursive: true });
    });

    const python = async (
      ...more: readonly string[]
    ): Promise<{ verdict: string; findings: readonly { what: string }[]; streams: unknown }> => {
      const { stdout } = await promisify(execFile)('python3', [path.join(folder, 'verify.py'), ...more]).catch(
        (error: { stdout: string; stderr: string }) => {
          if (error.stderr) throw new Error(error.stderr);
          return error;
        },
      );
      return JSON.parse(stdout) as never;
    };

    test('gives the sample trail the verdict that stands beside it', async () => {
      const { rootKey, now, verdict, streams } = await readExpected();
      expect(await python(sample, '--root-key', rootKey, '--now', now)).toMatchObject({ verdict, streams });
      expect(await python(sample, '--now', now)).toMatchObject({ verdict: 'UNPROVEN' });
    });

    test('agrees with ours on trails that somebody changed', async () => {
      const names = [...trail.keys()].sort();
      const options = { rootKeys: [bench.key.keyId], now: bench.clock.now() };
      const edits = fc.sample(
        fc.record({
          stream: fc.nat(2),
          at: fc.nat(10_000),
          what: fc.constantFrom('none', 'byte', 'leave out', 'repeat', 'make up', 'cut', 'tear', 'append', 'delete'),
        }),
        { seed: 20_260_105, numRuns: 40 },
      );
      const said: unknown[] = [];
      for (const [number, { stream, at, what }] of edits.entries()) {
        const name = names[stream] ?? '';
        const bytes = trail.get(name) ?? Buffer.alloc(0);
        const lines = parseLines(splitLines(bytes));
        const here = at % lines.length;
        const flipped = Buffer.from(bytes);
        flipped[at % bytes.length] = 0x41;
        const changed = new Map(trail);
        const intent = lines.find(({ code }) => code === 'AKG300I');
        const more = { ...intent, commandId: 'forged', time: lines.at(-1)?.['time'], monoMs: lines.at(-1)?.['monoMs'] };
        if (what === 'byte') changed.set(name, flipped);
        else if (what === 'leave out') changed.set(name, joinLines(rechain(lines.toSpliced(here, 1))));
        else if (what === 'repeat') changed.set(name, joinLines(rechain(lines.toSpliced(here, 0, lines[here] ?? {}))));
        else if (what === 'make up')
          changed.set(name, joinLines(rechain(lines.with(here, { ...lines[here], requestId: 'x' }))));
        else if (what === 'cut') changed.set(name, joinLines(splitLines(bytes).slice(0, here)));
        else if (what === 'tear') changed.set(name, bytes.subarray(0, at % bytes.length));
        else if (what === 'append') changed.set(name, joinLines(rechain([...lines, more])));
        else if (what === 'delete') changed.delete(name);
        const own = path.join(place, `edit-${number}`);
        await mkdir(own);
        for (const [each, content] of changed) await writeFile(path.join(own, `${each}.000000.jsonl`), content);
        const ours = await verifyTrail(memoryLog(changed), options);
        const now = new Date(options.now).toISOString();
        const theirs = await python(own, '--root-key', bench.key.keyId, '--now', now);
        said.push(ours.verdict);
        expect([what, stream, here, theirs.verdict, theirs.findings]).toEqual([
          what,
          stream,
          here,
          ours.verdict,
          theirs.findings,
        ]);
      }
      expect(new Set(said)).toEqual(new Set(['INTACT', 'UNPROVEN', 'BROKEN']));
    }, 120_000);

    test('agrees with ours on exports, whole, changed, and without their manifest', async () => {
      const range = { since: bench.clock.now() - 3_000, until: bench.clock.now(), now: bench.clock.now() };
      let text = '';
      for await (const part of exportLines(createStreamIndex(bench.log, bench.clock), { ...range, key: bench.key }))
        text += part;
      const lines = text.trimEnd().split('\n');
      const cases: readonly (readonly [string, string])[] = [
        ['INTACT', text],
        ['UNPROVEN', `${lines.slice(0, -1).join('\n')}\n`],
        ['BROKEN', `${lines.toSpliced(2, 2).join('\n')}\n`],
        ['BROKEN', text.replaceAll('INC-1234', 'INC-9999')],
        ['BROKEN', text.replace(/"lines":(\d+),"made"/, '"lines":1,"made"')],
      ];
      for (const [verdict, content] of cases) {
        const file = path.join(place, 'export.jsonl');
        await writeFile(file, content);
        const ours = await verifyExport(file, { rootKeys: [bench.key.keyId], now: bench.clock.now() });
        const theirs = await python('--export', file, '--root-key', bench.key.keyId);
        expect([ours.verdict, theirs.verdict, theirs.findings]).toEqual([verdict, verdict, theirs.findings]);
      }
    });
  },
);
