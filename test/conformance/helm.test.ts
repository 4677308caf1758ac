import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { EmulatedKubernetes } from '../../infra/local/kubernetes/server.ts';
import { describeAttributes } from '../../shared/kubernetes/attributes.ts';
import { interpret } from '../../shared/command/interpret.ts';
import type { Invocation } from '../../shared/command/invocation.ts';
import { splitWords } from '../../shared/command/words.ts';
import { covers } from './compare.ts';
import { charts } from './helm-charts.ts';
import { isOf, keepsRelease } from './helm-recordings.ts';
import { helms, NO_HELM, openHelm, PATIENCE_MS, podOf, type HelmBench } from './helm-run.ts';
import type { Tool, ToolResult } from '../command/tools.ts';

/**
 * The words that we would send, run by the real helm against the emulated API: what helm asks for must be what we said, where a
 * release is the Secrets that helm keeps it in. helm is not on every machine: AKSGW_HELM_DIR names a folder of `helm-3.22` and the like.
 */
const onHelm = helms.length > 0 ? describe : describe.skip;

/** `get metadata` came with helm 3.13. */
const knows = (version: string, line: string): boolean => version !== '3.12' || !line.includes('get metadata');
/** So did the dry run on the server: helm 3.12 looks nothing up but to install and to upgrade. */
const looksUpToRender = (version: string): boolean => version !== '3.12';

const chart = {
  'web/Chart.yaml': 'apiVersion: v2\nname: web\nversion: 1.0.0\n',
  'web/values.yaml': 'color: red\n',
  'web/templates/cm.yaml':
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-paint\ndata:\n  color: {{ .Values.color }}\n  file: {{ .Values.file | default "none" | quote }}\n',
  'web/templates/NOTES.txt': 'Painted {{ .Values.color }} in {{ .Release.Namespace }}.\n',
  'web/templates/test.yaml':
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-test\n  annotations: {"helm.sh/hook": test}\n',
  'look/Chart.yaml': 'apiVersion: v2\nname: look\nversion: 1.0.0\n',
  'look/templates/cm.yaml':
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: look}\ndata: {found: {{ lookup "v1" "Secret" "kube-system" "" | toJson | quote }}}\n',
  'blue.yaml': 'color: blue\n',
  'a,b.yaml': 'color: comma\n',
  'note.txt': 'from a file',
} as const;

const context = { defaultNamespace: 'shop', resources: [] };

type Files = Readonly<Record<string, string>>;

/** As it is sent to a pod with this helm. */
const understand = (tool: Tool, line: string, stdin?: string, files: Files = chart): Invocation =>
  interpret(
    {
      argv: splitWords(line),
      files: Object.entries(files).map(([path, text]) => ({ path, bytes: Buffer.from(text) })),
      stdin,
    },
    context,
    podOf(tool),
  );

onHelm.each(helms.length > 0 ? helms : [NO_HELM])('helm $version', (tool) => {
  const { version } = tool;
  let bench: HelmBench;
  let kubernetes: EmulatedKubernetes;

  beforeAll(async () => {
    bench = await openHelm(tool);
    ({ kubernetes } = bench);
  });
  beforeEach(() => kubernetes.reset());
  afterAll(() => bench.close());

  async function helm(
    line: string,
    stdin?: string,
    uploads?: Files,
  ): Promise<ToolResult & { readonly invocation: Invocation }> {
    const invocation = understand(tool, line, stdin, uploads);
    return { ...(await bench.run(invocation.sent)), invocation };
  }

  /** What helm asked for that our attributes do not cover. */
  function uncovered({ attributes }: Invocation): string[] {
    const releases = attributes.filter(({ resource }) => resource === 'releases');
    return kubernetes.requests
      .filter((request) => !attributes.some((one) => covers(one, request)))
      .filter((request) => !releases.some((one) => keepsRelease(one, request)))
      .map(describeAttributes);
  }

  test(
    'release by release, asks for what we said',
    async () => {
      // In this order: each builds on those before.
      const story: readonly (readonly [line: string, prints: RegExp])[] = [
        ['helm install web ./web --set color=green', /Painted green in shop/u],
        ['helm list', /^web\s+shop\s+1/mu],
        ['helm list -A -q', /^web$/mu],
        ['helm list --filter nothing -q', /^$/u],
        ['helm status web', /STATUS: deployed/u],
        ['helm status web -o json', /"name":"web"/u],
        ['helm get values web', /color: green/u],
        ['helm get manifest web', /web-paint/u],
        ['helm get notes web', /Painted green/u],
        ['helm get hooks web', /web-test/u],
        ['helm get all web', /color: green/u],
        ['helm get metadata web', /NAME: web/u],
        ['helm upgrade web ./web -f blue.yaml --set-file file=note.txt', /Painted blue/u],
        ['helm upgrade web ./web -if blue.yaml --history-max 5', /REVISION: 3/u],
        ['helm history web', /^3\s/mu],
        ['helm rollback web 1', /Rollback was a success/u],
        ['helm uninstall web', /release "web" uninstalled/u],
        ['helm list -q', /^$/u],
      ];
      for (const [line, prints] of story.filter(([line]) => knows(version, line))) {
        const { code, stdout, stderr, invocation } = await helm(line);
        expect({ line, code, stderr: code === 0 ? '' : stderr }).toEqual({ line, code: 0, stderr: '' });
        expect(stdout).toMatch(prints);
        expect({ line, uncovered: uncovered(invocation).filter((text) => !ofChart(text)) }).toEqual({
          line,
          uncovered: [],
        });
      }
    },
    PATIENCE_MS,
  );

  test(
    'reads print what we say needs get secrets, and nothing else does',
    async () => {
      await helm('helm install web ./web --set color=hunter2');
      const reads = [
        'status web',
        'status web -o json',
        'status web -o yaml',
        'history web -o json',
        'get metadata web -o json',
        'list -o json',
        'get hooks web',
      ];
      const printing: string[] = [];
      for (const words of [...reads, 'get values web', 'get manifest web', 'get all web'].filter((line) =>
        knows(version, line),
      )) {
        const { stdout, invocation } = await helm(`helm ${words}`);
        const saysSecrets = invocation.attributes.some(({ resource }) => resource === 'secrets');
        // Notes are meant to be read; they are what `status` shows of the values.
        if (!stdout.replace(/Painted hunter2/u, '').includes('hunter2')) continue;
        printing.push(words);
        expect({ words, saysSecrets }).toEqual({ words, saysSecrets: true });
      }
      expect(printing).toEqual(
        expect.arrayContaining(['status web -o json', 'get values web', 'get manifest web', 'get all web']),
      );
    },
    PATIENCE_MS,
  );

  test.each([
    ['helm template ./web', /color: red/u],
    ['helm template web ./web -f blue.yaml', /color: blue/u],
    [`helm template ./web -f '"a,b.yaml"'`, /color: comma/u],
    ['helm template ./web --set-file file=note.txt', /file: "from a file"/u],
    ['helm template ./web --dry-run', /color: red/u],
    ['helm template ./web --dry-run=true', /color: red/u],
    ['helm template ./look', /found: "\{\}"/u],
    ['helm lint ./web', /0 chart\(s\) failed/u],
    ['helm show values ./web', /color: red/u],
    ['helm show chart ./web', /name: web/u],
    ['helm version', /v\d/u],
    ['helm env HELM_NAMESPACE', /default/u],
  ])(
    '%s asks the cluster nothing',
    async (line, prints) => {
      const { code, stdout, stderr } = await helm(line);
      expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout + stderr).toMatch(prints);
      expect([...kubernetes.requests, ...kubernetes.nonResource]).toEqual([]);
    },
    PATIENCE_MS,
  );

  test(
    'values come from stdin',
    async () => {
      expect((await helm('helm template ./web -f -', 'color: piped')).stdout).toMatch(/color: piped/u);
    },
    PATIENCE_MS,
  );

  test(
    'a lookup on the server is covered by what the template names',
    async () => {
      const line = looksUpToRender(version) ? 'helm template ./look --dry-run=server' : 'helm install look ./look';
      const { invocation } = await helm(line);
      const asked = kubernetes.requests.map(describeAttributes);
      expect(asked).toContain('list secrets in kube-system');
      // helm 4 also looks whether the chart's own objects are there and another release's; it prints nothing of them.
      const own = looksUpToRender(version) ? /^get configmaps look in shop$/u : /^\w+ configmaps(?: look)? in shop$/u;
      expect(uncovered(invocation).filter((text) => !own.test(text))).toEqual([]);
    },
    PATIENCE_MS,
  );

  describe.each(charts)('a chart that $name', ({ files, holds, looksUp }) => {
    /** What helm asked for, but for the release's own Secrets and the objects that the chart holds. */
    const beside = ({ attributes }: Invocation): string[] => {
      const releases = attributes.filter(({ resource }) => resource === 'releases');
      return (
        kubernetes.requests
          // After a 404 helm, as kubectl, looks whether the namespace is there, to word its error.
          .filter(({ verb, resource, name }) => !(verb === 'get' && resource === 'namespaces' && name === 'shop'))
          .filter((request) => !releases.some((one) => keepsRelease(one, request)))
          .filter((request) => !holds.some((text) => isOf(text, request)))
          .map(describeAttributes)
      );
    };

    test(
      'asks for what it looks up and holds, and nothing else',
      async () => {
        const onServer = looksUpToRender(version) ? '--dry-run=server' : '--validate';
        for (const line of ['helm install web ./c', 'helm upgrade web ./c', `helm template web ./c ${onServer}`]) {
          const found = line.endsWith('--validate') ? [] : looksUp;
          const { code, stderr, invocation } = await helm(line, undefined, files);
          expect({ line, code, stderr: code === 0 ? '' : stderr }).toEqual({ line, code: 0, stderr: '' });
          expect({ line, asked: [...new Set(beside(invocation))].toSorted() }).toEqual({
            line,
            asked: found.toSorted(),
          });
          expect({ line, uncovered: uncovered(invocation).filter((text) => looksUp.includes(text)) }).toEqual({
            line,
            uncovered: [],
          });
        }
        const { code, invocation } = await helm('helm uninstall web');
        expect({ code, asked: beside(invocation) }).toEqual({ code: 0, asked: [] });
      },
      PATIENCE_MS,
    );

    test(
      'looks nothing up where it is rendered for the client alone',
      async () => {
        for (const line of ['helm template web ./c', 'helm install web ./c --dry-run', 'helm lint ./c']) {
          const { invocation } = await helm(line, undefined, files);
          expect({ line, asked: beside(invocation) }).toEqual({ line, asked: [] });
        }
      },
      PATIENCE_MS,
    );
  });

  test(
    'a value that looks like a global flag leads nowhere else',
    async () => {
      const strangers: string[] = [];
      const stranger = createServer((request, response) => {
        strangers.push(request.url ?? '');
        response.writeHead(500).end();
      });
      await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
      const elsewhere = `--kube-apiserver=http://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
      try {
        // That the danger is real: written apart, helm takes the value of --filter for its own flag.
        await bench.runWords(['list', '--filter', elsewhere]);
        const taken = strangers.length;
        await helm(`helm list --filter ${elsewhere}`);
        expect(strangers).toHaveLength(taken);
        expect(taken).toBeGreaterThan(0);
        expect(kubernetes.requests.length).toBeGreaterThan(0);
      } finally {
        stranger.close();
      }
    },
    PATIENCE_MS,
  );
});

/** The chart's own objects, which an install grant covers whatever they are. */
const ofChart = (text: string): boolean =>
  /^(?:\w+ configmaps web-(?:paint|test)|create configmaps) in shop$/u.test(text);
