import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { readJson, writeJson, type Json } from '../../shared/command/json.ts';
import { Problem } from '../../shared/errors.ts';
import { findVersions } from '../command/tools.ts';
import { readYaml, yamlBudget } from '../../shared/command/yaml.ts';

/** `kubectl label --local -o json` is kubectl's own reading of a text, without a cluster. */
const [kubectl] = findVersions('kubectl');
const RUNS = Number(process.env['AKSGW_FUZZ_RUNS'] ?? (process.env['AKSGW_CONFORMANCE'] === 'all' ? 400 : 25));

/** A run is a process of kubectl or a few. */
const PATIENCE_MS = 120_000 + RUNS * 1_000;

/** What kubectl makes of it; undefined when it refuses the text. */
function kubectlReads(path: string, text: string): Json | undefined {
  const { status, stdout } = spawnSync(path, ['label', '--local', '-f', '-', 'read=back', '-o', 'json'], {
    input: text,
    encoding: 'utf8',
    env: { HOME: '/nonexistent', KUBECONFIG: '/dev/null' },
  });
  if (status !== 0) return undefined;
  const [object] = readJson(stdout, (why) => new Error(why)) ?? [];
  return object;
}

const probe = (body: string): string => `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\nprobe:\n${body}\n`;

/** Whole numbers and floats are one thing in JSON, keys have no order. */
const normal = (value: Json | undefined): string =>
  JSON.stringify(JSON.parse(value === undefined ? 'null' : writeJson(value)), (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

const member = (value: Json | undefined): Json | undefined =>
  (value as Readonly<Record<string, Json>> | undefined)?.['probe'];

const scalar = fc.oneof(
  fc.constantFrom(
    ...'~ null Null NULL nULL true True TRUE tRUE yes Yes no No on On off Off y Y n N Yes. 0 -0 +0 00 0o17 0x1f 0X1F 0b11 0B11 -0b1 017 018 1_000 0x_1 1__0 _1 1e3 1E3 1e+3 1.e3 .5 -.5 +.5 . .. 1. 1.5e-3 1:30 190:20:30 2024-01-02 2024-01-02T03:04:05Z 12e 0x 0o 0b - -- --- -a 1-2 9223372036854775807 9223372036854775808 18446744073709551615 18446744073709551616 -9223372036854775808 -9223372036854775809 007 1e400 .e3 ._5 1_.5 0.0 -1.0 <<'.split(
      ' ',
    ),
  ),
  fc.stringMatching(/^[-+]?[0-9][0-9_.eExXob:-]{0,6}$/u),
  fc.stringMatching(/^[a-zA-Z~.][\w .:/-]{0,8}[\w/]$/u),
  fc.string().map((text) => JSON.stringify(text)),
  fc.stringMatching(/^[^'\p{C}]{0,9}$/u).map((text) => `'${text}'`),
);

/** Where a scalar can stand: each is another rule of the two readers. */
const place = fc.constantFrom<(scalar: string) => string>(
  (one) => one,
  (one) => `k: ${one}`,
  (one) => `${one}: v`,
  (one) => `[${one}, 1]`,
  (one) => `{a: ${one}}`,
  (one) => `{${one}: 1}`,
  (one) => `${one} # comment`,
  (one) => `k:   ${one}  `,
);
const placed = fc.tuple(place, scalar).map(([put, one]) => put(one));
const scalars = fc.array(placed, { minLength: 20, maxLength: 60 });

/** Pieces of YAML in any order, most of them nonsense: what both readers take, they have to take alike. */
const piece = fc.constantFrom(
  ...'a|b|c: |d:|: |:|- |-|[|]|{|}|, |,|"|\'|"q"|\'s\'|x y| |  |#| # c|&x |*x|>|>-|>+|>1|?|? |!|!!str |%|@|`|~|null|1|0x1|1e3|.5|yes'.split(
    '|',
  ),
  ...'<<: ;<<;\\;\\n";...;---;=;é;😀;$;.;/;1:;"a":;"a": ;{a: b};[a, b];a: 1;|;|-;|+;|2'.split(';'),
  ...'\n,\n  ,\n    ,\n\n,\r\n,\t,\u0085,\u2028,\u00a0,\ufeff'.split(','),
);
const nonsense = fc
  .tuple(fc.constantFrom('k: ', 'k:\n    ', ''), fc.array(piece, { minLength: 1, maxLength: 8 }))
  .map(([start, pieces]) => start + pieces.join('').replaceAll('\n', '\n    '));
const texts = fc.array(nonsense, { minLength: 20, maxLength: 60 });

/**
 * Texts, each an item of one list, since a process for each would take too long. Where kubectl refuses one it refuses all: then the
 * halves are tried. Gives the number that both take, and what each reader makes of the first on which they differ.
 */
function differences(items: readonly string[], path: string): { compared: number; differ?: readonly string[] } {
  const taken = items.filter((one) => ours(probe(`  - ${one}`)) !== undefined);
  if (taken.length === 0) return { compared: 0 };
  const mine = taken.map((one) => normal(member(ours(probe(`  - ${one}`)))));
  const theirs = member(kubectlReads(path, probe(taken.map((one) => `  - ${one}`).join('\n'))));
  const apart = Array.isArray(theirs) ? theirs.map((one: Json) => normal([one])) : [normal(theirs)];
  if (apart.length === mine.length && apart.every((one, at) => one === mine[at])) return { compared: mine.length };
  // A control character, say, that JSON may have: then there is nothing to compare.
  if (taken.length === 1) {
    return theirs === undefined
      ? { compared: 0 }
      : { compared: 1, differ: [taken[0] ?? '', mine[0] ?? '', normal(theirs)] };
  }
  const half = Math.ceil(taken.length / 2);
  const first = differences(taken.slice(0, half), path);
  const second = differences(taken.slice(half), path);
  const differ = first.differ ?? second.differ;
  return { compared: first.compared + second.compared, ...(differ && { differ }) };
}

if (kubectl === undefined) {
  test.skip('YAML is read as kubectl reads it (no kubectl on this machine)', () => undefined);
} else {
  describe(`YAML is read as kubectl ${kubectl.version} reads it`, () => {
    const alike = (arbitrary: fc.Arbitrary<readonly string[]>, least: number): void => {
      let compared = 0;
      fc.assert(
        fc.property(arbitrary, (items) => {
          const found = differences(items, kubectl.path);
          compared += found.compared;
          expect(found.differ).toBeUndefined();
        }),
        { numRuns: RUNS },
      );
      expect(compared).toBeGreaterThan(least * RUNS);
    };

    test('scalars, wherever they stand', () => alike(scalars, 10), PATIENCE_MS);

    test('pieces of YAML in any order', () => alike(texts, 5), PATIENCE_MS);

    // Each was once read as something else; what kubectl makes of it is in the middle, what we do now at the end.
    test.each<readonly [name: string, item: string, theirs: Json, taken: 'refused' | 'read']>([
      ['a key that is a float', '-9e6: v', { '-9e+06': 'v' }, 'refused'],
      ['a key that is a float beyond 32 bits', '8e67: v', { '.inf': 'v' }, 'refused'],
      ['a key that is an integer beyond 64 bits', '18446744073709551616: v', { '1.8446744e+19': 'v' }, 'refused'],
      ['a key that is a float with underscores', '3_e9: v', { '3e+09': 'v' }, 'refused'],
      ['a colon before a comma', '[+6E:, 1]', ['+6E:', 1], 'refused'],
      ['a question mark before text in a list', '[?a]', [{ a: null }], 'refused'],
      ['a question mark before text in a map', '{?a: 1}', { a: 1 }, 'refused'],
      ['spaces below an explicit indentation', '>1\n        ', '     \n', 'refused'],
      ['spaces after a text of explicit indentation', 'k: >1\n         b\n      \n', { k: '    b\n \n' }, 'refused'],
      ['a next line (U+0085)', 'a\u0085', 'a', 'refused'],
      ['a line separator (U+2028)', 'a\u2028', 'a', 'refused'],
      ['a byte-order mark inside', 'a\ufeff#b', 'a\ufeff#b', 'refused'],
      ['a no-break space after a word', 'null\u00a0', 'null\u00a0', 'read'],
    ])('%s', (_name, item, theirs, taken) => {
      const text = probe(`  - ${item}`);
      expect(normal(member(kubectlReads(kubectl.path, text)))).toBe(normal([theirs]));
      expect(normal(member(ours(text)))).toBe(taken === 'read' ? normal([theirs]) : 'null');
    });

    test('content on the line of a document marker', () => {
      const text = `${probe('  a: 1')}--- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n`;
      expect(kubectlReads(kubectl.path, text)).toBeUndefined();
      expect(ours(text)).toBeUndefined();
    });

    test(
      'blocks, texts, anchors and merges',
      () => {
        const body = fc.array(
          fc.constantFrom(
            '  a: 1',
            '  b: &x {c: d, e: 2}',
            '  f: *x',
            '  g: {<<: *x, c: own}',
            '  h: |\n    text\n\n    more\n',
            '  i: |-\n    text\n   \n',
            '  j: |+\n    text\n\n\n',
            '  k: >\n    folded\n    text\n\n    more\n',
            '  l: "a\\n\\u00e9\\x41"',
            "  m: 'it''s'",
            '  n:\n  - o\n  - p: q\n    r: s',
            '  t:\n    - - u\n      - v',
            '  1: w',
            '  on: x',
            '  y2: plain\n    over lines',
            '  z: # comment\n    aa: bb # more',
            '  cc: [1, two, {three: 3}]',
            '  dd: !!str 12',
            '  ee: ""',
            '  ff:',
          ),
          { minLength: 1, maxLength: 12 },
        );
        let compared = 0;
        fc.assert(
          fc.property(body, (parts) => {
            const text = probe(parts.join('\n'));
            const mine = ours(text);
            if (mine === undefined) return;
            const theirs = kubectlReads(kubectl.path, text);
            expect(normal(member(mine))).toBe(normal(member(theirs)));
            compared++;
          }),
          { numRuns: RUNS * 2 },
        );
        expect(compared).toBeGreaterThan(5);
      },
      PATIENCE_MS,
    );
  });
}

function ours(text: string): Json | undefined {
  try {
    return readYaml({ name: 'probe', text, budget: yamlBudget() })[0];
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}
