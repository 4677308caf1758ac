import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../../shared/client/main.ts';
import { describeWith } from '../support/programs.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';

/** All of them with AKSGW_DIFFERENTIAL=all; else every twentieth. */
const all = process.env['AKSGW_DIFFERENTIAL'] === 'all';
const sample = <T>(cases: readonly T[]): readonly T[] => cases.filter((_, index) => all || index % 20 === 0);

const folder = mkdtempSync(join(tmpdir(), 'aksgw-differential-'));
let stack: TestStack;
beforeAll(async () => {
  stack = await testStack({
    edit: (yaml) =>
      yaml
        .replace('submitsPerMinute: 30', 'submitsPerMinute: 10000')
        .replace(
          /^( *)bindings:\n/m,
          `$&$1  - { role: viewer, clusters: ['*'], subjects: [{ user: ${people.user} }] }\n$1  - { role: edit, namespaces: ['*'], clusters: ['*'], subjects: [{ user: ${people.user} }] }\n`,
        ),
  });
  // The gateway's default namespace for the cluster is the kubeconfig's here.
  writeFileSync(join(folder, 'kubeconfig'), stack.azure.kubernetes.kubeconfig());
  writeFileSync(
    join(folder, 'app.yaml'),
    'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: twin, namespace: shop }\ndata: { a: "1" }\n',
  );
  writeFileSync(join(folder, 'app.conf'), 'a=1\nb="two" \u00fc\n');
  mkdirSync(join(folder, 'chart/templates'), { recursive: true });
  writeFileSync(join(folder, 'chart/Chart.yaml'), 'apiVersion: v2\nname: twin\nversion: 0.1.0\ndescription: d\n');
  writeFileSync(join(folder, 'chart/values.yaml'), 'a: "1"\n');
  writeFileSync(
    join(folder, 'chart/templates/c.yaml'),
    'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: "{{ .Release.Name }}" }\ndata: { a: "{{ .Values.a }}" }\n',
  );
  writeFileSync(join(folder, 'values.yaml'), 'a: "2"\n');
  writeFileSync(join(folder, 't.tmpl'), '{{range .items}}{{.metadata.name}}\t{{end}}');
});
afterAll(async () => {
  await stack.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The real kubectl, on the same API server. */
function direct(argv: readonly string[], stdin: string, tool = 'kubectl'): Promise<Ended> {
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder, KUBECONFIG: join(folder, 'kubeconfig') };
  const child = spawn(tool, argv, { cwd: folder, env });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('latin1')));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString('latin1')));
  child.stdin.on('error', () => undefined).end(stdin);
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
}

async function relayed(argv: readonly string[], stdin: string, tool = 'kubectl'): Promise<Ended> {
  let [out, err] = ['', ''];
  const code = await main([tool, ...argv], {
    env: {
      AKSGW_HOME: join(folder, 'home'),
      AKSGW_URL: stack.url,
      AKSGW_CLUSTER: 'demo',
      AKSGW_TOKEN: stack.tokens.user,
    },
    stdin: (async function* () {
      yield stdin;
    })(),
    stdout: { write: (chunk) => (out += Buffer.from(chunk as string).toString('latin1')) },
    stderr: { write: (chunk) => (err += Buffer.from(chunk as string).toString('latin1')) },
    cwd: () => folder,
  });
  return { code, out, err };
}

const reads = [
  ...[
    '',
    '-o wide',
    '-o name',
    '-o yaml',
    '-o json',
    '--no-headers',
    '--show-labels',
    '-L app',
    '-l app=web',
    '-l nope=x',
    '-o jsonpath={.items[*].metadata.name}',
    '-o custom-columns=N:.metadata.name',
    '--sort-by=.metadata.name',
    '-o go-template-file=t.tmpl',
    '--field-selector=status.phase=Running',
    '--show-kind',
    '--chunk-size=1',
    '--ignore-not-found',
  ].map((rest) => `get pods -n shop ${rest}`),
  ...[
    'pods',
    'deployments',
    'services',
    'configmaps',
    'namespaces',
    'nodes',
    'deploy',
    'svc',
    'po',
    'pods,services',
    'rs',
  ].map((kind) => `get ${kind}`),
  ...['deployments', 'services', 'pods,deployments', 'configmaps'].map((kind) => `get ${kind} -n shop -o name`),
  'get pods -A',
  'get pod nope -n shop',
  'get deployment/nope -n shop',
  'get deployment web -n shop',
  'get deploy/web -n shop -o yaml',
  'get service nope -n shop --ignore-not-found',
  'get nopes',
  'describe deployment web -n shop',
  'describe deployment nope -n shop',
  'rollout status deployment/web -n shop --timeout=1s',
  'rollout history deployment/web -n shop',
  'api-resources',
  'api-versions',
  'version -o json',
  'explain pods',
  'logs nope -n shop',
  'top pods -n shop',
  'top nodes',
  'get events -n shop',
  'get endpoints -n shop',
];
const writes = [
  'create configmap c --from-literal=a=b -n shop --dry-run=client -o yaml',
  'create configmap c --from-file=app.conf -n shop --dry-run=client -o yaml',
  'create configmap c --from-file=k=app.conf -n shop --dry-run=client -o json',
  'create configmap c --from-env-file=app.conf -n shop --dry-run=client',
  'create configmap c -n shop --dry-run=client -o name',
  'create deployment d --image=nginx -n shop --dry-run=client -o yaml',
  'create deployment d --image=nginx --replicas=3 -n shop --dry-run=client',
  'create job j --image=busybox -n shop --dry-run=client -o name',
  'apply -f app.yaml --dry-run=client',
  'apply -f app.yaml --dry-run=client -o yaml',
  'apply -f ./app.yaml --dry-run=client -o name',
  'create -f app.yaml --dry-run=client',
  'apply -f app.yaml',
  'apply -f app.yaml',
  'get configmap twin -n shop -o jsonpath={.data}',
  'label configmap twin -n shop a=b --overwrite',
  'annotate configmap twin -n shop note=x --overwrite',
  'patch configmap twin -n shop -p {"data":{"a":"1"}}',
  'scale deployment web -n shop --replicas=2',
  'set image deployment/web web=nginx:1 -n shop --dry-run=client',
  'delete configmap nope -n shop',
  'delete configmap nope -n shop --ignore-not-found',
  'delete -f app.yaml --dry-run=client',
  'diff -f app.yaml',
  'expose deployment web -n shop --port=80 --dry-run=client -o name',
  'autoscale deployment web -n shop --max=3 --dry-run=client',
  'run x --image=busybox -n shop --dry-run=client -o name',
];
const stdin = [
  'apply -f - --dry-run=client',
  'create -f - --dry-run=client -o yaml',
  'apply -f - --dry-run=client -o name',
];
const argvs = [...reads, ...writes, ...stdin];

/** Where the two differ by design; the reason is the gateway's. */
const exceptions: Readonly<Record<string, string>> = {
  'get pods -A': "the namespace aks-command is left out: other callers' pods are there",
  'get nopes': 'refused before anything runs: what is no kind that the gateway knows cannot be decided',
};

const MANIFEST = 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: piped, namespace: shop }\ndata: { ü: "1" }\n';
const steady = ({ code, out, err }: Ended): Ended => ({ code, out: ageless(out), err: ageless(err) });
/** Ages and times go on between the two. */
const ageless = (text: string): string =>
  text
    .replaceAll(/\b\d+[smhd](?:\d+[smhd])?\b/g, 'AGE')
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, 'TIME')
    .replaceAll(/[ \t]+/g, ' ')
    .replaceAll(/resourceVersion: "\d+"|"resourceVersion": "\d+"/g, 'VERSION');

describeWith(['kubectl'], 'aksgw kubectl and kubectl itself, on the same API server, say the same:', () => {
  // The first run of a write may create what the second then finds.
  beforeAll(async () => {
    await direct(['config', 'set-context', '--current', '--namespace=shop'], '');
    await direct(['apply', '-f', 'app.yaml'], '');
    await direct(['label', 'configmap', 'twin', '-n', 'shop', 'a=b', '--overwrite'], '');
    await direct(['annotate', 'configmap', 'twin', '-n', 'shop', 'note=x', '--overwrite'], '');
  });
  test('over eighty commands', () => expect(new Set(argvs).size).toBeGreaterThanOrEqual(80));
  test.each(sample(argvs.filter((line) => !Object.hasOwn(exceptions, line))))(
    '%s',
    async (line) => {
      const argv = line.split(' ').filter(Boolean);
      const real = steady(await direct(argv, MANIFEST));
      const ours = steady(await relayed(argv, MANIFEST));
      expect(ours).toEqual(real);
    },
    60_000,
  );
});

const helmArgvs = [
  'template r ./chart -n shop',
  'template r ./chart -n shop -f values.yaml',
  'template r chart --set a=3 -n shop',
  'template r ./chart --set-file a=app.conf -n shop',
  'template r ./chart -n shop --show-only templates/c.yaml',
  'lint ./chart',
  'lint ./chart -f values.yaml',
  'show values ./chart',
  'show chart ./chart',
  'show all ./chart',
  'list -n shop',
  'list -n shop -o json',
  'status nope -n shop',
  'history nope -n shop',
  'version --short',
];

describeWith(['helm', 'kubectl'], 'aksgw helm and helm itself say the same:', () => {
  test.each(sample(helmArgvs))(
    '%s',
    async (line) => {
      const argv = line.split(' ');
      const real = steady(await direct(argv, '', 'helm'));
      expect(steady(await relayed(argv, '', 'helm'))).toEqual(real);
    },
    60_000,
  );
});
