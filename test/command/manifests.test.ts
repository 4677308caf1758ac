import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { readBlockYaml } from '../../shared/command/yaml-block.ts';
import { readDocuments } from '../../shared/command/yaml.ts';
import { noPods } from '../../shared/command/pod-security/findings.ts';
import { asked, call, refusal, sentFile } from './calls.ts';

const apply = (text: string, command = 'apply -f x.yaml'): ReturnType<typeof call> =>
  call(`kubectl ${command}`, { 'x.yaml': text });

/** The one object that is sent for a text. */
const read = (text: string): unknown => JSON.parse(sentFile(apply(text), 'x.yaml') ?? 'null');
/** The data of a config map, as it is sent. */
const data = (yaml: string): unknown =>
  (read(`apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n${yaml}`) as { data: unknown }).data;

const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } };
const configMapYaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n';

const pod = (spec: string, kind = 'Pod', apiVersion = 'v1'): string =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: a}\nspec: ${spec}\n`;

/** Lines of which texts are put together: plain ones, and such as are almost plain. */
const yamlLines = [
  'a: 1',
  'b:',
  'c: x y',
  '  d: z',
  '  - e',
  '- f',
  '- g: 1',
  '  h: 2',
  '    i: 3',
  '  j: |',
  '    text',
  '',
  '      more',
  '   odd',
  '# c',
  '  # c',
  'k: "q"',
  "l: 'it''s'",
  'm: [a, b]',
  'n: {o: p}',
  'q: a # c',
  'r: a#c',
  's: >',
  't: - x',
  'u: a: b',
  '---',
  '--- # x',
  '- - x',
  '-   v: 1',
  '    w: 2',
  'x: |-',
  'x2: |+',
  ' ',
  '    ',
  'y: 1',
  '"z": 1',
  '0x10: a',
  'aa: "\\u00e9\\n"',
  'bb: [a, {c: d}]',
  'cc: "a',
  '  b"',
  'dd: [a,',
  '  b]',
  'ee: &x 1',
  'ff: *x',
  '- ',
  '-',
  '  -',
  '  - h: |',
  '      lit',
  '    lit2',
  'gg: ~',
  'hh: 0644',
  'ii: [1:2, a:b]',
  'jj: {a:b}',
  'kk: {"a":1}',
  'll: {a: b, a: c}',
  'mm: []',
  'nn: {}',
  'oo: -',
  'pp: -x',
  'qq: ?x',
  'rr: %a',
  'ss: "x" y',
  'tt: |  ',
  'uu: [a, b] # c',
  'vv: - 1',
  'ww: a:',
  'xx: [ a , b ]',
  'yy: { a: 1 , b: [ ] }',
  'zz: .5',
  'a1: 1e3',
  'a2: [.inf]',
  'a3: \u00e9',
  '\ufeffa4: b',
  'a5: b\r',
  '  a6: {}',
  '      - a7: b',
  'a8: "a" # c',
  'a9:   spaced   ',
  'b1: |\n\n  x\n\n\n',
  'b2: a\u2028b',
  'b3: \u{1f600}',
  '- |',
  '  lit',
  '- "q"',
  '-  # c',
  'b4: # c',
  '  b5: 1',
  'b6: [a b]',
  'b7: [a, ]',
  'b8: [,]',
  'b9: {a}',
  'c1: goes',
  '  on here',
  '  on with  #no comment  ',
  '  on "quoted"',
  '  [on]',
  '  \u00a0on',
  '  - on',
  '  on: on',
  '  on #c',
  '  on:',
  "c2: 'goes  ",
  "  it''s on'",
  "  on' # c'",
  "  on' x",
  'c3: "goes \\"',
  '  on\\n" # c"',
  '  on \\',
  '  \\ on"',
  '  on\\ ',
  '  on\\\\ ',
  'c5: "\\ a\\\\ b"',
  '- goes',
  "- 'goes",
  '- c4: "goes',
];

describe('YAML is read as kubectl reads it', () => {
  test.each<[yaml: string, value: unknown]>([
    ['0644', 420],
    ['0o644', 420],
    ['0x1F', 31],
    ['0b101', 5],
    ['-0b11', -3],
    ['1_000', 1000],
    ['08', 8],
    ['1e3', 1000],
    ['.5', 0.5],
    ['1.', 1],
    ['+12', 12],
    ['on', true],
    ['Yes', true],
    ['y', true],
    ['n', false],
    ['OFF', false],
    ['~', null],
    ['', null],
    ['Null', null],
    ['nULL', 'nULL'],
    ['1:30', '1:30'],
    ['190:20:30', '190:20:30'],
    ['2024-01-02', '2024-01-02'],
    ['2024-01-02T03:04:05Z', '2024-01-02T03:04:05Z'],
    ['0x', '0x'],
    ['1e', '1e'],
    ['1.2.3', '1.2.3'],
    ['"0644"', '0644'],
    ["'on'", 'on'],
    ['!!str 0644', '0644'],
    ['|\n    a\n    b', 'a\nb\n'],
    ['>-\n    a\n    b', 'a b'],
    ['[a, {b: c}]', ['a', { b: 'c' }]],
  ])('%j', (yaml, value) => {
    expect(data(`  x: ${yaml}\n`)).toEqual({ x: value });
  });

  test('64-bit integers are exact', () => {
    const sent = sentFile(
      apply(pod('{a: 9007199254740993, b: 18446744073709551615, c: -9223372036854775808}')),
      'x.yaml',
    );
    expect(sent).toContain('"spec":{"a":9007199254740993,"b":18446744073709551615,"c":-9223372036854775808}');
  });

  test('what is written reads the same as JSON and as YAML', () => {
    const text = 'a\u007fb\u0085c\u2028d\ufeffe😀';
    // Raw, a next line and a line separator would break the line for kubectl (YAML 1.1) and are refused.
    const escaped = JSON.stringify({ text }).replaceAll(
      /[\u007f-\ufeff]/gu,
      (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    const sent = sentFile(apply(`${pod(escaped)}---\n${pod('{}')}`), 'x.yaml') ?? '';
    for (const odd of ['\u0085', '\u2028', '\u2029', '\ufeff']) {
      expect(refusal(() => apply(pod(`"a${odd}b"`)))).toMatchObject({ word: 'x.yaml' });
    }
    expect(sent).toMatch(/^---\n\{[\x20-\x7e😀]+\}\n---\n\{[\x20-\x7e]+\}\n$/u);
    expect(JSON.parse(sent.split('\n')[1] ?? '')).toMatchObject({ spec: { text } });
  });

  // What kubectl makes of each is in test/conformance/kubectl-yaml.test.ts; two readers see two objects.
  test.each([
    ['a key that is a float', '{-9e6: v}'],
    ['a key that is written as a float', '{1e3: v}'],
    ['a key beyond 64 bits', '{18446744073709551616: v}'],
    ['a colon before a comma', '{a: [b:, c]}'],
    ['a question mark before text', '{?a: 1}'],
    ['a question mark in a list', '{a: [?b]}'],
    ['spaces below an explicit indentation', '\n  a: |3\n      b\n    \n'],
    ['content beside a marker', '{}\n--- {}'],
  ])('%s is refused', (_name, spec) => {
    expect(refusal(() => apply(pod(spec)))).toMatchObject({ word: 'x.yaml' });
  });

  test('a no-break space is a character of its word', () => {
    expect(sentFile(apply(pod('\n  text: null\u00a0')), 'x.yaml')).toContain('"text":"null\u00a0"');
  });

  test('a key __proto__ of JSON is a key like others', () => {
    const text = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"__proto__":{"hostNetwork":true}}}';
    expect(sentFile(apply(text), 'x.yaml')).toContain('"__proto__":{"hostNetwork":true}');
    expect(apply(text).podSecurity.beyondBaseline).toEqual(['hostNetwork']);
  });

  test('a large text that only the general reader takes is refused, the plain one is read', () => {
    const large = (line: string): string =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n${line.repeat(20_000)}`;
    let index = 0;
    const lines = (value: string): string => large('@').replaceAll('@', () => `  key-${index++}: ${value}\n`);
    expect(asked(apply(lines('some plain text of a config map')))).toHaveLength(3);
    expect(refusal(() => apply(lines('!!str some plain text of a map')))).toMatchObject({ word: 'x.yaml' });
  });

  const forms = {
    JSON: (count: number) => JSON.stringify({ ...configMap, data: { list: Array(count).fill(1) } }),
    'block YAML': (count: number) => `${configMapYaml}data:\n  list:\n${'  - 1\n'.repeat(count)}`,
    'flow YAML': (count: number) => `${configMapYaml}data:\n  list: [${'1, '.repeat(count - 1)}1]\n`,
    'documents of YAML': (count: number) => '---\n'.repeat(count) + configMapYaml,
  };
  test.each(Object.entries(forms))('so many values may be sent at once, as %s', (_form, text) => {
    const files = { 'x.yaml': text(60_000), 'y.yaml': text(60_000).replace('name: a', 'name: b') };
    expect(refusal(() => call('kubectl apply -f x.yaml -f y.yaml', files))).toMatchObject({ word: 'y.yaml' });
  });

  test('a manifest of 90,000 lines is read', () => {
    expect(asked(apply(forms['block YAML'](90_000)))).toHaveLength(3);
  });

  test('a definition as large as they come is read: Go breaks its texts after 80 characters', () => {
    const texts = [
      'text that goes on beside',
      "'text: that goes on beside",
      '"text\\t that goes on beside',
      'it isn\'t a "quoted" text',
    ];
    const ends = ['what it began', "what isn''t'", 'what is \\"it\\""', 'at its beginning'];
    const property = (at: number): string =>
      `  p${at}:\n    description: ${texts[at % 4]}\n      ${ends[at % 4]}\n    type: string\n`;
    const large = `${configMapYaml}spec:\n${Array.from({ length: 20_000 }, (_, at) => property(at)).join('')}`;
    expect(large.length).toBeGreaterThan(1_700_000);
    const { spec } = read(large) as { readonly spec: Readonly<Record<string, { readonly description: string }>> };
    expect([0, 1, 2, 3].map((at) => spec[`p${at}`]?.description)).toEqual([
      'text that goes on beside what it began',
      "text: that goes on beside what isn't",
      'text\t that goes on beside what is "it"',
      'it isn\'t a "quoted" text at its beginning',
    ]);
  });

  test('the plain reader and the general one read the same', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...yamlLines), { minLength: 1, maxLength: 9 }), (lines) => {
        const text = lines.join('\n');
        const plain = readBlockYaml(text);
        if (plain === undefined) return;
        expect(JSON.stringify(plain)).toBe(JSON.stringify(readDocuments('x', text)));
      }),
      { numRuns: 5000 },
    );
  });

  test('keys that are not text get their text', () => {
    expect(data('  1: a\n  on: b\n  1.5: c\n')).toEqual({ 1: 'a', true: 'b', '1.5': 'c' });
  });

  test('a key __proto__ is a key like others', () => {
    expect(sentFile(apply(pod('{__proto__: {hostNetwork: true}}')), 'x.yaml')).toContain(
      '"__proto__":{"hostNetwork":true}',
    );
  });

  test('anchors, aliases and merge keys are resolved, a namespace in one too', () => {
    const text = `apiVersion: v1
kind: ConfigMap
base: &b {namespace: team, labels: {a: b}}
metadata: {<<: *b, name: a, labels: {own: yes}}
`;
    expect(asked(apply(text))[0]).toBe('get configmaps a in team');
    expect(read(text)).toMatchObject({ metadata: { namespace: 'team', name: 'a', labels: { own: true } } });
  });

  test('a key before << that the base has too is refused: kubectl takes that of the base', () => {
    const text = (metadata: string): string =>
      `apiVersion: v1\nkind: ConfigMap\nbase: &b {name: other}\nmetadata: ${metadata}\n`;
    expect(refusal(() => apply(text('{name: a, <<: *b}')))).toMatchObject({ word: 'x.yaml' });
    expect(refusal(() => apply(text('{name: a, <<: [{c: d}, *b]}')))).toMatchObject({ word: 'x.yaml' });
    expect(asked(apply(text('{<<: *b, name: a}')))[0]).toBe('get configmaps a in shop');
    expect(asked(apply(text('{namespace: team, <<: *b}')))[0]).toBe('get configmaps other in team');
  });

  test('an anchor that is set again counts from there on', () => {
    expect(data('  a: &x 1\n  b: *x\n  c: &x 2\n  d: *x\n')).toEqual({ a: 1, b: 1, c: 2, d: 2 });
  });

  test('documents, empty ones left out; lists within lists', () => {
    const text = `---
# nothing
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMapList, items: [{metadata: {name: a}}, {metadata: {name: b}}]}
- {apiVersion: v1, kind: Secret, metadata: {name: c, namespace: team}}
---
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "d"}}
...
`;
    expect(asked(apply(text, 'create -f x.yaml'))).toEqual([
      'create configmaps a in shop',
      'create configmaps b in shop',
      'create secrets c in team',
      'create services d in shop',
    ]);
  });

  test('JSON with escapes, numbers and several documents', () => {
    const one =
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"\\u00e9\\n\\"","y":12345678901234567890}}';
    const sent = sentFile(apply(`${one}\n${one.replace('"a"', '"b"')}`), 'x.yaml');
    expect(sent).toContain('"data":{"x":"é\\n\\"","y":12345678901234567890}');
    expect(asked(apply(`${one}\n---\n${one.replace('"a"', '"b"')}`, 'create -f x.yaml'))).toHaveLength(2);
  });

  test.each<[text: string, why: string]>([
    ['a: 1\na: 2', 'twice'],
    ['{"a":1,"a":2}', 'twice'],
    ['{"a":1,"\\u0061":2}', 'twice'],
    ['1: a\n"1": b', 'twice'],
    ['a: 1\n...\nb: 2', '...'],
    ['%YAML 1.2\n---\na: 1', 'directive'],
    ['a: !foo 1', '!foo'],
    ['a: !!binary aGk=', 'binary'],
    ['a: !!set {b}', 'set'],
    ['a: *gone', 'gone'],
    ['a: &x [*x]', 'nested'],
    ['a: .inf', 'JSON'],
    ['? [a]\n: b', 'key'],
    ['a: [', 'line'],
    ['\ta: 1', 'line'],
    [`a: ${'['.repeat(200)}${']'.repeat(200)}`, 'nested'],
    [`{"a":${'['.repeat(200)}${']'.repeat(200)}}`, 'nested'],
    [`{"a":${'['.repeat(100_000)}`, 'nested'],
    [
      'a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]',
      'aliases',
    ],
    ['a: "\\ud800"', 'surrogate'],
    ['{"a": "\\ud800"}', 'surrogate'],
    ['just text', 'not a Kubernetes object'],
    ['kind: Pod', 'apiVersion'],
    ['apiVersion: v1\nkind: Pod', 'metadata'],
    ['apiVersion: v1\nkind: Pod\nmetadata: {}', 'name'],
    ['apiVersion: v1\nkind: Pod\nmetadata: {name: 5}', 'name'],
    ['apiVersion: v1\nkind: Pod\nmetadata: {name: A_b}', 'name'],
    ['apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}', 'created'],
    ['apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: "x y"}', 'namespace'],
    ['apiVersion: v1\nkind: Pods\nmetadata: {name: a}', 'not a kind'],
    ['apiVersion: v9\nkind: Pod\nmetadata: {name: a}', 'not a kind'],
    ['apiVersion: evil.example/v1\nkind: Thing\nmetadata: {name: a}', 'not a kind'],
    ['# nothing', 'no object'],
    ['apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nitems: []', '"items"'],
    ['apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nitems: null', '"items"'],
    ['apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\nitems: {a: b}', '"items"'],
    ['apiVersion: example.com/v1\nkind: RuleList\nmetadata: {name: a}\nitems: []', '"items"'],
    ['{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"Items":[]}', 'Items'],
    ['{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"item\u017f":[]}', 'spelt items'],
    ['{"apiVersion":"v1","kind":"Pod","Kind":"Secret","metadata":{"name":"a"}}', 'spelt kind'],
    ['{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","Namespace":"b"}}', 'spelt namespace'],
    ['apiVersion: v1\nkind: List\nitems: {a: b}', 'not a list'],
    ['apiVersion: v1\nkind: List', 'not a kind'],
    ['apiVersion: v1\nkind: PodList\nitems: [{apiVersion: v1, metadata: {name: a}}]', 'no apiVersion or kind'],
    ['base: &b {items: []}\n<<: *b\napiVersion: v1\nkind: Pod\nmetadata: {name: a}', '"items"'],
  ])('%j is refused', (text, why) => {
    expect(refusal(() => apply(text))).toMatchObject({ detail: expect.stringContaining(why) });
  });

  test('what is not UTF-8 is refused', () => {
    expect(refusal(() => call('kubectl apply -f x.yaml', { 'x.yaml': 'a: \0' }))).toMatchObject({ word: 'x.yaml' });
  });
});

describe('namespaces', () => {
  test('an object of another namespace than -n says is refused, as kubectl does', () => {
    expect(
      refusal(() => apply('apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b}', 'apply -f x.yaml -n c')),
    ).toMatchObject({ word: 'x.yaml' });
  });

  test('what is cluster-scoped has no namespace, whatever it says', () => {
    const invocation = apply('apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: b}');
    expect(asked(invocation)[0]).toBe('get namespaces a');
    expect(sentFile(invocation, 'x.yaml')).not.toContain('"namespace"');
  });

  test('-f goes out without -n, since every object has its own', () => {
    expect(apply(pod('{}')).sent.words).toEqual([
      'kubectl',
      'apply',
      '--filename=x.yaml',
      '--field-manager=kubectl-client-side-apply',
      '--validate=strict',
    ]);
  });
});

describe('what writing an object needs beyond its own verb', () => {
  const rbac = 'apiVersion: rbac.authorization.k8s.io/v1\n';
  test.each<[text: string, needs: string[]]>([
    [
      `${rbac}kind: RoleBinding\nmetadata: {name: a}\nroleRef: {kind: ClusterRole, name: admin}`,
      ['bind clusterroles.rbac.authorization.k8s.io admin in shop'],
    ],
    [
      `${rbac}kind: RoleBinding\nmetadata: {name: a}\nroleRef: {kind: Role, name: deployer}`,
      ['bind roles.rbac.authorization.k8s.io deployer in shop'],
    ],
    [
      `${rbac}kind: ClusterRoleBinding\nmetadata: {name: a}\nroleRef: {kind: ClusterRole, name: system:node}`,
      ['bind clusterroles.rbac.authorization.k8s.io system:node'],
    ],
    [
      `${rbac}kind: Role\nmetadata: {name: a}\nrules: [{verbs: [get]}]`,
      ['escalate roles.rbac.authorization.k8s.io a in shop'],
    ],
    [
      `${rbac}kind: ClusterRole\nmetadata: {name: a}\naggregationRule: {clusterRoleSelectors: []}`,
      ['escalate clusterroles.rbac.authorization.k8s.io a'],
    ],
    [`${rbac}kind: Role\nmetadata: {name: a}\nrules: []`, ['escalate roles.rbac.authorization.k8s.io a in shop']],
    [
      `${rbac}kind: ClusterRole\nmetadata: {name: a, labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}`,
      ['escalate clusterroles.rbac.authorization.k8s.io a'],
    ],
    [
      'apiVersion: v1\nkind: Secret\nmetadata: {name: sh.helm.release.v1.web.v1}\ntype: helm.sh/release.v1',
      ['install releases.helm.sh web in shop', 'upgrade releases.helm.sh web in shop'],
    ],
    [
      'apiVersion: v1\nkind: Secret\nmetadata: {name: a, labels: {owner: helm, name: web}}\ndata: {release: eA==}',
      ['install releases.helm.sh in shop', 'upgrade releases.helm.sh in shop'],
    ],
    [
      'apiVersion: v1\nkind: Secret\nmetadata: {name: a, annotations: {kubernetes.io/service-account.name: admin}}',
      ['create serviceaccounts/token admin in shop'],
    ],
    [
      `apiVersion: v1\nkind: Secret\nmetadata: {name: a, annotations: {kubernetes.io/service-account.name: admin}}\ntype: kubernetes.io/service-account-token`,
      ['create serviceaccounts/token admin in shop'],
    ],
    [
      `${rbac}kind: ClusterRole\nmetadata: {name: a, labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}`,
      ['escalate clusterroles.rbac.authorization.k8s.io a'],
    ],
  ])('%j', (text, needs) => {
    const verbs = new Set(['get', 'create', 'patch']);
    const beyond = apply(text).attributes.filter(({ verb, subresource }) => !verbs.has(verb) || subresource !== '');
    expect(asked({ ...apply(text), attributes: beyond })).toEqual(needs);
  });

  test('a binding without a role is refused', () => {
    expect(refusal(() => apply(`${rbac}kind: RoleBinding\nmetadata: {name: a}`))).toMatchObject({
      word: 'RoleBinding a',
    });
  });
});

describe('what is beyond the Pod Security Standards', () => {
  const container = (text: string): string => `{containers: [{name: a, image: b, ${text}}]}`;
  const security = (text: string): string => container(`securityContext: {${text}}`);
  const dangerous: [spec: string, because: string][] = [
    ['{hostNetwork: true}', 'hostNetwork'],
    ['{hostPID: yes}', 'hostPID'],
    ['{hostIPC: true}', 'hostIPC'],
    ['{volumes: [{name: a, hostPath: {path: /}}]}', 'hostPath'],
    ['{volumes: [{name: a, flexVolume: {driver: a/b}}]}', 'a flexVolume'],
    ['{volumes: [{name: a, gitRepo: {repository: a}}]}', 'a gitRepo volume'],
    [security('privileged: true'), 'a privileged container'],
    [security('capabilities: {add: [NET_ADMIN]}'), 'added capabilities'],
    [security('capabilities: {add: [CHOWN, SYS_ADMIN]}'), 'added capabilities'],
    [security('procMount: Unmasked'), 'procMount'],
    [security('seccompProfile: {type: Unconfined}'), 'an unconfined seccomp profile'],
    [security('appArmorProfile: {type: Unconfined}'), 'an unconfined AppArmor profile'],
    [security('seLinuxOptions: {type: spc_t}'), 'SELinux options'],
    [security('seLinuxOptions: {user: system_u}'), 'SELinux options'],
    ['{securityContext: {seLinuxOptions: {role: sysadm_r}}}', 'SELinux options'],
    [container('ports: [{containerPort: 80, hostPort: 80}]'), 'hostPort'],
    [container('livenessProbe: {httpGet: {host: 10.0.0.1, port: 80}}'), 'a probe or hook of another host'],
    [security('windowsOptions: {hostProcess: true}'), 'a Windows host process'],
    ['{initContainers: [{name: a, securityContext: {privileged: true}}]}', 'a privileged container'],
    ['{ephemeralContainers: [{name: a, securityContext: {privileged: true}}]}', 'a privileged container'],
    ['{securityContext: {sysctls: [{name: kernel.msgmax, value: b}]}}', 'sysctls'],
  ];

  test.each(dangerous)('a pod with %s is beyond the baseline', (spec, because) => {
    expect(apply(pod(spec)).podSecurity.beyondBaseline).toEqual([because]);
  });

  test.each([
    ['apps/v1', 'Deployment', (spec: string) => `{template: {spec: ${spec}}}`],
    ['apps/v1', 'ReplicaSet', (spec: string) => `{template: {spec: ${spec}}}`],
    ['apps/v1', 'StatefulSet', (spec: string) => `{template: {spec: ${spec}}}`],
    ['apps/v1', 'DaemonSet', (spec: string) => `{template: {spec: ${spec}}}`],
    ['v1', 'ReplicationController', (spec: string) => `{template: {spec: ${spec}}}`],
    ['batch/v1', 'Job', (spec: string) => `{template: {spec: ${spec}}}`],
    ['batch/v1', 'CronJob', (spec: string) => `{jobTemplate: {spec: {template: {spec: ${spec}}}}}`],
    ['example.com/v1', 'Widget', (spec: string) => `{template: {spec: ${spec}}}`],
  ])('%s %s with any of them', (apiVersion, kind, wrap) => {
    for (const [spec, because] of dangerous) {
      expect(apply(pod(wrap(spec), kind, apiVersion)).podSecurity.beyondBaseline).toEqual([because]);
    }
  });

  test('a pod template, and volumes on a node', () => {
    const template = 'apiVersion: v1\nkind: PodTemplate\nmetadata: {name: a}\ntemplate: {spec: {hostNetwork: true}}';
    expect(apply(template).podSecurity.beyondBaseline).toEqual(['hostNetwork']);
    for (const source of ['hostPath', 'local', 'flexVolume']) {
      const { beyondBaseline } = apply(pod(`{${source}: {path: /}}`, 'PersistentVolume')).podSecurity;
      expect(beyondBaseline).toEqual([`a volume of kind ${source}`]);
    }
    expect(apply(pod('{csi: {driver: disk.csi.azure.com}}', 'PersistentVolume')).podSecurity).toEqual(noPods);
  });

  test('what is left alone, switched off or usual is within the baseline', () => {
    for (const spec of [
      '{hostNetwork: false, hostPID: null, serviceAccountName: default, volumes: []}',
      security('privileged: false, allowPrivilegeEscalation: true, capabilities: {drop: [ALL], add: []}'),
      security('capabilities: {add: [NET_BIND_SERVICE, CHOWN]}'),
      security('seccompProfile: {type: RuntimeDefault}, procMount: Default'),
      security('seLinuxOptions: {type: container_t, level: "s0:c1"}'),
      '{securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies, value: "1"}]}}',
      container('ports: [{containerPort: 80, hostPort: 0}]'),
      container('readinessProbe: {httpGet: {path: /, port: 80}}'),
    ]) {
      expect(apply(pod(spec)).podSecurity).toMatchObject({ beyondBaseline: [], serviceAccounts: [] });
    }
    const config =
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {hostNetwork: "true", privileged: "true"}';
    expect(apply(config).podSecurity).toEqual(noPods);
  });

  test.each([
    ['{serviceAccountName: admin}', ['admin']],
    ['{serviceAccount: admin}', ['admin']],
    ['{serviceAccountName: default}', []],
    ['{serviceAccountName: ""}', []],
    ['{serviceAccount: {name: admin, create: true}}', ['admin']],
    ['{serviceAccountName: [admin]}', ['']],
  ])('a pod with %s names the accounts %j', (spec, accounts) => {
    expect(apply(pod(`{template: {spec: ${spec}}}`, 'Deployment', 'apps/v1')).podSecurity).toMatchObject({
      beyondBaseline: [],
      serviceAccounts: accounts,
    });
  });

  const good = `allowPrivilegeEscalation: false, runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}, capabilities: {drop: [ALL]}`;
  test.each<[spec: string, because: string[]]>([
    [security(good), []],
    [
      `{securityContext: {runAsNonRoot: true, seccompProfile: {type: Localhost}}, containers: [{name: a, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}}]}`,
      [],
    ],
    ['{hostUsers: true, os: {name: windows}, securityContext: {runAsNonRoot: true}, containers: [{name: a}]}', []],
    [
      '{containers: [{name: a}]}',
      [
        'no runAsNonRoot: true',
        'no allowPrivilegeEscalation: false',
        'no seccompProfile of type RuntimeDefault or Localhost',
        'capabilities other than NET_BIND_SERVICE: drop [ALL]',
      ],
    ],
    [
      security(good).replace('}]}', '}], initContainers: [{name: b}]}'),
      expect.arrayContaining(['no runAsNonRoot: true']),
    ],
    [security(`${good}, runAsUser: 0`), ['runAsUser: 0']],
    [security(good.replace('[ALL]', '[ALL], add: [CHOWN]')), ['capabilities other than NET_BIND_SERVICE: drop [ALL]']],
    [security(good).replace('}]}', '}], volumes: [{name: v, nfs: {path: /}}]}'), ['a volume of kind nfs']],
    ['{securityContext: {runAsNonRoot: true}}', ['a part of a pod without the rest, by which it could be judged']],
  ] as never)('a Deployment of %s is beyond restricted by %j', (spec, because) => {
    const { beyondRestricted } = apply(pod(`{template: {spec: ${spec}}}`, 'Deployment', 'apps/v1')).podSecurity;
    expect(beyondRestricted).toEqual(because);
  });

  // The API server drops keys that it does not know from a patch; from a manifest with --validate=false.
  test.each([
    `{containers: [], template: {spec: {containers: [{name: a}]}}}`,
    `{containers: [{name: a, securityContext: {${good}}}], template: {spec: {containers: [{name: a}]}}}`,
    `{containers: [{name: a, securityContext: {${good}}}], template: {spec: {initContainers: [{name: a}]}}}`,
    `{containers: [{name: a, securityContext: {${good}}}], template: {spec: {securityContext: {runAsUser: 0}}}}`,
    `{containers: [{name: a, securityContext: {${good}}}], template: {spec: {containers: [{name: a, securityContext: {${good}}}], securityContext: null}}}`,
    `{containers: [{name: a, securityContext: {${good}}}], template: {spec: {$patch: replace}}}`,
    `{template: {spec: {containers: []}}}`,
  ])('a pod that is not where pods stand hides none that is: %s', (spec) => {
    const patch = (text: string) =>
      call(`kubectl patch deployment web -p 'spec: ${text}'`).podSecurity.beyondRestricted;
    expect(patch(spec)).not.toEqual([]);
    expect(patch(`{template: {spec: ${security(good)}}}`)).toEqual([]);
  });
});

describe('files of -f', () => {
  const files = {
    'k/a.yaml': pod('{}'),
    'k/b.json': '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"b"}}',
    'k/c.txt': 'no',
    'k/d/e.yml': pod('{}'),
  };

  test('a folder, with and without -R, comma lists, each file once', () => {
    const words = (command: string): string[] =>
      call(`kubectl create ${command}`, files).sent.words.filter((word) => word.startsWith('--filename'));
    expect(words('-f k')).toEqual(['--filename=k/a.yaml', '--filename=k/b.json']);
    expect(words('-f ./k/ -R')).toEqual(['--filename=k/a.yaml', '--filename=k/b.json', '--filename=k/d/e.yml']);
    expect(words('-f k/a.yaml,k/d/e.yml -f k/a.yaml')).toEqual(['--filename=k/a.yaml', '--filename=k/d/e.yml']);
  });

  test('only files that are used are sent', () => {
    expect(call('kubectl create -f k/a.yaml', files).sent.files.map(({ path }) => path)).toEqual(['k/a.yaml']);
  });

  test('stdin is read, and written again by the gateway', () => {
    const { sent } = call('kubectl apply -f -', {}, pod('{a: 010}'));
    expect(sent.words).toContain('--filename=-');
    expect(new TextDecoder().decode(sent.stdin)).toContain('"spec":{"a":8}');
  });

  test.each([
    ['apply -f - -f -', '-f -'],
    ['apply -f k pods', 'pods'],
    ['delete -f k --all', '--all'],
    ['get -f k -A', '--all-namespaces'],
    ['apply -f gone', 'gone'],
    ['apply -f k/c.txt', 'k/c.txt'],
  ])('kubectl %s is refused', (command, word) => {
    expect(refusal(() => call(`kubectl ${command}`, files, pod('{}')))).toMatchObject({ word });
  });
});
