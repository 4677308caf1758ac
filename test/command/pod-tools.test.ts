import { describe, expect, test } from '@jest/globals';
import { interpret } from '../../shared/command/interpret.ts';
import { minorOf, type PodTools } from '../../shared/command/pod-tools.ts';
import { Problem } from '../../shared/errors.ts';

const context = { defaultNamespace: 'default', resources: [] };
const warningsOf = (argv: readonly string[], tools?: PodTools) =>
  interpret({ argv, files: [] }, context, tools).warnings;
const refusalOf = (argv: readonly string[], tools: PodTools): unknown => {
  try {
    return warningsOf(argv, tools);
  } catch (error) {
    if (error instanceof Problem) return error.options.members;
    throw error;
  }
};

describe("the tools of a cluster's pod", () => {
  // --cpu-percent of autoscale is older than all; --cpu came with 1.34.
  const NEWER = ['kubectl', 'autoscale', 'deployment/web', '--max=3', '--cpu=50%', '-n', 'shop'];

  test('a flag that they do not know is refused, with the reason', () => {
    expect(refusalOf(NEWER, { kubectl: '1.30' })).toMatchObject({
      word: '--cpu',
      why: expect.stringMatching(/known to kubectl 1\.34 and later; the pod of this cluster has kubectl 1\.30/),
    });
  });

  test.each(['1.34', '1.36', '1.37'])('a flag that kubectl %s knows passes without a word', (kubectl) => {
    expect(warningsOf(NEWER, { kubectl })).toEqual([]);
  });

  test('a caller is warned of it while the pod has not told', () => {
    const warned = [expect.stringMatching(/^--cpu is known to kubectl 1\.34, and not to every older one/)];
    expect(warningsOf(NEWER)).toEqual(warned);
    expect(warningsOf(NEWER, { helm: '3.14' })).toEqual(warned);
  });

  test.each(['1.9', '1.26', '1.100', '2.0'])(
    'a kubectl %s, which the grammar was not read from, is told of',
    (kubectl) => {
      expect(warningsOf(['kubectl', 'get', 'pods', '-n', 'shop'], { kubectl })).toEqual([
        expect.stringMatching(/has kubectl .*; the gateway knows 1\.27 to 1\.\d\d\.$/),
      ]);
    },
  );

  describe("helm's, older and newer", () => {
    const files = [{ path: 'web/Chart.yaml', bytes: Buffer.from('apiVersion: v2\nname: web\nversion: 1.0.0\n') }];
    test.each([
      ['--dry-run', '3.12', '--dry-run=true'],
      ['--dry-run=none', '3.12', '--dry-run=false'],
      ['--dry-run', '3.15', '--dry-run=client'],
      ['--dry-run=client', '4.3', '--dry-run=client'],
    ])('%s is sent to helm %s as %s', (flag, helm, word) => {
      const request = { argv: ['helm', 'upgrade', 'web', './web', flag, '-n', 'shop'], files };
      expect(interpret(request, context, { helm }).sent.words).toContain(word);
    });

    const told = (flag: string, helm?: string): string => {
      try {
        const request = { argv: ['helm', 'upgrade', 'web', './web', flag, '-n', 'shop'], files };
        return interpret(request, context, helm === undefined ? undefined : { helm }).warnings.join(' ');
      } catch (error) {
        if (error instanceof Problem) return `refused: ${String(error.options.members?.['why'])}`;
        throw error;
      }
    };
    test.each([
      [
        '--rollback-on-failure',
        '3.22',
        /refused: is known to helm 4\.0 and later; the pod of this cluster has helm 3\.22/,
      ],
      ['--wait=watcher', '3.18', /refused: is known to helm 4\.0 and later/],
      ['--dry-run=server', '3.12', /refused: is known to helm 3\.13 and later/],
      ['--dry-run=server', '3.13', /^$/],
      ['--force-replace', undefined, /^--force-replace is known to helm 4\.0, and not to every older one\.$/],
      ['--wait=watcher', undefined, /^--wait=watcher is known to helm 4\.0/],
      ['--rollback-on-failure', '4.0', /^$/],
      ['--wait=watcher', '4.3', /^$/],
      ['--wait', '3.12', /^$/],
      ['--dry-run', '3.12', /^$/],
      ['--dry-run=client', '3.12', /^$/],
      ['--dry-run=client', undefined, /^--dry-run is known to helm 3\.13/],
    ])('%s for helm %s', (flag, helm, words) => {
      expect(told(flag, helm)).toMatch(words);
    });
  });

  test("helm's versions are its own, the next major ones included", () => {
    expect(warningsOf(['helm', 'list', '-n', 'shop'], { kubectl: '1.1', helm: '3.18' })).toEqual([]);
    expect(warningsOf(['helm', 'list', '-n', 'shop'], { helm: '3.1' })).toHaveLength(1);
  });

  test.each([
    ['v1.30.2', '1.30'],
    ['v1.32.4-dispatcher', '1.32'],
    ['v3.14.0+gc309b6f', '3.14'],
    ['', undefined],
    ['1.30.2', undefined],
    ['v1.30', undefined],
    ['v1.2345.1', undefined],
    ['v1.30.2\u001b[31m', '1.30'],
    ['$(id)', undefined],
  ])('%j is the version %s', (said, version) => expect(minorOf(said)).toBe(version));
});
