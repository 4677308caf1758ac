import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main } from '../../shared/client/main.ts';
import type { KubeObject } from '../../infra/local/kubernetes/json.ts';
import { systemClock } from '../../shared/clock.ts';
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

/** The gateway's clock is ahead of the machine's by this. */
let ahead = 0;
const clock = {
  ...systemClock,
  now: () => systemClock.now() + ahead,
  monotonic: () => systemClock.monotonic() + ahead,
};

let stack: TestStack;
const tokens = { admin: '', starred: '' };
let config = '';
beforeAll(async () => {
  stack = await testStack({
    clock,
    gateway: { clock },
    jobs: false,
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

/** More than there are from the sweep's end until its command is carried. */
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
    await stack.gateway.runJobs(60_000); // until what it carries has ended
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

    // The same offline, by what was recorded or by asking the gateway that runs.
    const aksgw = async (...argv: string[]) => {
      let out = '';
      const take = { write: (text: string | Uint8Array) => (out += Buffer.from(text as string).toString()) };
      const env = { AKSGW_URL: stack.url, AKSGW_TOKEN: tokens.admin, AKSGW_CONFIG: stack.config };
      const stdin = (async function* () {})();
      const code = await main(argv, { env, stdin, stdout: take, stderr: take, cwd: () => stack.folder });
      return { code, out };
    };
    const recorded = join(stack.folder, 'demo.json');
    writeFileSync(recorded, (await aksgw('-o', 'json', 'clusters', 'demo')).out);
    expect((await aksgw('clusters', 'demo')).out).toMatch(/^widgets\.example\.com +Widget +yes +wd,deploy +cluster$/m);
    const commands = ['kubectl get wd', 'kubectl get widgets -A', 'kubectl delete Widget/x', 'kubectl get gadgets'];
    const told: string[] = [];
    for (const place of [recorded, stack.url])
      for (const oid of [ADMIN, STARRED])
        for (const command of commands) {
          const online = (await ask(command, oid === ADMIN ? tokens.admin : tokens.starred)).body;
          const words = ['--cluster', 'demo', '--app', oid, '--discovered', place, '--', ...command.split(' ')];
          const offline = await aksgw('policy', 'explain', ...words);
          const verdict = online.code === 'command-refused' ? 'refuse' : online.allowed ? 'allow' : 'deny';
          expect([command, offline.out]).toEqual([command, expect.stringMatching(`^${verdict}: `)]);
          if (typeof online.command === 'string') expect(offline.out).toContain(`sent: ${online.command}\n`);
          told.push(verdict);
        }
    expect(told.slice(0, told.length / 2).join(' ')).toBe('allow deny allow refuse deny deny deny refuse');
  });

  test('a kind that has got another scope since it was read is not run by the old one, whatever the verb; it is read again, and disputed', async () => {
    if (stack.azure.kubectl !== 'installed') {
      process.stderr.write('skipped: there is no kubectl on this machine\n');
      return;
    }
    const { kubernetes } = stack.azure;
    const run = async (command: string) =>
      (
        await stack.request<{ status: string; exitCode: number; stdout: string; stderr: string; code?: string }>(
          'POST',
          '/v1/clusters/demo/commands',
          { token: tokens.admin, body: { command }, headers: { prefer: 'wait=100' } },
        )
      ).body;
    const widget = (namespace: string): KubeObject => ({
      apiVersion: 'example.com/v1',
      kind: 'Widget',
      metadata: { name: 'one', namespace },
      spec: { whose: namespace === '' ? 'everybody' : namespace },
    });
    kubernetes.put(widget('shop'));
    expect(await run('kubectl get widgets one -o jsonpath={.spec.whose}')).toMatchObject({
      exitCode: 0,
      stdout: 'shop',
    });

    // Deleted and made again, as belonging to the whole cluster: kubectl would ignore the namespace.
    kubernetes.remove('CustomResourceDefinition', '', 'widgets.example.com');
    kubernetes.put(definition('widgets', 'Widget', 'Cluster', ['wd']));
    kubernetes.put(widget(''));
    for (const verb of [
      'get widgets one -o yaml',
      'get wd -o name',
      'delete widgets one',
      'label wd one a=b',
      "patch widgets one --type=merge -p '{}'",
      'delete wd --all',
    ])
      expect([verb, await run(`kubectl ${verb}`)]).toEqual([
        verb,
        expect.objectContaining({
          exitCode: 78,
          stdout: '',
          stderr: expect.stringContaining(
            'does not say that widgets.example.com is namespaced, as policy took it to be',
          ),
        }),
      ]);
    expect(kubernetes.requests.filter(({ info }) => info.resource === 'widgets' && info.namespace === '')).toEqual([]);

    ahead += 11 * 60_000;
    for (let look = 0; look < LOOKS; look++) {
      await stack.gateway.sweep();
      const again = await stack.explain({ command: 'kubectl get widgets one' }, { token: tokens.admin });
      if (again.body.code === 'command-refused') return expect(again.body.why).toContain('another scope');
      ahead += 61_000;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('it was not read again');
  }, 120_000);
});
