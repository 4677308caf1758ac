import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { people, testStack, type TestStack } from '../support/stack.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await testStack({
    edit: (yaml) =>
      yaml.replace(
        '    defaultNamespace: shop\n',
        '    defaultNamespace: shop\n    frozen: INC-77 is being looked into\n',
      ),
  });
}, 60_000);
afterAll(() => stack.close());

describe('a caller\u2019s standing', () => {
  test('is told: who it is, and its roles by cluster', async () => {
    const { status, body } = await stack.request<Record<string, unknown>>('GET', '/v1/whoami');
    expect(status).toBe(200);
    expect(body).toEqual({
      principal: expect.objectContaining({
        kind: 'user',
        oid: people.user,
        groups: [people.team],
        scopes: ['Commands.Run'],
      }),
      roles: [{ cluster: 'demo', roles: ['shop-deployer'] }],
      unknown: [],
    });
  });

  test('is told rule by rule, with what to know beside it', async () => {
    const { status, body } = await stack.request<{ items: Record<string, unknown>[]; warnings: string[] }>(
      'GET',
      '/v1/clusters/demo/access',
    );
    expect(status).toBe(200);
    expect(body.items.length).toBeGreaterThan(0);
    expect(body.items[0]).toMatchObject({
      role: 'shop-deployer',
      effect: 'allow',
      rule: 'allow[0]',
      namespaces: ['shop'],
    });
    expect(body.warnings).toEqual([expect.stringContaining('INC-77')]);
  });

  test('is nobody\u2019s on a cluster that it may not see', async () => {
    const stranger = await stack.azure.entra.userToken({ oid: 'abababab-0000-4000-8000-000000000001' });
    expect((await stack.request('GET', '/v1/clusters/demo/access', { token: stranger })).body.code).toBe(
      'cluster-not-found',
    );
    expect((await stack.request<{ roles: unknown[] }>('GET', '/v1/whoami', { token: stranger })).body.roles).toEqual(
      [],
    );
  });

  test('counts with the groups that are known, and a word about those that are not', async () => {
    const token = await stack.azure.entra.userToken({ oid: people.user, groups: [people.team, 'CONTOSO\\ops'] });
    const ran = await stack.command({ command: 'kubectl get pods -n shop' }, { token });
    expect(ran).toMatchObject({ status: 200, body: { status: 'completed' } });
    expect(ran.body.warnings).toEqual([expect.stringContaining('does not list all your groups')]);
    expect((await stack.request<{ unknown: string[] }>('GET', '/v1/whoami', { token })).body.unknown).toHaveLength(1);
  });
});

describe('a frozen cluster', () => {
  test('takes reads, and nothing else, from anyone; explain says so too', async () => {
    expect((await stack.command({ command: 'kubectl get pods -n shop' })).status).toBe(200);
    const posts = stack.azure.arm.posts.length;
    const change = { command: 'kubectl rollout restart deployment/web -n shop' };
    for (const answer of [await stack.command(change), await stack.explain(change)]) {
      expect(answer).toMatchObject({ status: 403, body: { code: 'cluster-frozen' } });
      expect(answer.body.detail).toContain('INC-77');
    }
    expect(stack.azure.arm.posts.length).toBe(posts);
  });

  test('auth can-i says so as well, of what would be allowed', async () => {
    const ask = async (what: string) => {
      const { exitCode, stdout } = (await stack.command({ command: `kubectl auth can-i ${what}` })).body;
      return [exitCode, stdout];
    };
    expect(await ask('get pods')).toEqual([0, 'yes\n']);
    expect(await ask('patch deployments.apps')).toEqual([
      1,
      'no - Cluster demo is frozen: INC-77 is being looked into\n',
    ]);
  });
});
