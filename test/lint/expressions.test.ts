import { describe, expect, test } from '@jest/globals';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { check } from 'recheck';
import {
  digestOf,
  filesThatMakeExpressions,
  madeExpressions,
  writtenExpressions,
  type Expression,
} from './expressions.ts';

/**
 * Every regular expression takes time in proportion to the text, whatever the text: one that takes its square lets a single request stop
 * the gateway for everybody. recheck proves it or finds the text that shows the contrary; that takes minutes for all, so those it has
 * proved are listed and only what is new is checked here. `EXPRESSIONS=all` (CI) checks all of them again and writes the list.
 */
const listFile = join(import.meta.dirname, 'linear-expressions.json');
const all = process.env['EXPRESSIONS'] === 'all';
const known = new Set(
  all || !existsSync(listFile) ? [] : (JSON.parse(readFileSync(listFile, 'utf8')) as { linear: string[] }).linear,
);

/**
 * Accepted, by file or expression. A bounded gap after a start that may recur is linear with the gap as a factor, which recheck takes for a degree;
 * test/attacks measures those that callers' text reaches.
 */
const accepted = new Map([
  ['shared/relay/catalogue.ts', "bounded gaps, over Azure's message, cut to 4,096 characters"],
  ['"((?:[^"]|"")*)"(?=,|$)', 'sticky: tried once at each place where a field begins'],
  ['shared/lib/redact.ts', 'bounded gaps of 40 and 8 characters'],
  ['shared/command/grammar/generate.ts', 'over the help of a program that a developer runs'],
]);

const written = writtenExpressions();
const made = (
  await Promise.all(
    filesThatMakeExpressions().map((file) =>
      madeExpressions(file, () => import(join(import.meta.dirname, '../..', file))),
    ),
  )
).flat();
const expressions = [...new Map([...written, ...made].map((one) => [digestOf(one), one])).values()];

describe('regular expressions', () => {
  test('are found where they are written and where they are made', () => {
    expect(written.length).toBeGreaterThan(200);
    expect(made.length).toBeGreaterThanOrEqual(filesThatMakeExpressions().length);
  });

  test(
    'are all linear',
    async () => {
      const faults: string[] = [];
      for (const one of expressions) {
        if (known.has(digestOf(one)) || accepted.has(one.at.replace(/:\d+$/, '')) || accepted.has(one.source)) continue;
        const fault = await faultOf(one);
        if (fault) faults.push(fault);
        else known.add(digestOf(one));
      }
      if (all) writeFileSync(listFile, `${JSON.stringify({ linear: [...known].toSorted() }, undefined, 2)}\n`);
      expect(faults).toEqual([]);
    },
    all ? 1_200_000 : 120_000,
  );

  test('that are not are found: a repetition before the end, a start that recurs', async () => {
    for (const source of ['=+$', ' #.*$', '\\beyJ[\\w-]{8,}\\.'])
      expect(await faultOf({ source, flags: 'u', at: 'here' })).toMatch(/polynomial/);
  });
});

async function faultOf({ source, flags, at }: Expression): Promise<string | undefined> {
  const verdict = await check(source, flags, { timeout: 60_000 });
  if (verdict.status === 'safe') return undefined;
  const why = verdict.status === 'vulnerable' ? verdict.complexity.summary : verdict.error.kind;
  return `${at}: /${source}/${flags} is ${verdict.status}: ${why}`;
}
