import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { connect } from 'node:net';
import { startKubernetes, type EmulatedKubernetes } from '../../infra/local/kubernetes/server.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { createRunner, installedKubectls, type Ran } from './real-kubectl.ts';

const clock = createManualClock();
let kubernetes: EmulatedKubernetes;
let kubectl: (path: string, args: readonly string[], input?: string) => Promise<Ran>;

beforeAll(async () => {
  kubernetes = await startKubernetes({ clock });
  const run = createRunner(kubernetes.kubeconfig());
  kubectl = (path, args, input) => run([path], args, input);
});
beforeEach(() => kubernetes.reset());
afterAll(() => kubernetes.close());

type Body = Record<string, unknown>;
async function api(
  method: string,
  path: string,
  body?: unknown,
  type = 'application/json',
  accept = 'application/json',
) {
  const answer = await fetch(kubernetes.url + path, {
    method,
    headers: { 'content-type': type, accept },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: (text.startsWith('{') ? JSON.parse(text) : { text }) as Body };
}
const shop = '/api/v1/namespaces/shop';
const web = '/apis/apps/v1/namespaces/shop/deployments/web';
const pods = async (): Promise<string[]> => {
  const { body } = await api('GET', `${shop}/pods?labelSelector=app%3Dweb`);
  return (body['items'] as { metadata: { name: string } }[]).map(({ metadata }) => metadata.name);
};
const seen = () =>
  kubernetes.requests.map(({ verb, group, resource, subresource, namespace, name }) =>
    [verb, group, `${resource}${subresource && `/${subresource}`}`, namespace, name].join(' '),
  );

describe('the API', () => {
  test('records who asked what, what came of it, dry runs and impersonation', async () => {
    await fetch(`${kubernetes.url}/api/v1/pods`, {
      headers: { 'user-agent': 'me', 'impersonate-user': 'ada', 'impersonate-group': 'g1' },
    });
    await api('POST', `${shop}/configmaps?dryRun=All`, { metadata: { name: 'x' } });
    await api('DELETE', `${shop}/configmaps/web-config`, { dryRun: ['All'] });
    await api('GET', '/version');
    expect(kubernetes.requests).toMatchObject([
      {
        verb: 'list',
        resource: 'pods',
        namespace: '*',
        userAgent: 'me',
        impersonate: { user: 'ada', groups: ['g1'] },
        status: 200,
      },
      { verb: 'create', resource: 'configmaps', namespace: 'shop', dryRun: true, status: 201 },
      { verb: 'delete', name: 'web-config', dryRun: true, status: 200 },
    ]);
    expect(kubernetes.nonResource).toEqual([{ verb: 'get', path: '/version' }]);
    expect(kubernetes.find('ConfigMap', 'shop', 'x')).toBeUndefined();
    expect(kubernetes.find('ConfigMap', 'shop', 'web-config')).toBeDefined();
  });

  test('outlives clients that are gone before a refused upgrade is answered', async () => {
    const { port } = new URL(kubernetes.url);
    const ask = `GET ${shop}/pods/gone/exec?command=ls HTTP/1.1\r\nhost: k\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`;
    const leave = (): Promise<void> =>
      new Promise((resolve) => {
        const socket = connect(Number(port), '127.0.0.1', () => socket.write(ask, () => socket.resetAndDestroy()));
        socket.once('close', () => resolve()).on('error', () => undefined);
      });
    await Promise.all(Array.from({ length: 20 }, leave));
    expect((await api('GET', '/version')).status).toBe(200);
    expect(kubernetes.requests.some(({ subresource, status }) => subresource === 'exec' && status === 501)).toBe(true);
  });

  test('answers 403 in Kubernetes’ words to what it is told to refuse, and lets auth can-i know', async () => {
    kubernetes.allow = ({ verb }) => verb !== 'delete';
    const { status, body } = await api('DELETE', web);
    expect(status).toBe(403);
    expect(body['message']).toBe(
      'deployments.apps "web" is forbidden: User "system:serviceaccount:aks-command:default" cannot delete resource "deployments" in API group "apps" in the namespace "shop"',
    );
    const review = {
      spec: { resourceAttributes: { verb: 'delete', group: 'apps', resource: 'deployments', namespace: 'shop' } },
    };
    const asked = await api('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', review);
    delete kubernetes.allow;
    expect(asked.body).toMatchObject({ status: { allowed: false } });
    expect(kubernetes.find('Deployment', 'shop', 'web')).toBeDefined();
  });

  test.each([
    ['GET', `${shop}/pods/nope`, undefined, 404, 'pods "nope" not found'],
    ['GET', '/apis/nope/v1/things', undefined, 404, 'the server could not find the requested resource'],
    ['POST', '/api/v1/namespaces/nope/configmaps', { metadata: { name: 'x' } }, 404, 'namespaces "nope" not found'],
    ['POST', `${shop}/configmaps`, { metadata: { name: 'web-config' } }, 409, 'configmaps "web-config" already exists'],
    ['POST', `${shop}/configmaps`, { metadata: { name: 'X Y' } }, 422, /is invalid: metadata\.name/],
    [
      'POST',
      `${shop}/configmaps`,
      { metadata: { name: 'x', namespace: 'other' } },
      400,
      /does not match the namespace/,
    ],
    ['POST', `${shop}/configmaps`, '{', 400, /cannot be read/],
    [
      'POST',
      '/apis/apps/v1/namespaces/shop/deployments',
      { metadata: { name: 'x' } },
      422,
      /spec\.selector: Required value/,
    ],
    ['PUT', web, { metadata: { name: 'web', resourceVersion: '1' }, spec: {} }, 422, /Required/],
    ['GET', `${shop}/pods?labelSelector=((`, undefined, 400, /unable to parse/],
    ['POST', `${shop}/pods/x/exec`, undefined, 404, 'pods "x" not found'],
  ])('%s %s with %j is refused with %i', async (method, path, body, status, message) => {
    const answer = await api(method, path, body);
    expect(answer.status).toBe(status);
    expect(answer.body['message']).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
    expect(answer.body).toMatchObject({ kind: 'Status', status: 'Failure', code: status });
  });

  test('refuses an update made from an older version of the object', async () => {
    const { body } = await api('GET', `${shop}/configmaps/web-config`);
    expect(
      (await api('PATCH', `${shop}/configmaps/web-config`, { data: { a: '1' } }, 'application/merge-patch+json'))
        .status,
    ).toBe(200);
    expect((await api('PUT', `${shop}/configmaps/web-config`, body)).status).toBe(409);
  });

  test('pages, selects, and prints tables', async () => {
    const first = await api('GET', `${shop}/pods?limit=3`);
    const { continue: next, remainingItemCount } = first.body['metadata'] as {
      continue: string;
      remainingItemCount: number;
    };
    expect([(first.body['items'] as unknown[]).length, remainingItemCount]).toEqual([3, 1]);
    const second = await api('GET', `${shop}/pods?limit=3&continue=${next}`);
    expect((second.body['items'] as unknown[]).length).toBe(1);
    const chosen = await api(
      'GET',
      '/api/v1/pods?fieldSelector=metadata.namespace%3Dshop&labelSelector=app%20in%20(web)',
    );
    expect((chosen.body['items'] as unknown[]).length).toBe(2);
    const table = await api(
      'GET',
      '/api/v1/nodes',
      undefined,
      'application/json',
      'application/json;as=Table;v=v1;g=meta.k8s.io',
    );
    expect(table.body).toMatchObject({
      kind: 'Table',
      rows: [{ cells: expect.arrayContaining(['Ready', '34d', 'v1.35.2']) }, {}],
    });
  });

  /** The first events of a watch, as `ADDED name`. */
  async function watched(query: string, count: number, meanwhile: () => Promise<unknown>): Promise<string[]> {
    const abort = new AbortController();
    const { signal } = abort;
    const answer = await fetch(`${kubernetes.url}${shop}/configmaps?watch=true&${query}`, { signal });
    await meanwhile();
    const events: string[] = [];
    const reader = (answer.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
    while (events.length < count) {
      const { value = '' } = await reader.read();
      for (const line of value.split('\n').filter(Boolean)) {
        const { type, object } = JSON.parse(line) as { type: string; object: { metadata: Record<string, unknown> } };
        events.push(
          `${type} ${String(object.metadata['name'])} ${JSON.stringify(object.metadata['annotations'] ?? {})}`,
        );
      }
    }
    abort.abort();
    return events.map((text) => text.replace(/ +\{\}$/u, ''));
  }

  test('streams a watch from a version on: what came since, then what comes', async () => {
    const version = ((await api('GET', `${shop}/configmaps`)).body['metadata'] as { resourceVersion: string })
      .resourceVersion;
    await api('POST', `${shop}/configmaps`, { metadata: { name: 'first' } });
    const events = await watched(`resourceVersion=${version}`, 2, async () => {
      await api('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'elsewhere' } });
      await api('DELETE', `${shop}/configmaps/first`);
    });
    expect(events).toEqual(['ADDED first', 'DELETED first']);
  });

  test('streams a list: what there is, a bookmark, then what comes', async () => {
    await api('POST', `${shop}/configmaps`, { metadata: { name: 'first' } });
    const query =
      'fieldSelector=metadata.name%3Dfirst&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
    const events = await watched(query, 3, () => api('DELETE', `${shop}/configmaps/first`));
    expect(events).toEqual(['ADDED first', 'BOOKMARK  {"k8s.io/initial-events-end":"true"}', 'DELETED first']);
  });

  test.each([
    [
      'merge',
      'application/merge-patch+json',
      { spec: { template: { spec: { containers: [{ name: 'web', image: 'w:2' }] } } } },
      [{ name: 'web', image: 'w:2' }],
    ],
    [
      'strategic',
      'application/strategic-merge-patch+json',
      { spec: { template: { spec: { containers: [{ name: 'web', image: 'w:2' }] } } } },
      [expect.objectContaining({ image: 'w:2', ports: [expect.anything()] })],
    ],
    [
      'strategic, adding',
      'application/strategic-merge-patch+json',
      {
        spec: {
          template: {
            spec: {
              containers: [{ name: 'side', image: 's' }],
              '$setElementOrder/containers': [{ name: 'side' }, { name: 'web' }],
            },
          },
        },
      },
      [{ name: 'side', image: 's' }, expect.objectContaining({ name: 'web' })],
    ],
    [
      'strategic, deleting',
      'application/strategic-merge-patch+json',
      {
        spec: {
          template: {
            spec: {
              containers: [
                { name: 'web', $patch: 'delete' },
                { name: 'x', image: 'y' },
              ],
            },
          },
        },
      },
      [{ name: 'x', image: 'y' }],
    ],
    [
      'JSON',
      'application/json-patch+json',
      [
        { op: 'replace', path: '/spec/template/spec/containers/0/image', value: 'w:2' },
        { op: 'remove', path: '/spec/template/spec/containers/0/ports' },
      ],
      [expect.objectContaining({ image: 'w:2' })],
    ],
    [
      'server-side apply',
      'application/apply-patch+yaml',
      'spec: {template: {spec: {containers: [{name: web, image: "w:2"}]}}}\nmetadata: {name: web}',
      [expect.objectContaining({ image: 'w:2', ports: [expect.anything()] })],
    ],
  ])('patches: %s', async (_, type, patch, containers) => {
    const { status, body } = await api('PATCH', `${web}?fieldManager=t`, patch, type);
    expect(status).toBe(200);
    expect(body).toMatchObject({ spec: { template: { spec: { containers } } } });
  });

  test.each([
    [[{ op: 'test', path: '/spec/replicas', value: 9 }], 422],
    [[{ op: 'replace', path: '/spec/nope/x', value: 9 }], 422],
    [[{ op: 'frob', path: '/spec' }], 400],
    [{ no: 'list' }, 400],
  ])('refuses the JSON patch %j', async (patch, status) => {
    expect((await api('PATCH', web, patch, 'application/json-patch+json')).status).toBe(status);
  });

  test('does what controllers do: rolls a deployment over, keeps its old replica set, makes up for pods that are deleted, and cleans up', async () => {
    const before = await pods();
    await api(
      'PATCH',
      web,
      { spec: { template: { metadata: { annotations: { a: 'b' } } } } },
      'application/merge-patch+json',
    );
    const after = await pods();
    expect(after).toHaveLength(2);
    expect(after.filter((name) => before.includes(name))).toEqual([]);
    expect(kubernetes.find('Deployment', 'shop', 'web')).toMatchObject({
      metadata: { generation: 2, annotations: { 'deployment.kubernetes.io/revision': '2' } },
      status: { observedGeneration: 2, readyReplicas: 2 },
    });
    await api('DELETE', `${shop}/pods/${after[0] ?? ''}`);
    expect(await pods()).toHaveLength(2);
    await api('PATCH', `${web}/scale`, { spec: { replicas: 0 } }, 'application/merge-patch+json');
    expect(await pods()).toEqual([]);
    await api('DELETE', web);
    expect(
      (await api('GET', '/apis/apps/v1/namespaces/shop/replicasets?labelSelector=app%3Dweb')).body[
        'items'
      ] as unknown[],
    ).toEqual([]);
    await api('DELETE', '/api/v1/namespaces/shop');
    expect((await api('GET', `${shop}/secrets`)).body['items'] as unknown[]).toEqual([]);
  });

  test('is as it was at first after a reset', async () => {
    const before = (await api('GET', '/api/v1/pods')).body;
    await api('DELETE', '/api/v1/namespaces/shop');
    kubernetes.reset();
    expect(kubernetes.requests).toEqual([]);
    expect((await api('GET', '/api/v1/pods')).body).toEqual(before);
  });

  test('knows a custom kind once its definition is there', async () => {
    const names = { plural: 'widgets', singular: 'widget', kind: 'Widget', shortNames: ['wd'] };
    const versions = [{ name: 'v1', served: true, storage: true }];
    await api('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
      metadata: { name: 'widgets.example.com' },
      spec: { group: 'example.com', scope: 'Namespaced', names, versions },
    });
    expect(
      (
        await api('POST', '/apis/example.com/v1/namespaces/shop/widgets', {
          apiVersion: 'example.com/v1',
          kind: 'Widget',
          metadata: { name: 'w' },
        })
      ).status,
    ).toBe(201);
    expect((await api('GET', '/apis/example.com/v1')).body).toMatchObject({
      resources: [{ name: 'widgets', shortNames: ['wd'], namespaced: true }],
    });
  });
});

const manifest = (image: string) =>
  `
apiVersion: v1
kind: ConfigMap
metadata: {name: extra, namespace: shop}
data: {mode: 0644}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec: {containers: [{name: cart, image: "${image}"}]}
`.replace('0644', '"0644"');

const installed = installedKubectls();
const newest = installed.at(-1);
const ifInstalled = newest ? describe : describe.skip;

ifInstalled('the real kubectl', () => {
  test.each(installed)('$name reads, applies, creates, rolls out and deletes', async ({ path }) => {
    const run = async (words: string, input?: string) => {
      const { code, out, err } = await kubectl(path, words.split(' '), input);
      return code === 0 ? out : `${code}: ${err}`;
    };
    expect(await run('get pods -n shop')).toMatch(
      /^NAME +READY +STATUS +RESTARTS +AGE\napi-\S+ +1\/1 +Running +0 +9d\n/,
    );
    expect(await run('apply -f -', manifest('cart:1'))).toBe('configmap/extra created\ndeployment.apps/cart created\n');
    expect(await run('apply -f -', manifest('cart:2'))).toBe(
      'configmap/extra unchanged\ndeployment.apps/cart configured\n',
    );
    // From 1.32 on this body is protobuf.
    expect(await run('create configmap made --from-literal=a=b -n shop')).toBe('configmap/made created\n');
    expect(kubernetes.find('ConfigMap', 'shop', 'made')).toMatchObject({ data: { a: 'b' } });
    expect(await run('rollout status deploy/cart -n shop --timeout=5s')).toBe(
      'deployment "cart" successfully rolled out\n',
    );
    expect(await run('delete -f -', manifest('cart:2'))).toMatch(
      /configmap "extra" deleted.*\ndeployment.apps "cart" deleted/,
    );
    expect(seen().filter((line) => line.startsWith('create '))).toEqual([
      'create  configmaps shop ',
      'create apps deployments shop ',
      'create  configmaps shop ',
    ]);
  });

  test.each<[string, RegExp, string[]]>([
    [
      'describe deploy web -n shop',
      /^Name: +web\n[^]*NewReplicaSet: +web-/,
      // Twice the deployment, and the lists in either order.
      expect.arrayContaining([
        'get apps deployments shop web',
        'list apps replicasets shop ',
        'list  events shop ',
      ]) as unknown as string[],
    ],
    [
      'logs deploy/web -n shop --tail=1',
      /GET \/api\/products/,
      [
        'get apps deployments shop web',
        'list  pods shop ',
        expect.stringMatching('get {2}pods/log shop web-') as unknown as string,
      ],
    ],
    [
      'scale deploy web -n shop --replicas=4',
      /scaled/,
      ['get apps deployments shop web', 'patch apps deployments/scale shop web'],
    ],
    [
      'rollout history deploy/web -n shop',
      /REVISION/,
      ['get apps deployments shop web', 'get apps deployments shop web', 'list apps replicasets shop '],
    ],
    [
      'get all -n shop',
      /replicaset.apps\/web-/,
      expect.arrayContaining(['list batch jobs shop ']) as unknown as string[],
    ],
    ['get nodes -o wide', /containerd:/, ['list  nodes  ']],
    ['top pods -n shop', /web-\S+ +\d+m +\d+Mi/, ['list metrics.k8s.io pods shop ']],
    ['auth can-i list pods -n shop', /yes/, ['create authorization.k8s.io selfsubjectaccessreviews  ']],
    ['auth whoami', /aks-command:default/, ['create authentication.k8s.io selfsubjectreviews  ']],
    ['create token default -n shop', /emulated/, ['create  serviceaccounts/token shop default']],
    ['version', /Server Version: v1\.35/, []],
    ['api-resources --api-group=apps', /deployments +deploy/, []],
    ['run p --image=x -n shop --port=80', /created/, ['create  pods shop ']],
    [
      'drain aks-system-31415926-vmss000001 --ignore-daemonsets --force',
      /drained/,
      expect.arrayContaining([expect.stringMatching('create {2}pods/eviction shop web-')]) as unknown as string[],
    ],
    [
      'delete pods -n shop -l app=web',
      /"web-\S+" deleted/,
      expect.arrayContaining(['list  pods shop ']) as unknown as string[],
    ],
    [
      'get pods -A --chunk-size=2',
      /kube-system +coredns/,
      expect.arrayContaining(['list  pods * ']) as unknown as string[],
    ],
    [
      'patch deploy web -n shop -p {"metadata":{"labels":{"x":"y"}}}',
      /patched/,
      ['get apps deployments shop web', 'patch apps deployments shop web'],
    ],
  ])('%s', async (words, printed, attributes) => {
    const { out, err, code } = await kubectl(newest?.path ?? '', words.split(' '));
    expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(printed);
    expect(seen()).toEqual(attributes);
  });

  test('exec is recorded both ways and refused', async () => {
    const { code, err } = await kubectl(newest?.path ?? '', [
      'exec',
      '-n',
      'shop',
      (await pods())[0] ?? '',
      '--',
      'ls',
    ]);
    expect(code).toBe(1);
    expect(err).toContain('does not run exec');
    expect(
      kubernetes.requests.filter(({ subresource }) => subresource === 'exec').map(({ verb, status }) => [verb, status]),
    ).toEqual([
      ['get', 501],
      ['create', 501],
    ]);
  });
});
