import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { commandOf } from '../../shared/command/grammar/grammar.ts';
import { flagTables } from '../../shared/command/helm/flags.ts';
import { interpret } from '../../shared/command/interpret.ts';
import type { Invocation } from '../../shared/command/invocation.ts';
import { Problem } from '../../shared/errors.ts';
import { context, file } from './calls.ts';
import { seed } from '../support/seed.ts';

const numRuns = 40 * Number(process.env['AKSGW_FUZZ_RUNS'] ?? 50);

const files = [
  file('web/Chart.yaml', 'name: web\n'),
  file('web/templates/a.yaml', 'a: {{ tpl "b" . }}\n'),
  file('blue.yaml', 'a: 1\n'),
  file('a,"b.yaml', 'a: 1\n'),
];

const values: Readonly<Record<string, readonly string[]>> = {
  bool: ['true', 'false', 'T', '0', 'maybe'],
  int: ['3', '-1', 'x'],
  duration: ['5m', '99h', '5'],
  csv: ['a', 'a,b', '"a,b"', 'blue.yaml', './blue.yaml', '"a,""b.yaml"', '-', 'https://x'],
  map: ['a=b', 'a=b,c=d', 'a'],
  switch: ['true', 'false', '0', 'watcher', 'legacy', 'x', ''],
  string: [
    'x',
    '',
    'json',
    'client',
    'server',
    'none',
    'a=b',
    'k=blue.yaml',
    '--kube-token=x',
    '-n',
    'a b',
    'é',
    "'",
    '$(id)',
    'a\nb',
  ],
};

/** A helm command line that is mostly right: a verb that is relayed, its own flags, and words that a release or chart may be. */
const lines = fc
  .constantFrom(...Object.keys(flagTables))
  .chain((verb) => {
    const path = verb.split(' ');
    const command = commandOf('helm', path);
    const usage = fc
      .constantFrom(...Object.keys(Object.entries(flagTables).find(([name]) => name === verb)?.[1] ?? {}), 'namespace')
      .chain((name) => {
        const flag = command?.long(name);
        const value = fc.constantFrom(
          ...(name === 'namespace' ? ['shop', 'blue', 'Bad'] : (values[flag?.type ?? 'string'] ?? [])),
        );
        return value.chain((text) =>
          fc.constantFrom(
            [`--${name}=${text}`],
            flag?.bare === undefined ? [`--${name}`, text] : [`--${name}`],
            flag?.short === undefined ? [`--${name}=${text}`] : [`-${flag.short}=${text}`],
          ),
        );
      });
    const word = fc.constantFrom('web', 'api', './web', 'web/', '2', 'HELM_NAMESPACE', 'Web', 'oci://x', '--', '-x');
    return fc.tuple(fc.constant(path), fc.array(usage, { maxLength: 4 }), fc.array(word, { maxLength: 3 }));
  })
  .map(([path, flags, words]) => ['helm', ...path, ...flags.flat(), ...words]);

function tryInterpret(argv: readonly string[], stdin?: string): Invocation | undefined {
  try {
    return interpret({ argv, files, stdin }, context);
  } catch (error) {
    if (error instanceof Problem && error.code === 'command-refused') return undefined;
    throw error;
  }
}

test(`helm: whatever the words, a refusal or a command that is safe to send (seed ${seed})`, () => {
  let understood = 0;
  fc.assert(
    fc.property(lines, (argv) => {
      const invocation = tryInterpret(argv) ?? tryInterpret(argv, 'a: 1');
      if (invocation === undefined) return;
      understood++;
      const { words, files: sent } = invocation.sent;
      const verb = invocation.verb.split(' ');
      expect(words.slice(0, verb.length + 1)).toEqual(['helm', ...verb]);
      for (const word of words.slice(verb.length + 1)) {
        // A flag with its value in one word, or a word that no flag can be.
        expect(word).toMatch(/^(?:--[a-z][a-z-]*=[^]*|[a-z0-9.][^\0]*|HELM_[A-Z_]+)$/u);
        expect(word).not.toMatch(/^--(?:kube-(?!version=)|kubeconfig|post-renderer|repo)/u);
      }
      expect(words.filter((word) => word.startsWith('--namespace='))).toHaveLength(
        ['version', 'env'].includes(invocation.verb) ? 0 : 1,
      );
      expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining(sent.map(({ path }) => path)));
      for (const { group, namespace } of invocation.attributes) if (group === 'helm.sh') expect(namespace).not.toBe('');

      // What is sent means what was asked: understood again, it is the same command.
      const again = tryInterpret(words, invocation.sent.stdin === undefined ? undefined : 'a: 1');
      expect(again?.sent.words.toSorted()).toEqual(words.toSorted());
      expect(again?.attributes).toEqual(invocation.attributes);
      expect(again?.sent.files).toEqual(sent);
    }),
    { seed, numRuns },
  );
  expect(understood).toBeGreaterThan(numRuns / 40);
});
