import { afterAll, beforeAll, expect } from '@jest/globals';
import { CLUSTER_ID } from '../../infra/local/stack.ts';
import { testStack, type Answer, type TestStack } from '../support/stack.ts';

// Attacks through the shell, the parsers, kubectl and helm, each as a caller would send it: over HTTP, to a gateway that runs. What
// is refused is refused to a caller whom policy forbids nothing, so that it is the refusal that stops it.

export const tenant = '11111111-1111-4111-8111-111111111111';
export const almighty = 'aaaaaaaa-0000-4000-8000-000000000001';
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
export const NAMED_ID = CLUSTER_ID.replace('aks-demo', 'aks-named');

export let stack: TestStack;
export const tokens = {
  almighty: '',
  unprivileged: '',
  keeper: '',
  accounted: '',
  starred: '',
  viewer: '',
  deployer: '',
};
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

export type Files = Readonly<Record<string, string>>;
/** Words parted by single blanks, or the words themselves. */
type Line = string | readonly string[];

interface Sent {
  readonly files?: Files | undefined;
  readonly stdin?: string | undefined;
  readonly reason?: string | undefined;
  readonly as?: Who | undefined;
}

export const body = (line: Line, { files, stdin, reason }: Sent) => ({
  argv: typeof line === 'string' ? line.split(' ') : line,
  ...(files && { files: Object.entries(files).map(([path, content]) => ({ path, content })) }),
  ...(stdin !== undefined && { stdin }),
  ...(reason !== undefined && { reason }),
});

/** What the problem documents of these tests hold besides their standard members. */
type Extended = Answer<Answer['body'] & { word?: string; why?: string; reason?: string; rule?: unknown }>;

/** POSTs what must not run, checks that Azure saw nothing of it, and that explain says the same. */
export async function stopped(sent: Record<string, unknown>, as: Who): Promise<Extended> {
  const before = stack.azure.arm.posts.length;
  const answer = (await stack.command(sent, { token: tokens[as] })) as Extended;
  expect(stack.azure.arm.posts.length).toBe(before);
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  return answer;
}

export async function expectRefused(line: Line, word: string, sent: Sent = {}): Promise<void> {
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

export async function expectDenied(line: Line, about: string, sent: Sent & { readonly as: Who }): Promise<void> {
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

export async function explain(line: Line, sent: Sent = {}): Promise<Explained> {
  const { status, text } = await stack.explain(body(line, sent), { token: tokens[sent.as ?? 'almighty'] });
  expect([status, text]).toEqual([200, expect.any(String)]);
  return JSON.parse(text) as Explained;
}

/** The control of a table: the same without what is refused is allowed, and would be sent. */
export async function expectAllowed(line: Line, sent: Sent = {}): Promise<void> {
  expect((await explain(line, sent)).allowed).toBe(true);
}

export const asked = ({ attributes }: Explained): string[] =>
  attributes.map(
    ({ verb, group, resource, subresource, namespace, name }) =>
      `${verb} ${resource}${group && '.'}${group}${subresource && '/'}${subresource} ${namespace}/${name}`,
  );

export const object = (value: object): string => JSON.stringify(value);
export const list = (...items: object[]): object => ({ apiVersion: 'v1', kind: 'List', items });
export const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { a: '1' } };
export const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'password' }, stringData: { a: '1' } };
export const pod = (spec: object): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
});
export const template = (spec: object) => ({
  metadata: { labels: { app: 'p' } },
  spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
});
export const deployment = (spec: object): object => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'p' },
  spec: { selector: { matchLabels: { app: 'p' } }, template: template(spec) },
});
export const chart: Files = {
  'web/Chart.yaml': 'apiVersion: v2\nname: web\nversion: 1.0.0\n',
  'web/values.yaml': 'a: 1\n',
  'web/templates/settings.yaml': 'kind: ConfigMap\napiVersion: v1\nmetadata: {name: settings}\n',
};

/** A flag with a value in every spelling that kubectl and helm read alike: behind the command and before it. */
export const spellings = (tool: string, command: string, flag: string, value: string): [string[], string][] => {
  const words = command.split(' ');
  return [
    [[tool, ...words, `${flag}=${value}`], flag],
    [[tool, ...words, flag, value], flag],
    [[tool, `${flag}=${value}`, ...words], flag],
    [[tool, flag, value, ...words], flag],
  ];
};
