import { describe, expect, test } from '@jest/globals';
import { usesStandIn } from '../../infra/local/pod.ts';
import { type Files, NAMED_ID, almighty, body, chart, explain, stack, tenant, tokens } from './support.ts';
import type { Answer } from '../support/stack.ts';

// A cluster on which each command runs in its caller's name.

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
