import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { BatchResult } from '../../shared/gateway/read-batch.ts';
import { assess } from '../../shared/health/assess.ts';
import { digestOf } from '../../shared/health/digest.ts';
import { healthLines } from '../../shared/health/lines.ts';
import { readLook } from '../../shared/health/read-batch.ts';
import { reads, stepsFor } from '../../shared/health/reads.ts';
import { labels } from '../../shared/telemetry/metrics.ts';

const NOW = Date.UTC(2027, 0, 1);

/** What somebody in the cluster may have written, as Go's `urlquery` prints it; and what no template can print, of an API server that is not one. */
const word = fc.constantFrom(
  'constructor',
  '__proto__',
  'toString',
  'valueOf',
  'CrashLoopBackOff',
  'OOMKilled',
  '%0A',
  'x',
);
const field = fc.oneof(
  fc
    .tuple(word, word, word)
    .map(([name, waiting, ended]) => `${name},9,false,${waiting},,${ended}=2026-12-31T23:59:00Z;`),
  fc.tuple(word, word).map(([type, reason]) => `${type}=False=${reason};`),
  fc.constantFrom(
    '',
    'True',
    'False',
    'Ready',
    'Pending',
    'Failed',
    'Evicted',
    'CrashLoopBackOff',
    'true',
    '0',
    '3',
    '-1',
    '1e999',
    'NaN',
    '9007199254740993',
    'constructor',
    '__proto__',
    'toString',
    'hasOwnProperty',
    'valueOf',
    '%',
    '%zz',
    '%00',
    '%0A',
    '%E2%80%AE',
    '+',
    '<no value>',
    '2027-01-01T00:00:00Z',
    '2026-12-31T23:59:00Z',
    '0001-01-01T00:00:00Z',
    '+275760-09-13T00:00:00Z',
    'v1.35.2',
    'v1.999',
    '1e400/1e400',
    '-5/-5Ei',
    'Ready=True=;',
    'Ready=Unknown=constructor;',
    'Progressing=False=__proto__;',
    'app,9,false,constructor,,=;',
    'app,-9,true,,OOMKilled=2026-12-31T23:59:00Z,;',
    'app,1,false,__proto__,,;',
    'RollingUpdate=9007199254740993',
    'RollingUpdate=-1',
    'OnDelete=',
    'x'.repeat(5_000),
    ';;;;',
    ',,,,',
    '====',
    '=,;|',
  ),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
);
/** Rows as a real API server gave them. */
const recording = JSON.parse(readFileSync(join(import.meta.dirname, 'recordings/api-server.json'), 'utf8')) as {
  readonly asker: { readonly items: readonly { readonly stdout: string }[] };
};
const real = recording.asker.items
  .flatMap(({ stdout: printed }) => printed.split('\n'))
  .filter((line) => /^[A-Z]\w+\|/.test(line))
  .map((line) => line.split('|'));
/** One of them, with a field or two of somebody's own. */
const row = fc
  .tuple(fc.constantFrom(...real), fc.array(fc.tuple(fc.nat(15), field), { maxLength: 2 }))
  .map(([fields, changes]) => changes.reduce((now, [at, text]) => now.with(at % now.length, text), fields).join('|'));
const stdout = fc.array(row, { maxLength: 60 }).map((rows) => rows.map((one) => `${one}\n`).join(''));
const steps = stepsFor(reads, undefined);
/** What every step prints: each read takes its own rows of it. */
const look = fc.record({ stdout, stderr: field, exitCode: fc.constantFrom(0, 0, 0, 1), truncated: fc.boolean() });

test('whatever a cluster says, a look ends, in words of the code, in bounds, and with nothing that JSON or a terminal stumbles over', () => {
  let found = 0;
  fc.assert(
    fc.property(look, ({ stdout: out, stderr, ...rest }) => {
      const items = steps.map(({ words }) => ({
        record: { status: 'completed', argv: words, timedOut: false, ...rest },
        output: { stdout: Buffer.from(out), stderr: Buffer.from(stderr) },
      }));
      const batch = { id: 'b', status: 'completed', onError: 'continue', items } as unknown as BatchResult;
      const azure = { kind: 'unknown', reason: '' } as const;
      const health = assess({
        cluster: 'c',
        namespace: undefined,
        azure,
        denied: new Map(),
        now: NOW,
        ...readLook(batch),
      });
      found += health.findings.length;
      for (const { what, severity, detail } of health.findings) {
        expect(labels.what).toContain(what);
        expect(['failing', 'degraded']).toContain(severity);
        expect(detail.length).toBeLessThanOrEqual(301);
      }
      for (const [name, { numbers }] of Object.entries(health.parts))
        for (const number of numbersIn(numbers))
          expect([name, numbers, Number.isFinite(number)]).toEqual([name, numbers, true]);
      const { summary, lines } = digestOf(health);
      if (health.findings.length > 0) expect(summary).toMatch(/^(?:\d+ [a-z-]+(?:, )?)+$/);
      expect(lines.length).toBeLessThanOrEqual(40);
      // oxlint-disable-next-line no-control-regex -- the very thing
      for (const line of healthLines(health)) expect(line).toMatch(/^[^\n\t\r]{0,200}$/u);
      expect(Object.prototype).not.toHaveProperty('pods');
    }),
    { numRuns: 200 },
  );
  expect(found).toBeGreaterThan(100);
});

const numbersIn = (value: unknown): readonly number[] =>
  typeof value === 'number'
    ? [value]
    : typeof value === 'object' && value !== null
      ? Object.values(value).flatMap(numbersIn)
      : [];
