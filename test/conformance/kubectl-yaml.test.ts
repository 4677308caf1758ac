import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { readJson, writeJson, type Json } from '../../shared/command/json.ts';
import { Problem } from '../../shared/errors.ts';
import { readYaml } from '../../shared/command/yaml.ts';
import { findKubectls } from './kubectl-run.ts';

/** `kubectl label --local -o json` is kubectl's own reading of a text, without a cluster. */
const kubectl = findKubectls(process.env).at(-1);
const RUNS = process.env['AKSGW_CONFORMANCE'] === 'all' ? 400 : 25;

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

const lines = fc.array(scalar, { minLength: 20, maxLength: 60 });

if (kubectl === undefined) {
  test.skip('YAML is read as kubectl reads it (no kubectl on this machine)', () => undefined);
} else {
  describe(`YAML is read as kubectl ${kubectl.version} reads it`, () => {
    test('scalars', () => {
      let compared = 0;
      fc.assert(
        fc.property(lines, (scalars) => {
          // Those that either reader refuses on their own are left out first: one would spoil the whole text.
          const taken = scalars.filter((one) => ours(probe(`  - ${one}`)) !== undefined);
          const text = probe(taken.map((one) => `  - ${one}`).join('\n'));
          const theirs = kubectlReads(kubectl.path, text);
          // kubectl refuses a control character that JSON may have, say; then there is nothing to compare.
          if (theirs === undefined) return;
          compared += taken.length;
          expect(normal(member(ours(text)))).toBe(normal(member(theirs)));
        }),
        { numRuns: RUNS },
      );
      expect(compared).toBeGreaterThan(RUNS * 10);
    }, 120_000);

    test('blocks, texts, anchors and merges', () => {
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
    }, 120_000);
  });
}

function ours(text: string): Json | undefined {
  try {
    return readYaml({ name: 'probe', text })[0];
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}
