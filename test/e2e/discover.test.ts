import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { KubeObject } from '../../infra/local/kubernetes/json.ts';
import { testStack, type TestStack } from '../support/stack.ts';

const ADMIN = 'cccccccc-0000-4000-8000-000000000001';
const STARRED = 'cccccccc-0000-4000-8000-000000000002';

const definition = (plural: string, kind: string, scope: string, shortNames: string[]): KubeObject => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.example.com` },
  spec: {
    group: 'example.com',
    scope,
    names: { plural, singular: kind.toLowerCase(), kind, shortNames },
    versions: [{ name: 'v1', served: true, storage: true }],
  },
});

let stack: TestStack;
const tokens = { admin: '', starred: '' };
let config = '';
beforeAll(async () => {
  stack = await testStack({
    edit: (yaml) => {
      config = yaml
        .replace('submitsPerMinute: 30', 'submitsPerMinute: 1000')
        .replace(/\n( {4})defaultNamespace: shop\n/u, '\n$1defaultNamespace: shop\n$1resources: discover\n')
        .replace(
          '\n  roles:\n',
          `$&    widgets: { allow: [{ verbs: ['*'], resources: [widgets.example.com], namespaces: [shop] }] }\n    starred: { allow: [{ verbs: ['*'], resources: ['*'], namespaces: ['*'] }] }\n`,
        )
        .replace(
          '\n  bindings:\n',
          `$&    - { role: widgets, clusters: [demo], subjects: [{ app: ${ADMIN} }] }\n    - { role: starred, clusters: [demo], subjects: [{ app: ${STARRED} }] }\n`,
        );
      return config;
    },
  });
  for (const [name, oid] of [
    ['admin', ADMIN],
    ['starred', STARRED],
  ] as const)
    tokens[name] = await stack.azure.entra.appToken({ oid, roles: ['Commands.Run'] });
  stack.azure.kubernetes.put(definition('widgets', 'Widget', 'Namespaced', ['wd', 'deploy']));
}, 60_000);
afterAll(() => stack.close());

/** Longer than a pod takes on a busy machine. */
const LOOKS = 600;

interface Detail {
  readonly resources: { readonly discovered: null | { readonly items: readonly { readonly name: string }[] } };
}
const detail = async () => (await stack.request<Detail>('GET', '/v1/clusters/demo', { token: tokens.admin })).body;

/** What a sweep begins no sweep waits for. */
async function untilDiscovered(): Promise<Detail> {
  for (let look = 0; look < LOOKS; look++) {
    const body = await detail();
    if (body.resources.discovered) return body;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('nothing was discovered');
}

describe('resources: discover', () => {
  test('reads the definitions once, as a command of the gateway’s own, and lets them be asked for by who may by name', async () => {
    if (stack.azure.kubectl !== 'installed') {
      process.stderr.write('skipped: there is no kubectl on this machine\n');
      return;
    }
    const ask = (command: string, token: string) => stack.explain({ command }, { token });
    expect((await detail()).resources.discovered).toBeNull();
    expect((await ask('kubectl get widgets', tokens.admin)).body.code).toBe('command-refused');

    const posts = stack.azure.arm.posts.length;
    await stack.gateway.sweep();
    const { resources } = await untilDiscovered();
    expect(resources.discovered?.items).toContainEqual({
      name: 'widgets.example.com',
      kind: 'Widget',
      version: 'v1',
      namespaced: true,
      shortNames: ['wd', 'deploy'],
    });
    await stack.gateway.sweep();
    expect(stack.azure.arm.posts.length).toBe(posts + 1);
    const events = await stack.request<{ items: { event: string; principal?: { oid: string } }[] }>(
      'GET',
      '/v1/audit/events?principal=gateway&limit=50',
      { token: stack.tokens.auditor },
    );
    expect(JSON.stringify(events.body)).toContain('read the definitions of custom resources');

    const named = await ask('kubectl get wd', tokens.admin);
    expect(named.body).toMatchObject({
      allowed: true,
      command: "'kubectl' 'get' 'widgets.v1.example.com' '--namespace=shop'",
    });
    // A short name of Kubernetes' own is Kubernetes' own.
    expect((await ask('kubectl get deploy', tokens.starred)).body.command).toContain('deployments.v1.apps');
    // What * means was written before anybody knew of it.
    expect((await ask('kubectl get widgets', tokens.starred)).body).toMatchObject({ allowed: false });
    expect((await ask('kubectl get pods', tokens.starred)).body).toMatchObject({ allowed: true });
  });
});
