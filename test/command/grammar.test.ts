import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  merge,
  readTool,
  render,
  withNext,
  type Earlier,
  type HelpReading,
} from '../../shared/command/grammar/generate.ts';
import type { CommandGrammar, FlagGrammar, ToolGrammar } from '../../shared/command/grammar/grammar.ts';
import { findTools } from './tools.ts';

/** Reading a whole program takes a minute or more: CI reads one slice of the newest, AKSGW_GRAMMAR=all every version to the last byte. */
const all = process.env['AKSGW_GRAMMAR'] === 'all';

const slices = { kubectl: ['wait', 'api-versions'], helm: ['get', 'env'] } as const;

const written = (tool: 'kubectl' | 'helm'): string =>
  readFileSync(new URL(`../../shared/command/grammar/${tool}.json`, import.meta.url), 'utf8');

const versionOf = (binary: string): string => /(\d+\.\d+)$/u.exec(binary)?.[1] ?? '';

describe.each(['kubectl', 'helm'] as const)('the grammar of %s', (tool) => {
  const grammar = JSON.parse(written(tool)) as ToolGrammar;
  const binaries = findTools(tool);
  const newest = binaries.find((binary) => versionOf(binary) === grammar.versions.at(-1));
  const it = newest === undefined ? test.skip : test;
  const slice = slices[tool];

  it(`is what the program says (${newest === undefined ? `skipped: no ${tool} ${grammar.versions.at(-1)} here` : slice.join(', ')})`, async () => {
    if (newest === undefined) return;
    const reading = await readTool(tool, newest, { only: slice });
    const wanted = Object.keys(grammar.commands).filter((path) => slice.some((word) => word === path.split(' ')[0]));
    expect(Object.keys(reading.commands).toSorted()).toEqual(wanted);
    expect(render(merge(tool, [reading]))).toBe(render(asOfNow(grammar, wanted)));
  }, 300_000);

  const versions = [...grammar.versions, ...(grammar.next ?? [])];
  const found = versions.map((version) => binaries.find((binary) => versionOf(binary) === version));
  const complete = all && found.every((binary) => binary !== undefined);

  (complete ? test : test.skip)(
    `comes out to the byte when all is read again (${complete ? versions.join(', ') : 'skipped: AKSGW_GRAMMAR=all and every version'})`,
    async () => {
      const readings: HelpReading[] = [];
      const earlier: Earlier = { types: new Map() };
      const count = grammar.versions.length;
      for (const binary of found) {
        const like = readings.length < count ? undefined : readings[count - 1];
        readings.push(await readTool(tool, binary ?? '', like === undefined ? { earlier } : { like }));
      }
      let merged = merge(tool, readings.slice(0, count), readings.slice(count));
      for (const binary of found.slice(count))
        merged = withNext(merged, await readTool(tool, binary ?? '', { next: true }));
      expect(render(merged)).toBe(written(tool));
    },
    3_600_000,
  );
});

test('what a next major version took away and gave back is not gone', () => {
  const helm = (version: string, flags: Readonly<Record<string, FlagGrammar>>): HelpReading => ({
    version,
    globals: {},
    commands: { install: { flags } },
  });
  const atomic = { atomic: { type: 'bool' } } as const;
  const gone = (...next: readonly HelpReading[]): string | undefined =>
    merge('helm', [helm('3.22', atomic)], next).commands['install']?.flags['atomic']?.gone;
  expect(gone(helm('4.0', {}), helm('4.3', atomic))).toBeUndefined();
  expect(gone(helm('4.0', {}), helm('4.3', {}))).toBe('4.0');
  expect(gone(helm('4.0', atomic), helm('4.3', {}))).toBe('4.3');
});

/** The newest version alone, with these commands alone. */
function asOfNow(
  { tool, versions, next = [], globals, commands }: ToolGrammar,
  wanted: readonly string[],
): ToolGrammar {
  return {
    tool,
    versions: versions.slice(-1),
    globals: withoutHistory(globals, next),
    commands: Object.fromEntries(
      wanted.map((path) => {
        const { since: _since, gone: _gone, ...command }: CommandGrammar = commands[path] ?? { flags: {} };
        return [path, { ...command, flags: withoutHistory(command.flags, next) }];
      }),
    ),
  };
}

const withoutHistory = (
  flags: Readonly<Record<string, FlagGrammar>>,
  next: readonly string[],
): Record<string, FlagGrammar> =>
  Object.fromEntries(
    Object.entries(flags)
      .filter(([, { since }]) => since === undefined || !next.includes(since))
      .map(([name, { since: _since, gone: _gone, words: _words, ...flag }]) => [
        name,
        flag.type === 'switch' ? { ...flag, type: 'bool' } : flag,
      ]),
  );
