import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { interpret } from '../../shared/command/interpret.ts';
import type { Invocation } from '../../shared/command/invocation.ts';
import { splitWords } from '../../shared/command/words.ts';
import { asked, call, context, file } from './calls.ts';
import { refusalOf } from './refusal.ts';

const chart = {
  'web/Chart.yaml': 'apiVersion: v2\nname: web\nversion: 1.0.0\n',
  'web/values.yaml': 'a: 1\n',
  'web/templates/cm.yaml': 'kind: ConfigMap\napiVersion: v1\nmetadata: {name: {{ .Release.Name }}}\n',
} as const;
const lookup = { ...chart, 'web/templates/look.yaml': '{{ lookup "v1" "Secret" "kube-system" "" }}' };
const values = { ...chart, 'prod.yaml': 'a: 2\n', 'key.pem': 'KEY' };
const sent = ({ sent }: Invocation): string => sent.words.join(' ');

describe('what helm asks of Kubernetes', () => {
  const inShop = ' in shop';
  const secrets = `get secrets${inShop}`;
  const systemSecrets = ['get secrets in kube-system', 'list secrets in kube-system'];
  const everySecret = ['get secrets in all namespaces', 'list secrets in all namespaces'];
  test.each<readonly [string, Record<string, string>, readonly string[]]>([
    ['helm list', {}, [`list releases.helm.sh${inShop}`]],
    ['helm ls -n blue', {}, ['list releases.helm.sh in blue']],
    ['helm list -A', {}, ['list releases.helm.sh in all namespaces']],
    ['helm list -A=false', {}, [`list releases.helm.sh${inShop}`]],
    ['helm status web', {}, [`get releases.helm.sh web${inShop}`]],
    ['helm status web --show-resources', {}, [`get releases.helm.sh web${inShop}`, secrets]],
    ['helm status web -o json', {}, [`get releases.helm.sh web${inShop}`, secrets]],
    ['helm status web -o table', {}, [`get releases.helm.sh web${inShop}`]],
    ['helm history web -o yaml', {}, [`get releases.helm.sh web${inShop}`]],
    ['helm get notes web', {}, [`get releases.helm.sh web${inShop}`]],
    ['helm get metadata web', {}, [`get releases.helm.sh web${inShop}`]],
    ['helm get values web', {}, [`get releases.helm.sh web${inShop}`, secrets]],
    ['helm get manifest web', {}, [`get releases.helm.sh web${inShop}`, secrets]],
    ['helm get hooks web', {}, [`get releases.helm.sh web${inShop}`, secrets]],
    ['helm get all web', {}, [`get releases.helm.sh web${inShop}`, secrets]],
    ['helm install web ./web', chart, [`install releases.helm.sh web${inShop}`]],
    ['helm install web ./web', lookup, [`install releases.helm.sh web${inShop}`, ...systemSecrets]],
    ['helm install web ./web --dry-run=client', lookup, [`install releases.helm.sh web${inShop}`, secrets]],
    ['helm upgrade web ./web', lookup, [`upgrade releases.helm.sh web${inShop}`, ...systemSecrets]],
    ['helm install web ./web --dry-run', chart, [`install releases.helm.sh web${inShop}`, secrets]],
    ['helm install web ./web --dry-run=none', chart, [`install releases.helm.sh web${inShop}`]],
    [
      'helm install web ./web --dry-run=server',
      lookup,
      [`install releases.helm.sh web${inShop}`, secrets, ...systemSecrets],
    ],
    ['helm install web ./web -o json', chart, [`install releases.helm.sh web${inShop}`, secrets]],
    [
      'helm install web ./web --create-namespace -n blue',
      chart,
      ['install releases.helm.sh web in blue', 'create namespaces blue'],
    ],
    ['helm upgrade web ./web', chart, [`upgrade releases.helm.sh web${inShop}`]],
    [
      'helm upgrade web ./web -i',
      chart,
      [`install releases.helm.sh web${inShop}`, `upgrade releases.helm.sh web${inShop}`],
    ],
    ['helm upgrade web ./web --install=false', chart, [`upgrade releases.helm.sh web${inShop}`]],
    ['helm rollback web 2', {}, [`rollback releases.helm.sh web${inShop}`]],
    ['helm rollback web --dry-run', {}, [`rollback releases.helm.sh web${inShop}`]],
    [
      'helm uninstall web api',
      {},
      [`uninstall releases.helm.sh web${inShop}`, `uninstall releases.helm.sh api${inShop}`],
    ],
    ['helm test web', {}, [`test releases.helm.sh web${inShop}`]],
    ['helm test web --logs', {}, [`test releases.helm.sh web${inShop}`, `get pods${inShop}`, `get pods/log${inShop}`]],
    ['helm template ./web', chart, []],
    ['helm template web ./web', chart, []],
    ['helm template ./web --validate', chart, [secrets]],
    ['helm template ./web --dry-run=server', chart, [secrets]],
    ['helm template ./web', lookup, [secrets]],
    ['helm template ./web --dry-run=server', lookup, [secrets, ...systemSecrets]],
    [
      'helm template ./web --validate',
      { ...chart, 'web/templates/t.yaml': '{{ tpl .Values.a . }}' },
      [secrets, ...everySecret],
    ],
    ['helm lint ./web', chart, []],
    ['helm show values ./web', chart, []],
    ['helm version', {}, []],
    ['helm env HELM_NAMESPACE', {}, []],
  ])('%s %#', (line, uploads, attributes) => {
    expect(asked(call(line, uploads))).toEqual(attributes);
  });
});

describe('what a chart looks up', () => {
  const everywhere = (what: string): string[] => [`get ${what} in all namespaces`, `list ${what} in all namespaces`];
  const anything = everywhere('secrets');
  test.each<readonly [template: string, needs: readonly string[]]>([
    ['{{ lookup "v1" "ConfigMap" "shop" "web" }}', ['get configmaps web in shop']],
    ['{{- (lookup `v1` `ConfigMap` `shop` `web`).data | toYaml -}}', ['get configmaps web in shop']],
    [
      '{{ if not (lookup "v1" "ConfigMap" "shop" "") }}a{{ end }}',
      ['get configmaps in shop', 'list configmaps in shop'],
    ],
    ['{{ lookup "v1" "ConfigMap" "" "" }}', everywhere('configmaps')],
    ['{{ lookup "v1" "ConfigMap" .Release.Namespace "web" }}', ['get configmaps web in all namespaces']],
    ['{{ lookup "v1" "ConfigMap" $.Values.where .Values.name }}', everywhere('configmaps')],
    [
      '{{ lookup "v1" "ConfigMap" "shop" (printf "%s-x" .Release.Name) }}',
      ['get configmaps in shop', 'list configmaps in shop'],
    ],
    ['{{ lookup "v1" "ConfigMap" (print "kube" "-system") "web" }}', everywhere('configmaps')],
    ['{{ "web" | lookup "v1" "ConfigMap" "shop" }}', ['get configmaps in shop', 'list configmaps in shop']],
    ['{{ lookup "v1" "Namespace" "" "shop" }}', ['get namespaces shop']],
    ['{{ lookup "example.com/v1" "Widget" "shop" "a" }}', ['get widgets.example.com a in shop']],
    ['{{ lookup "v1" .Values.kind "shop" "a" }}', anything],
    ['{{ lookup (print "v" 1) "ConfigMap" "shop" "a" }}', anything],
    ['{{ lookup "v1" "Config\\x4dap" "shop" "a" }}', anything],
    ['{{ tpl .Values.a . }}', anything],
    // Two in one template, the same one twice.
    [
      '{{ lookup "v1" "ConfigMap" "shop" "a" }}{{ lookup "v1" "Service" "shop" "b" }}{{ lookup "v1" "ConfigMap" "shop" "a" }}',
      ['get configmaps a in shop', 'get services b in shop'],
    ],
    // What only looks like one.
    ['a lookup of {{ .Values.lookup }} {{ include "web.tpl" . }} {{ "lookup" }} {{/* lookup "v1" */}}', []],
    ['{{- /* tpl */ -}} {{ $lookup := 1 }} {{ $.tpl }} # lookup', []],
    // What looks like none.
    ['{{/* a */\t-}}{{ lookup "v1" "ConfigMap" "shop" "a" }}{{/* b */}}', ['get configmaps a in shop']],
    ['{{ "}}" }}{{ "\\"" | quote }}{{lookup "v1" "ConfigMap" "shop" "a"}}', ['get configmaps a in shop']],
    ['{{ `\n"` }}{{ lookup "v1" "ConfigMap" "shop" "a" }}', ['get configmaps a in shop']],
    [`{{ '"' }}{{ lookup "v1" "ConfigMap" "shop" "a" }}`, ['get configmaps a in shop']],
    ['{{ " }}{{ lookup "v1" "ConfigMap" "shop" "a" }}', anything],
    ["{{ '' }}", anything],
    ['{{/* a */ "b" }}', anything],
    ['{{/* lookup', anything],
    ['{{ lookup "v1" "ConfigMap"', anything],
  ])('%s', (template, needs) => {
    const resources = [
      { group: 'example.com', version: 'v1', resource: 'widgets', kind: 'Widget', namespaced: true, shortNames: [] },
    ];
    for (const path of ['web/templates/a.yaml', 'web/templates/b/_c.tpl', 'web/charts/sub/templates/NOTES.txt']) {
      const uploads = {
        ...chart,
        'web/charts/sub/Chart.yaml': 'apiVersion: v2\nname: sub\nversion: 1.0.0\n',
        [path]: template,
      };
      const files = Object.entries(uploads).map(([name, text]) => file(name, text));
      const argv = ['helm', 'install', 'web', './web'];
      const invocation = interpret({ argv, files }, { defaultNamespace: 'shop', resources });
      expect(asked(invocation).slice(1)).toEqual(needs);
    }
  });

  test('a kind that the gateway does not know is refused, with what the operator can do', () => {
    const uploads = { ...chart, 'web/templates/a.yaml': '{{ lookup "acme.example/v1" "Issuer" "shop" "a" }}' };
    expect(refusalOf(() => call('helm install web ./web', uploads))).toMatchObject({
      word: 'Issuer.acme.example/v1',
    });
  });

  test('nothing is looked up outside templates, nor by what renders nothing', () => {
    const uploads = { ...chart, 'web/values.yaml': 'a: \'{{ lookup "v1" "Secret" "" "" }}\'' };
    expect(asked(call('helm install web ./web', uploads))).toEqual(['install releases.helm.sh web in shop']);
    const looking = { ...chart, 'web/templates/a.yaml': '{{ lookup "v1" "Secret" "" "" }}' };
    for (const line of ['helm lint ./web', 'helm show values ./web']) expect(asked(call(line, looking))).toEqual([]);
  });
});

describe('what is new in helm 4', () => {
  const words = (line: string): string => sent(call(line, chart));
  test.each([
    ['helm install web ./web --rollback-on-failure', '--rollback-on-failure=true'],
    ['helm upgrade web ./web --force-replace', '--force-replace=true'],
    ['helm rollback web --force-conflicts', '--force-conflicts=true'],
    ['helm install web ./web --server-side=false', '--server-side=false'],
    ['helm upgrade web ./web --server-side auto', '--server-side=auto'],
    ['helm install web ./web --wait=watcher', '--wait=watcher'],
    ['helm uninstall web --wait=legacy', '--wait=legacy'],
    ['helm install web ./web --wait', '--wait=true'],
    ['helm install web ./web --wait=0', '--wait=false'],
    ['helm install web ./web --dry-run', '--dry-run=client'],
    ['helm upgrade web ./web --dry-run=none', '--dry-run=none'],
    // A boolean in every helm 3, and the same to helm 4.
    ['helm rollback web --dry-run=client', '--dry-run=true'],
    ['helm uninstall web --dry-run', '--dry-run=true'],
  ])('%s', (line, word) => {
    expect(words(line).split(' ')).toContain(word);
  });

  test('what may have to roll back gets half of the time', () => {
    expect(words('helm upgrade web ./web --rollback-on-failure')).toBe(
      words('helm upgrade web ./web --atomic').replace('--atomic', '--rollback-on-failure'),
    );
  });

  test.each([
    ['helm install web ./web --wait=forever', '--wait=forever', /watcher/u],
    ['helm upgrade web ./web --server-side=maybe', '--server-side=maybe', /auto/u],
    ['helm rollback web --dry-run=maybe', '--dry-run=maybe', /one of none/u],
    ['helm install web ./web --wait watcher', 'watcher', /a release and a chart/u],
  ])('%s is refused', (line, word, why) => {
    const found = refusalOf(() => call(line, chart));
    expect(found.word).toBe(word);
    expect(found.why).toMatch(why);
  });
});

describe('what helm is sent', () => {
  test.each<readonly [string, Record<string, string>, string]>([
    ['helm ls', {}, 'helm list --namespace=shop'],
    ['helm list -Aq', {}, 'helm list --all-namespaces=true --short=true --namespace=shop'],
    ['helm status -n blue web', {}, 'helm status --namespace=blue web'],
    [
      'helm upgrade web ./web -i --wait',
      chart,
      'helm upgrade --install=true --wait=true --timeout=300s --namespace=shop web ./web',
    ],
    ['helm install web web/', chart, 'helm install --timeout=300s --namespace=shop web ./web'],
    ['helm install -- web ././web', chart, 'helm install --timeout=300s --namespace=shop web ./web'],
    [
      'helm install web ./web -f prod.yaml',
      values,
      'helm install --values=./prod.yaml --timeout=300s --namespace=shop web ./web',
    ],
    [
      'helm install web ./web --set-file k=key.pem',
      values,
      'helm install --set-file=k=./key.pem --timeout=300s --namespace=shop web ./web',
    ],
    ['helm template ./web -a a,b', chart, 'helm template --api-versions=a --api-versions=b --namespace=shop ./web'],
    ['helm version --short', {}, 'helm version --short=true'],
    // helm reads its global flags from words that are another flag's value when the two stand apart.
    ['helm list --filter --kube-token=x', {}, 'helm list --filter=--kube-token=x --namespace=shop'],
    [
      'helm install web ./web --description --kubeconfig',
      chart,
      'helm install --description=--kubeconfig --timeout=300s --namespace=shop web ./web',
    ],
  ])('%s %#', (line, uploads, words) => {
    expect(sent(call(line, uploads))).toBe(words);
  });

  test('only the files that the command uses', () => {
    const paths = (line: string): string[] => call(line, values).sent.files.map(({ path }) => path);
    expect(paths('helm install web ./web')).toEqual(Object.keys(chart).toSorted());
    expect(paths('helm install web ./web -f prod.yaml')).toEqual(
      expect.arrayContaining(['prod.yaml', ...Object.keys(chart)]),
    );
    expect(paths('helm list')).toEqual([]);
  });

  test('a chart at the root of the uploads as "."', () => {
    const root = Object.fromEntries(Object.entries(chart).map(([path, text]) => [path.slice('web/'.length), text]));
    const invocation = call('helm lint .', root);
    expect(sent(invocation)).toBe('helm lint --namespace=shop .');
    expect(invocation.charts).toEqual([{ path: '.', digest: call('helm lint ./web', chart).charts[0]?.digest }]);
  });

  test('values from stdin, when the request has one and the command reads it', () => {
    const invocation = call('helm install web ./web -f -', chart, 'a: 3');
    expect(sent(invocation)).toContain('--values=- ');
    expect(Buffer.from(invocation.sent.stdin ?? []).toString()).toBe('a: 3');
    expect(refusalOf(() => call('helm install web ./web -f -', chart))).toMatchObject({ word: '-' });
    expect(refusalOf(() => call('helm install web ./web -f - -f -', chart, 'a: 3'))).toMatchObject({ word: '-' });
    expect(refusalOf(() => call('helm list', {}, 'a: 3'))).toMatchObject({ word: 'stdin' });
  });

  test.each([
    ['--set a=b', true],
    ['--set-string a=b', true],
    ['--set-json a={}', true],
    ['--set-literal a=b', true],
    ['--set-file a=key.pem', true],
    ['-f prod.yaml', false],
    ['--wait', false],
    ['--description https://me:hunter2@host', true],
  ])('with %s, words that travel in the context: %s', (flags, secret) => {
    expect(call(`helm install web ./web ${flags.replace('{}', "'{}'")}`, values).sent.secret).toBe(secret);
  });

  test('no wait that outlives the command', () => {
    const within = (line: string, timeoutSeconds?: number): Invocation =>
      interpret({ argv: splitWords(line), files: [], timeoutSeconds }, context);
    const cut = within('helm rollback web --wait --timeout=2h', 600);
    expect(sent(cut)).toContain('--timeout=585s');
    expect(cut.warnings).toEqual([expect.stringContaining('585 s')]);
    expect(sent(within('helm rollback web --timeout=9m', 600))).toContain('--timeout=9m');
    expect(sent(within('helm rollback web', 60))).toContain('--timeout=45s');
    expect(sent(within('helm rollback web', 600))).toContain('--timeout=300s');
    expect(sent(within('helm rollback web --timeout=99h'))).toContain('--timeout=3585s');
    expect(sent(within('helm rollback web --timeout=0s', 60))).toContain('--timeout=45s');
  });

  test('a chart that is rolled back when it fails has half of the time for each', () => {
    const files = Object.entries(chart).map(([path, text]) => ({ path, bytes: new TextEncoder().encode(text) }));
    const within = (line: string, timeoutSeconds: number): Invocation =>
      interpret({ argv: splitWords(line), files, timeoutSeconds }, context);
    expect(sent(within('helm upgrade web ./web --atomic', 300))).toContain('--timeout=150s');
    const cut = within('helm upgrade web ./web --atomic --timeout=5m', 300);
    expect(sent(cut)).toContain('--timeout=150s');
    expect(cut.warnings).toEqual([expect.stringContaining('150 s')]);
  });
});

describe('helm is refused', () => {
  test.each([
    ['helm plugin install x', 'plugin install', /programs/u],
    ['helm plugin list', 'plugin list', /programs/u],
    ['helm repo add x https://x', 'repo add', /elsewhere/u],
    ['helm repo list', 'repo list', /elsewhere/u],
    ['helm registry login x', 'registry login', /elsewhere/u],
    ['helm push x oci://x', 'push', /elsewhere/u],
    ['helm pull x', 'pull', /nobody has seen/u],
    ['helm fetch x', 'pull', /nobody has seen/u],
    ['helm package ./web', 'package', /files/u],
    ['helm search repo x', 'search repo', /elsewhere/u],
    ['helm completion bash', 'completion bash', /terminal/u],
    ['helm dependency update ./web', 'dependency update', /dependency build/u],
    ['helm dep up ./web', 'dependency update', /dependency build/u],
    ['helm create x', 'create', /files/u],
    ['helm verify x.tgz', 'verify', /key ring/u],
    ['helm get', 'get', /what to get/u],
    ['helm show', 'show', /what to show/u],
    ['helm install web', 'install', /a release and a chart/u],
    ['helm install web ./web x', 'x', /a release and a chart/u],
    ['helm status', 'status', /a release/u],
    ['helm list x', 'x', /no name/u],
    ['helm status Web', 'Web', /name/u],
    [`helm status ${'w'.repeat(54)}`, 'w'.repeat(54), /name/u],
    ['helm status web/x', 'web/x', /name/u],
    ["helm status 'web?a=b'", 'web?a=b', /name/u],
    ['helm status -- --kube-token=x', '--kube-token=x', /name/u],
    ['helm rollback web -- -1', '-1', /revision/u],
    ['helm list -n Shop', 'Shop', /namespace/u],
    ["helm list -n ''", '', /namespace/u],
    ['helm status web -o go', '--output=go', /one of/u],
    ['helm env PATH', 'PATH', /variables/u],
    ['helm install web ./web --post-renderer ./x', '--post-renderer', /program/u],
    ['helm install web ./web --enable-dns', '--enable-dns', /carries data out/u],
    ['helm install web ./web -g', './web', /a chart beside/u],
    ['helm template ./web --name-template x', '--name-template', /makes up the name/u],
    ['helm template ./web --dry-run=none', '--dry-run=none', /one of/u],
    ['helm template ./web --dry-run=false', '--dry-run=false', /one of/u],
    ['helm template ./web --output-dir /tmp', '--output-dir', /files/u],
    ['helm install web ./web --repo https://x', '--repo', /nobody has seen/u],
    ['helm install web ./web --dependency-update', '--dependency-update', /nobody has seen/u],
    // Charts and values that were not sent.
    ['helm install web oci://reg/web', 'oci://reg/web', /fetched from elsewhere/u],
    ['helm install web https://x/web-1.tgz', 'https://x/web-1.tgz', /fetched from elsewhere/u],
    ['helm install web file:///etc', 'file:///etc', /fetched from elsewhere/u],
    ['helm install web bitnami/nginx', 'bitnami/nginx', /not fetched/u],
    ['helm install web nginx', 'nginx', /not fetched/u],
    ['helm install web ../web', '../web', /not fetched/u],
    ['helm install web /web', '/web', /not fetched/u],
    ['helm install web web.tgz', 'web.tgz', /not sent/u],
    ['helm install web ./web -f https://x/v.yaml', 'https://x/v.yaml', /not sent/u],
    ['helm install web ./web -f /etc/passwd', '/etc/passwd', /not sent/u],
    ['helm install web ./web -f web/values.yaml,https://x', 'https://x', /not sent/u],
    ['helm install web ./web -f other.yaml', 'other.yaml', /not sent/u],
    ['helm install web ./web --set-file a=/etc/passwd', '/etc/passwd', /not sent/u],
    ['helm install web ./web --set-file a=https://x', '--set-file', /key=path/u],
    ['helm install web ./web --set-file a', '--set-file', /key=path/u],
    ["helm install web ./web --set-file 'a=web/values.yaml\\,b'", '--set-file', /key=path/u],
  ])('%s', (line, word, why) => {
    const found = refusalOf(() => call(line, chart));
    expect(found.word).toBe(word);
    expect(found.why).toMatch(why);
  });
});

describe('a crafted chart is refused', () => {
  const sub = { ...chart, 'web/charts/db/Chart.yaml': 'name: db\nversion: 1\n' };
  const withManifest = (text: string): Record<string, string> => ({ ...chart, 'web/Chart.yaml': text });
  const withSchema = (text: string): Record<string, string> => ({ ...chart, 'web/values.schema.json': text });

  test.each<readonly [string, Record<string, string>, string, RegExp]>([
    ['a packed chart inside', { ...chart, 'web/charts/db-1.tgz': 'x' }, 'web/charts/db-1.tgz', /packed/u],
    [
      'a packed chart deep inside',
      { ...sub, 'web/charts/db/charts/x.TGZ': 'x' },
      'web/charts/db/charts/x.TGZ',
      /packed/u,
    ],
    ['a sub-chart without Chart.yaml', { ...chart, 'web/charts/db/x.yaml': 'x' }, 'web/charts/db/', /no Chart.yaml/u],
    ['no name', withManifest('version: 1\n'), 'web/Chart.yaml', /name/u],
    ['a name that is a path', withManifest('name: ../../x\n'), 'web/Chart.yaml', /name/u],
    ['a name that is a dot', withManifest('name: ".."\n'), 'web/Chart.yaml', /name/u],
    ['two documents', withManifest('name: a\n---\nname: b\n'), 'web/Chart.yaml', /one YAML map/u],
    ['a key twice', withManifest('name: a\nname: b\n'), 'web/Chart.yaml', /twice/u],
    [
      'a dependency of a repository',
      withManifest('name: web\ndependencies: [{name: db, repository: "https://x"}]\n'),
      'web/Chart.yaml',
      /not in charts/u,
    ],
    [
      'a dependency of a folder outside',
      withManifest('name: web\ndependencies: [{name: db, repository: "file://../../db"}]\n'),
      'web/Chart.yaml',
      /not in charts/u,
    ],
    [
      'a dependency without name',
      withManifest('name: web\ndependencies: [{repository: "https://x"}]\n'),
      'web/Chart.yaml',
      /proper name/u,
    ],
    [
      'dependencies in other letters',
      withManifest('name: web\nDependencies: [{name: db}]\n'),
      'web/Chart.yaml',
      /spelt dependencies/u,
    ],
    [
      'dependencies that are not a list',
      withManifest('name: web\ndependencies: {name: db}\n'),
      'web/Chart.yaml',
      /not a list/u,
    ],
    [
      'a dependency in requirements.yaml',
      { ...chart, 'web/requirements.yaml': 'dependencies: [{name: db}]\n' },
      'web/Chart.yaml',
      /not in charts/u,
    ],
    [
      'a dependency of a sub-chart',
      { ...sub, 'web/charts/db/Chart.yaml': 'name: db\ndependencies: [{name: x}]\n' },
      'web/charts/db/Chart.yaml',
      /not in charts/u,
    ],
    ['a schema that reads a device', withSchema('{"$ref":"file:///dev/zero"}'), 'web/values.schema.json', /\$ref/u],
    [
      'a schema that reads a file beside it',
      withSchema('{"properties":{"a":{"$ref":"other.json#/x"}}}'),
      'web/values.schema.json',
      /\$ref/u,
    ],
    [
      'a schema that fetches',
      withSchema('{"anyOf":[{"$dynamicRef":"https://x"}]}'),
      'web/values.schema.json',
      /\$dynamicRef/u,
    ],
    ['a schema of an unknown draft', withSchema('{"$schema":"file:///dev/zero"}'), 'web/values.schema.json', /draft/u],
    ...[
      '{"$id":"file:///dev/zero#x","properties":{"a":{"$ref":"#/y"}}}',
      '{"properties":{"a":{"$id":"file:///dev/zero?","$ref":"#/y"}}}',
      '{"id":"https://x/a?","$ref":"#/y"}',
      '{"$id":"https://x/a/","not":{"$id":"b#c"}}',
      '{"$id":"file:///dev/zero"}',
    ].map((schema): [string, Readonly<Record<string, string>>, string, RegExp] => [
      `a schema with a base that is read: ${schema}`,
      withSchema(schema),
      'web/values.schema.json',
      /calls itself/u,
    ]),
    ['a schema that is not JSON', withSchema('$ref: x'), 'web/values.schema.json', /not JSON/u],
    [
      'a schema in a sub-chart',
      { ...sub, 'web/charts/db/values.schema.json': '{"$ref":"/dev/zero"}' },
      'web/charts/db/values.schema.json',
      /\$ref/u,
    ],
    ['a file too large', { ...chart, 'web/big': 'x'.repeat(5 * 1024 * 1024 + 1) }, 'web/big', /larger/u],
  ])('%s', (_, uploads, word, why) => {
    const found = refusalOf(() => call('helm install web ./web', uploads));
    expect(found.word).toBe(word);
    expect(found.why).toMatch(why);
  });

  test('but a sound one is taken: vendored dependencies, a schema that refers to itself, what helm skips', () => {
    const sound = {
      ...sub,
      'web/Chart.yaml': 'name: web\ndependencies: [{name: db, repository: "https://x", alias: store}]\n',
      'web/values.schema.json':
        '{"$schema":"http://json-schema.org/draft-07/schema#","$id":"https://example.com/web/values.schema.json#","$defs":{"a":{"$id":"#a"}},"$ref":"#/$defs/a","properties":{"$ref":{},"id":{"default":"a b"}},"default":{"id":"a b:c"}}',
      'web/charts/README.md': 'x',
      'web/charts/_ignored/x': 'x',
      'web/.helmignore': 'x',
    };
    expect(call('helm install web ./web', sound).charts).toHaveLength(1);
  });

  test('charts inside charts without end', () => {
    const deep: Record<string, string> = { ...chart };
    for (let depth = 1; depth < 12; depth++) deep[`web/${'charts/d/'.repeat(depth)}Chart.yaml`] = 'name: d\n';
    expect(refusalOf(() => call('helm install web ./web', deep)).why).toMatch(/too many charts|longer/u);
  });

  test('values that are not UTF-8 or too large', () => {
    const run = (bytes: Uint8Array): Invocation =>
      interpret(
        {
          argv: splitWords('helm install web ./web -f v.yaml'),
          files: [...Object.entries(chart).map(([path, text]) => file(path, text)), { path: 'v.yaml', bytes }],
        },
        context,
      );
    expect(refusalOf(() => run(new Uint8Array([0xff]))).why).toMatch(/UTF-8/u);
    expect(refusalOf(() => run(new Uint8Array(1024 * 1024 + 1))).why).toMatch(/larger/u);
  });
});

describe('the digest of a chart', () => {
  const digest = (uploads: Record<string, string>): string | undefined =>
    call('helm lint ./web', uploads).charts[0]?.digest;

  test('is SHA-256 over sorted paths, lengths and contents', () => {
    const hash = createHash('sha256');
    for (const path of ['Chart.yaml', 'templates/cm.yaml', 'values.yaml'] as const) {
      const text = chart[`web/${path}`];
      hash.update(`${path}\0${Buffer.byteLength(text)}\0${text}`);
    }
    expect(digest(chart)).toBe(`sha256:${hash.digest('hex')}`);
  });

  test('does not depend on the order of the uploads or on files outside, and changes with every byte and name', () => {
    const reversed = Object.fromEntries(Object.entries(chart).toReversed());
    expect(digest(reversed)).toBe(digest(chart));
    expect(digest({ ...chart, 'other.yaml': 'x' })).toBe(digest(chart));
    const others = [
      { ...chart, 'web/values.yaml': 'a: 2\n' },
      { ...chart, 'web/templates/x': '' },
      { ...chart, 'web/values.yaml': 'a: 1', 'web/values.yaml2': '\n' },
    ].map(digest);
    expect(new Set([digest(chart), ...others]).size).toBe(4);
  });
});

test('what records keep of a command has no secret in it', () => {
  const { argv } = call('helm install web ./web --set db.password=hunter2 --set image=1', chart);
  expect(argv.join(' ')).toBe('helm install web ./web --set db.password=[redacted] --set image=[redacted]');
});

test('flags that not every helm has are warned about', () => {
  expect(call('helm install web ./web --take-ownership', chart).warnings).toEqual([
    expect.stringContaining('--take-ownership is known to helm 3.'),
  ]);
  expect(call('helm list --all').warnings).toEqual([expect.stringContaining('not known to helm 4.')]);
});
