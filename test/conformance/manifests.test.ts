import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { startKubernetes, type EmulatedKubernetes, type RecordedRequest } from '../../infra/local/kubernetes/server.ts';
import { groupVersion } from '../../infra/local/kubernetes/kinds.ts';
import { interpret } from '../../shared/command/interpret.ts';
import type { Invocation } from '../../shared/command/invocation.ts';
import { splitWords } from '../../shared/command/words.ts';
import { Problem } from '../../shared/errors.ts';
import { findVersions } from '../command/tools.ts';
import { context, furnish } from './kubectl-cluster.ts';
import { runKubectl } from './kubectl-run.ts';
import { kinds, manifest } from './manifest-forms.ts';

/**
 * The objects that a real kubectl asks for are those that were judged, whatever the text looked like: of the text that is sent (so that
 * nothing slips past policy), and of the text that came (so that the caller gets what he wrote).
 */
const everything = process.env['AKSGW_CONFORMANCE'] === 'all';
const [newest, ...older] = findVersions('kubectl');
const kubectls = newest === undefined ? [] : everything ? [newest, ...older] : [newest];
const TEXTS = everything ? 200 : 40;
/** A run is a process of kubectl for each text, or one for all. */
const PATIENCE_MS = 300_000 + TEXTS * 5_000;

const verbs: readonly (readonly [verb: string, flags: string])[] = [
  ['get', ''],
  ['apply', ''],
  ['apply', '--server-side'],
  ['create', ''],
  ['replace', ''],
  ['delete', '--wait=false'],
  ['describe', ''],
  ['label', 'tier=front --overwrite'],
  ['patch', `--type=merge -p '{"metadata":{"labels":{"tier":"back"}}}'`],
];

function understand(verb: string, flags: string, text: string): Invocation | undefined {
  const argv = splitWords(`kubectl ${verb} -f m.yaml ${flags}`);
  try {
    return interpret({ argv, files: [{ path: 'm.yaml', bytes: Buffer.from(text) }] }, context);
  } catch (error) {
    if (error instanceof Problem && error.code === 'command-refused') return undefined;
    throw error;
  }
}

interface Named {
  readonly group: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

const spelled = ({ group, resource, namespace, name }: Named): string => `${resource}.${group} ${namespace}/${name}`;
const unique = (words: readonly string[]): string[] => [...new Set(words)].toSorted();

/** The verb by whose requests the objects of a file are known: it names each of them. */
const TELLING: Readonly<Record<string, string>> = {
  get: 'get',
  describe: 'get',
  apply: 'get',
  'apply --server-side': 'patch',
  create: 'create',
  replace: 'get',
  delete: 'delete',
  label: 'get',
  patch: 'patch',
};

const judged = ({ attributes }: Invocation, verb: string): string[] =>
  unique(attributes.filter((one) => one.verb === verb && one.subresource === '' && one.name !== '').map(spelled));

const sentText = ({ sent }: Invocation): string =>
  sent.files.map(({ bytes }) => Buffer.from(bytes).toString()).join('');

/** What a node renews in its lease is asked for by `describe` once the node is there, and none of these is. */
const isOfNode = (text: string): boolean => text.startsWith('leases.coordination.k8s.io kube-node-lease/');

const NONE = { version: '(skipped: no kubectl on this machine)', path: '' };

const placeOf = (text: string): { readonly namespace: string; readonly name: string } => {
  const [namespace = '', name = ''] = (text.split(' ')[1] ?? '').split('/');
  return { namespace, name };
};

/** After a 404 kubectl looks whether the namespace is there, to word its error; the manifests hold none of these. */
const isForWords = ({ verb, resource, name }: RecordedRequest, before: RecordedRequest | undefined): boolean =>
  verb === 'get' &&
  resource === 'namespaces' &&
  before?.status === 404 &&
  ['shop', 'team', 'kube-system'].includes(name);

(newest === undefined ? describe.skip : describe).each(newest === undefined ? [NONE] : kubectls)(
  'kubectl $version asks for the objects that were judged',
  (kubectl) => {
    let kubernetes: EmulatedKubernetes;
    let home: string;
    beforeAll(async () => {
      kubernetes = await startKubernetes({ seed: false });
      home = mkdtempSync(join(tmpdir(), 'kubectl-manifests-'));
      // As a cluster's default namespace is one; a namespace that is given with -n would be enforced.
      const config = kubernetes.kubeconfig().replace('{ cluster: emulated,', '{ namespace: shop, cluster: emulated,');
      writeFileSync(join(home, 'config'), config);
    });
    afterAll(async () => {
      rmSync(home, { recursive: true, force: true });
      await kubernetes.close();
    });

    beforeEach(() => {
      furnish(kubernetes);
      kubernetes.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team' } });
      kubernetes.requests.length = 0;
    });

    /** The objects that kubectl asked for by a verb, by their names. A POST has none in its path: what is there afterwards tells. */
    function asked(verb: string, expected: readonly string[], each = expected, said = ''): string[] {
      const { requests } = kubernetes;
      const named = requests.filter((one, at) => one.verb === verb && !isForWords(one, requests[at - 1])).map(spelled);
      if (verb !== 'create') return unique(named);
      const places = (texts: readonly string[]): string[] =>
        texts.map((text) => text.replace(/[^/]*$/u, '')).toSorted();
      expect(places(named)).toEqual(places(each));
      return expected.filter(
        (text) =>
          kinds.some((kind) => spelled({ ...kind, ...placeOf(text) }) === text && isThere(kind.kind, text)) ||
          said.includes(`"${placeOf(text).name}" is invalid`), // asked for, and refused for what the text leaves out
      );
    }
    const isThere = (kind: string, text: string): boolean => {
      const { namespace, name } = placeOf(text);
      return kubernetes.find(kind, namespace, name) !== undefined;
    };

    test.each(verbs)(
      '%s -f, %s',
      async (verb, flags) => {
        const telling = TELLING[`${verb} ${flags}`] ?? TELLING[verb] ?? '';
        const sample = fc.sample(manifest, { numRuns: TEXTS, seed: Number(process.env['AKSGW_SEED'] ?? 1) });
        const taken = sample.flatMap((text) => understand(verb, flags, text) ?? []);
        expect(taken.length).toBeGreaterThan(TEXTS / 8);
        // A process for each text would take too long: those that are taken go in one file.
        const together = understand(verb, flags, taken.map((one) => `---\n${sentText(one)}`).join(''));
        if (together === undefined) throw new Error('What was taken apart is refused together');
        // Texts may name one object, which is then asked for by each.
        const each = taken.flatMap((one) => judged(one, telling));
        expect(judged(together, telling)).toEqual(unique(each));
        const said = await runKubectl(kubectl, kubernetes, home, together.sent, undefined);
        const expected = unique(each).filter((text) => verb !== 'describe' || !isOfNode(text));
        const found = asked(telling, expected, each, said);
        expect({ found, said: found.join() === expected.join() ? '' : said }).toEqual({ found: expected, said: '' });
      },
      PATIENCE_MS,
    );

    test(
      'a text is read as kubectl reads it, or refused',
      async () => {
        let compared = 0;
        for (const text of fc.sample(manifest, { numRuns: TEXTS, seed: 2 })) {
          const invocation = understand('get', '', text);
          if (invocation === undefined) continue;
          kubernetes.requests.length = 0;
          const sent = {
            words: ['kubectl', 'get', '-f', 'm.yaml'],
            files: [{ path: 'm.yaml', bytes: Buffer.from(text) }],
            secret: false,
          };
          await runKubectl(kubectl, kubernetes, home, sent, undefined);
          const found = asked('get', []);
          // kubectl may refuse more than we do, such as a list of what it does not know.
          if (found.length === 0) continue;
          compared++;
          expect({ text, found }).toEqual({ text, found: judged(invocation, 'get') });
        }
        expect(compared).toBeGreaterThan(TEXTS / 10);
      },
      PATIENCE_MS,
    );
  },
);

test('every kind of the catalogue that the emulated API server keeps has its turn', () => {
  expect(kinds.length).toBeGreaterThan(35);
  expect(new Set(kinds.map((kind) => `${groupVersion(kind)} ${kind.kind}`)).size).toBe(kinds.length);
});
