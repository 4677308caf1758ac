import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { usesStandIn } from '../../infra/local/pod.ts';
import type { ClusterHealthOutput, ProblemDocument } from '../../shared/http/schemas.ts';
import { people, testStack, type TestStack } from '../support/stack.ts';

type Body = ClusterHealthOutput & Partial<Omit<ProblemDocument, 'status'>>;

const tenant = '11111111-1111-4111-8111-111111111111';
const ana = people.user;
const ben = '88888888-8888-4888-8888-888888888888';
const nameOf = (oid: string): string => `aksgw:${tenant}:${oid}`;
const plenty = (yaml: string): string => yaml.replace('submitsPerMinute: 30', 'submitsPerMinute: 400');
// The stand-in for kubectl does not impersonate, and says so.
const testWithKubectl = usesStandIn({}) ? test.skip : test;

describe('a cluster with impersonate: true', () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await testStack({
      jobs: false,
      edit: (yaml) =>
        plenty(yaml)
          .replace('    defaultNamespace: shop', '    impersonate: true\n    defaultNamespace: shop')
          .replace(
            '    auditor:\n',
            `    reader-of-pods:
      allow: [{ verbs: [get, list], resources: [pods], namespaces: [shop] }]
    auditor:\n`,
          )
          .replace(
            '  bindings:\n',
            `  bindings:
    - { role: reader-of-pods, clusters: [demo], subjects: [{ user: ${ana} }, { user: ${ben} }] }\n`,
          ),
    });
  });
  afterAll(() => stack.close());
  beforeEach(() => {
    stack.azure.kubernetes.requests.length = 0;
    delete stack.azure.kubernetes.allow;
  });

  const look = async (headers: Record<string, string> = {}, query = '?namespace=shop') =>
    (await stack.request<Body>('GET', `/v1/clusters/demo/health${query}`, { token: stack.tokens.bot, headers })).body;
  const behind = async (oid: string) => ({
    'requester-token': `Bearer ${await stack.azure.entra.userToken({ oid, azp: people.bot, scp: 'Commands.Request' })}`,
  });
  const asked = () => new Set(stack.azure.kubernetes.requests.map(({ impersonate }) => impersonate?.user));

  testWithKubectl(
    "is asked every read in the caller's name; what its RBAC forbids the caller is not allowed",
    async () => {
      stack.azure.kubernetes.allow = ({ impersonate, resource }) =>
        impersonate?.user === nameOf(people.bot) && resource !== 'pods';
      const { status, parts } = await look({}, '');
      expect(asked()).toEqual(new Set([nameOf(people.bot)]));
      expect([status, parts['pods']?.status]).toEqual(['not-allowed', 'not-allowed']);
      expect(parts['workloads']?.status).toBe('ok');
      expect(stack.azure.arm.posts).toHaveLength(1);
    },
  );

  testWithKubectl('shows two people behind one bot what each may see, and neither what the other saw', async () => {
    const before = stack.azure.arm.posts.length;
    stack.azure.kubernetes.allow = ({ impersonate }) => impersonate?.user !== nameOf(ben);
    expect((await look(await behind(ana))).parts['pods']).toMatchObject({
      checks: { pods: { status: 'ok' } },
      total: 4,
    });
    expect((await look(await behind(ben))).parts['pods']).toMatchObject({
      checks: { pods: { status: 'not-allowed' } },
      total: 0,
    });
    expect(asked()).toEqual(new Set([nameOf(ana), nameOf(ben)]));
    expect(stack.azure.arm.posts.length - before).toBe(2);
  });
});

describe('a cluster with runAs: caller', () => {
  let stack: TestStack;
  beforeAll(async () => {
    process.env['AKSGW_TEST_OBO'] = 'emulated-gateway-secret';
    stack = await testStack({
      aad: true,
      jobs: false,
      edit: (yaml) =>
        plenty(yaml)
          .replace(
            '  credential:',
            '  onBehalfOf: { clientId: 22222222-2222-4222-8222-222222222222, secretEnv: AKSGW_TEST_OBO }\n  credential:',
          )
          .replace('    defaultNamespace: shop', '    runAs: caller\n    defaultNamespace: shop'),
    });
  });
  afterAll(async () => {
    delete process.env['AKSGW_TEST_OBO'];
    await stack.close();
  });

  const look = (token: string) => stack.request<Body>('GET', '/v1/clusters/demo/health?namespace=shop', { token });

  test("goes out with the user's own token", async () => {
    const { status, body } = await look(stack.tokens.user);
    expect([status, body.parts['pods']?.checks['pods']?.status]).toEqual([200, 'ok']);
    expect(stack.azure.arm.posts).toEqual([expect.objectContaining({ clusterToken: true, started: true })]);
    expect(stack.azure.entra.requests.filter(({ grant }) => grant?.includes('jwt-bearer'))).not.toEqual([]);
  });

  test('starts nothing for an application, which has none', async () => {
    const before = stack.azure.arm.posts.length;
    expect((await look(stack.tokens.bot)).body.code).toBe('user-required');
    expect(stack.azure.arm.posts).toHaveLength(before);
  });
});
