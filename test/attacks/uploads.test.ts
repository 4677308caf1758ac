import { describe, test } from '@jest/globals';
import { chart, configMap, expectAllowed, expectRefused, object } from './support.ts';

// Uploads that stand in for a tool or its settings, and files of the machine that runs the command.

describe('kuberc and uploads that shadow tools', () => {
  test.each([
    'kubectl --kuberc=.kube/kuberc get pods',
    'kubectl get pods --kuberc kuberc',
    'kubectl get pods --kuberc=kuberc',
  ])('%s', (line) => expectRefused(line, '--kuberc', { files: { kuberc: 'kind: Preference' } }));

  test.each([
    '.kube/kuberc',
    '.kube/config',
    '.KUBE/kuberc',
    'home/.kube/config',
    './.kube/kuberc',
    'kubectl',
    'bin/kubectl',
    'helm/helm',
    'KubeCtl',
    'kubectl.exe',
    'kubectl-get',
    'kubectl-foo.exe',
    'kubectl_complete-foo',
    'helm',
    'helm-diff',
    'bin/helm',
    '.config/helm/repositories.yaml',
    '.cache/helm/x',
    '.docker/config.json',
    '.aksgw/x',
    '.ssh/config',
    '.azure/config',
  ])('an uploaded %s', async (path) => {
    // Whether the command reads the file or not.
    await expectRefused('kubectl apply -f app.json', path, { files: { 'app.json': object(configMap), [path]: 'x' } });
    await expectRefused('helm lint ./web', path, { files: { ...chart, [path]: 'x' } });
    await expectRefused('kubectl get pods', path, { files: { [path]: 'x' } });
  });
});

describe('the control', () => {
  const app = object(configMap);
  test.each([
    ['kubectl apply -f kubectl/app.yaml', { 'kubectl/app.yaml': app }],
    ['kubectl apply -f helm/k8s/kubectl-x/app.yaml', { 'helm/k8s/kubectl-x/app.yaml': app }],
    ['kubectl apply -f kubectl', { 'kubectl/app.yaml': app }],
    ['helm lint ./helm/web', Object.fromEntries(Object.entries(chart).map(([path, text]) => [`helm/${path}`, text]))],
  ])('a folder that is called as a tool runs nothing: %s', (line, files) => expectAllowed(line, { files }));
});

describe('plugins', () => {
  test.each([
    ['kubectl foo', 'foo'],
    ['kubectl krew install foo', 'krew'],
    ['kubectl neat', 'neat'],
    ['kubectl ctx other', 'ctx'],
    ['kubectl node-shell aks-1', 'node-shell'],
    ['kubectl -n shop foo', 'foo'],
    ['kubectl plugin list', 'plugin list'],
    ['kubectl plugin', 'plugin'],
    ['kubectl create foo web', 'foo'],
    ['kubectl alpha foo', 'alpha'],
    ['kubectl completion bash', 'completion'],
    ['kubectl-foo x', 'kubectl-foo'],
    ['kubectl_complete-foo x', 'kubectl_complete-foo'],
    ['helm diff upgrade web ./web', 'diff'],
    ['helm secrets view x', 'secrets'],
    ['helm plugin list', 'plugin list'],
  ])('%s', (line, word) => expectRefused(line, word));

  test('an uploaded plugin is refused before its verb is', () =>
    expectRefused('kubectl get pods', 'kubectl-foo', { files: { 'kubectl-foo': '#!/bin/sh\nid\n' } }));
});

describe('files of the machine that runs the command', () => {
  const outside = [
    '/var/run/secrets/kubernetes.io/serviceaccount/token',
    '/etc/passwd',
    '/proc/self/environ',
    '../outside',
    'a/../../outside',
    'not-sent.yaml',
  ];
  const ways: readonly [string, (path: string) => string][] = [
    ['create configmap --from-file', (path) => `kubectl create configmap a --from-file=${path}`],
    ['create configmap --from-file with a key', (path) => `kubectl create configmap a --from-file=k=${path}`],
    ['create configmap --from-env-file', (path) => `kubectl create configmap a --from-env-file=${path}`],
    ['create secret generic --from-file', (path) => `kubectl create secret generic a --from-file=k=${path}`],
    ['create secret generic --from-env-file', (path) => `kubectl create secret generic a --from-env-file ${path}`],
    ['create secret tls --cert', (path) => `kubectl create secret tls a --cert=${path} --key=key.pem`],
    ['create secret tls --key', (path) => `kubectl create secret tls a --cert=key.pem --key=${path}`],
    [
      'create secret docker-registry --from-file',
      (path) => `kubectl create secret docker-registry a --from-file=k=${path}`,
    ],
    ['-o go-template-file', (path) => `kubectl get pods -o go-template-file=${path}`],
    ['-o templatefile', (path) => `kubectl get pods -o templatefile=${path}`],
    ['-o jsonpath-file', (path) => `kubectl get pods -o jsonpath-file=${path}`],
    ['-o custom-columns-file', (path) => `kubectl get pods -ocustom-columns-file=${path}`],
    ['patch --patch-file', (path) => `kubectl patch pod web --patch-file=${path}`],
    ['apply -f', (path) => `kubectl apply -f ${path}`],
    ['apply -f beside a file that was sent', (path) => `kubectl apply -f app.json -f ${path}`],
    ['apply -R -f', (path) => `kubectl apply -R -f ${path}`],
    ['get -f', (path) => `kubectl get -f${path}`],
    ['diff -f', (path) => `kubectl diff -f ${path}`],
    ['cp', (path) => `kubectl cp ${path} web:/tmp/x`],
    ['helm --set-file', (path) => `helm install web ./web --set-file k=${path}`],
    ['helm --set-file, the second', (path) => `helm upgrade web ./web --set-file a=key.pem,k=${path}`],
    ['helm --values', (path) => `helm install web ./web --values ${path}`],
    ['helm -f', (path) => `helm template ./web -f ${path}`],
    ['helm lint -f', (path) => `helm lint ./web -f ${path}`],
    ['a chart', (path) => `helm install web ${path}`],
  ];
  const files = { ...chart, 'app.json': object(configMap), 'key.pem': 'KEY=1\n' };
  test.each(ways)('%s reads only what was sent', async (_way, line) => {
    for (const path of outside) await expectRefused(line(path), path, { files });
  });

  test('the control: the same with a file that was sent', async () => {
    const envFile = { ...files, 'key.pem': 'KEY=1' };
    for (const [, line] of ways.slice(0, 8)) await expectAllowed(line('key.pem'), { files: envFile });
  });

  test('-o go-template-file with --template names no file', async () => {
    await expectRefused('kubectl get pods -o go-template-file --template=/etc/passwd', '-o go-template-file');
    await expectRefused('kubectl get pods -o jsonpath-file', '-o jsonpath-file');
  });

  test.each([
    '/etc/passwd',
    '../a',
    'a/../../b',
    './../a',
    'a//b',
    'a/./b',
    'C:/a',
    'C:\\a',
    'a\\..\\b',
    '-f',
    'a/--x',
    'a\u0000',
    'a\nb',
    '.',
    '..',
  ])('an upload cannot be named %j', async (path) => {
    await expectRefused('kubectl apply -f app.json', path, { files: { 'app.json': object(configMap), [path]: 'x' } });
  });
});
