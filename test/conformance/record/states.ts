import type { KubeObject } from '../../../infra/local/kubernetes/json.ts';
import { catalogOf, type ResourceType } from '../../../shared/kubernetes/resources.ts';
import { context, objects } from '../kubectl-cluster.ts';
import type { ApiServer, User } from './api-server.ts';
import { readKeys, type Keys } from './etcd-states.ts';

/** What a cluster can be like when a command comes. */
export interface State {
  readonly name: string;
  /** For the reader of a recording. */
  readonly what: string;
  readonly user: User;
  readonly keys: Keys;
  /** Commands that change nothing have nothing to show here. */
  readonly contended?: boolean;
}

const NEVER = 'example.com/never';

/** Fills the server and tells what it holds in each state; afterwards it is left in the last of them. */
export async function makeStates(server: ApiServer): Promise<readonly State[]> {
  const early = objects.filter(({ kind }) => kind === 'Namespace' || kind === 'CustomResourceDefinition');
  for (const object of [...early, ...metrics(), everythingFor('askers')]) await create(server, object);
  for (const path of ['/apis/example.com/v1', '/apis/metrics.k8s.io/v1beta1']) await untilServed(server, path);
  const absent = await readKeys(server.etcd);
  const noNamespace = new Map([...absent].filter(([key]) => key !== '/registry/namespaces/shop'));

  for (const object of [...objects.filter((one) => !early.includes(one)), ...history(), ...figures]) {
    await create(server, object);
  }
  for (const kind of ['deployments', 'statefulsets', 'daemonsets']) await adopt(server, kind);
  const ready = await readKeys(server.etcd);

  for (const object of objects.filter((one) => !early.includes(one))) await getStuck(server, object);
  const stuck = await readKeys(server.etcd);
  const noPods = new Map([...ready].filter(([key]) => !key.startsWith('/registry/pods/')));
  return [
    { name: 'ready', what: 'everything is there and ready', user: 'asker', keys: ready },
    {
      name: 'absent',
      what: 'the namespaces and definitions are there, the objects are not',
      user: 'asker',
      keys: absent,
    },
    { name: 'no namespace', what: 'the namespace shop is not there either', user: 'asker', keys: noNamespace },
    { name: 'no pods', what: 'the workloads are there and have no pods yet', user: 'asker', keys: noPods },
    {
      name: 'stuck',
      what: 'no pod is scheduled, no rollout goes on, deployments are paused, every object has a finalizer',
      user: 'asker',
      keys: stuck,
    },
    {
      name: 'forbidden',
      what: 'everything is there and ready, and the user may only discover',
      user: 'stranger',
      keys: ready,
    },
    {
      name: 'contended',
      what: 'everything is there and ready, and each object is changed by another just before it is first written',
      user: 'asker',
      keys: ready,
      contended: true,
    },
  ];
}

const catalog = catalogOf(context.resources);

function typeOf({ apiVersion, kind }: KubeObject): ResourceType {
  const type = catalog.ofKind(apiVersion, kind);
  if (type === undefined) throw new Error(`No kind ${apiVersion} ${kind}`);
  return type;
}

function pathOf(object: KubeObject, named: boolean): string {
  const { resource, namespaced } = typeOf(object);
  const root = object.apiVersion.includes('/') ? `/apis/${object.apiVersion}` : `/api/${object.apiVersion}`;
  const where = namespaced ? `/namespaces/${object.metadata.namespace ?? 'default'}` : '';
  return `${root}${where}/${resource}${named ? `/${object.metadata.name}` : ''}`;
}

async function create(server: ApiServer, object: KubeObject): Promise<void> {
  const { status, body } = await server.call('POST', pathOf(object, false), object);
  // The server makes some of its own.
  if (status === 409) return;
  if (status !== 201) throw new Error(`${object.kind} ${object.metadata.name}: ${status} ${JSON.stringify(body)}`);
  if (object['status'] !== undefined && typeOf(object).subresources.includes('status')) {
    await change(server, object, { status: object['status'] }, '/status');
  }
}

async function change(server: ApiServer, object: KubeObject, patch: unknown, subresource = ''): Promise<void> {
  const { status, body } = await server.call('PATCH', `${pathOf(object, true)}${subresource}`, patch);
  if (status !== 200) throw new Error(`${object.kind} ${object.metadata.name}: ${status} ${JSON.stringify(body)}`);
}

async function getStuck(server: ApiServer, object: KubeObject): Promise<void> {
  await change(server, object, { metadata: { finalizers: [NEVER] } });
  if (object.kind === 'Deployment') {
    await change(server, object, { spec: { paused: object.metadata.name === 'web' } });
  }
  if (object.kind === 'Pod') {
    // A pod cannot lose its node, so it is another one of the same name.
    await change(server, object, { metadata: { finalizers: null } });
    await server.call('DELETE', pathOf(object, true), { gracePeriodSeconds: 0 });
    const { nodeName: _, ...spec } = object['spec'] as Readonly<Record<string, unknown>>;
    const { status: __, ...rest } = object as KubeObject & { readonly status?: unknown };
    await create(server, { ...rest, spec, metadata: { ...object.metadata, finalizers: [NEVER] } } as KubeObject);
  }
  if (['Deployment', 'ReplicaSet', 'StatefulSet'].includes(object.kind)) {
    const none = { readyReplicas: 0, availableReplicas: 0, updatedReplicas: 0 };
    await change(server, object, { status: object.kind === 'ReplicaSet' ? { readyReplicas: 0 } : none }, '/status');
  }
}

async function untilServed(server: ApiServer, path: string): Promise<void> {
  for (let look = 0; look < 200; look++) {
    if ((await server.call('GET', path)).status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${path} is not served`);
}

/** The earlier templates that `rollout history` and `rollout undo` read: as the controllers would have written them. */
function history(): KubeObject[] {
  const template = {
    metadata: { labels: { app: 'web' } },
    spec: { containers: [{ name: 'web', image: 'registry.example/web:0' }] },
  };
  const selector = { matchLabels: { app: 'web' } };
  return [
    ...[1, 2].map((revision) => ({
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        name: `web-of-${revision}`,
        namespace: 'shop',
        labels: { app: 'web' },
        annotations: { 'deployment.kubernetes.io/revision': String(revision), owner: 'deployments/web' },
      },
      spec: { replicas: 0, selector, template },
    })),
    ...[
      ['db', 'shop', 'statefulsets'],
      ['agent', 'kube-system', 'daemonsets'],
    ].flatMap(([name = '', namespace = '', owner = '']) =>
      [1, 2].map((revision) => ({
        apiVersion: 'apps/v1',
        kind: 'ControllerRevision',
        metadata: {
          name: `${name}-${revision}`,
          namespace,
          labels: { app: 'web' },
          annotations: { owner: `${owner}/${name}` },
        },
        data: { spec: { template: { ...template, $patch: 'replace' } } },
        revision,
      })),
    ),
  ];
}

/** Owners are known by their uid, which the server gives. */
async function adopt(server: ApiServer, owners: string): Promise<void> {
  for (const object of history()) {
    const { namespace = '', annotations = {} } = object.metadata as {
      namespace?: string;
      annotations?: Record<string, string>;
    };
    const [resource, name] = (annotations['owner'] ?? '').split('/');
    if (resource !== owners) continue;
    const { body } = await server.call('GET', `/apis/apps/v1/namespaces/${namespace}/${resource}/${name}`);
    const owner = body as KubeObject & { readonly metadata: { readonly uid: string } };
    const reference = { apiVersion: 'apps/v1', kind: owner.kind, name, uid: owner.metadata.uid, controller: true };
    await change(server, object, { metadata: { ownerReferences: [reference] } });
  }
}

/** What metrics-server would tell of the pod web-1 and the node node-1. */
const figures = [
  {
    apiVersion: 'metrics.k8s.io/v1beta1',
    kind: 'PodMetrics',
    metadata: { name: 'web-1', namespace: 'shop' },
    timestamp: '2026-01-01T00:00:00Z',
    window: '30s',
    containers: [{ name: 'web', usage: { cpu: '10m', memory: '10Mi' } }],
  },
  {
    apiVersion: 'metrics.k8s.io/v1beta1',
    kind: 'NodeMetrics',
    metadata: { name: 'node-1' },
    timestamp: '2026-01-01T00:00:00Z',
    window: '30s',
    usage: { cpu: '10m', memory: '10Mi' },
  },
];

/** metrics-server is an API server of its own; kinds of the same names answer in its place. */
function metrics(): KubeObject[] {
  return [
    ['pods', 'PodMetrics', 'Namespaced'],
    ['nodes', 'NodeMetrics', 'Cluster'],
  ].map(([plural, kind, scope]) => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.metrics.k8s.io`,
      annotations: { 'api-approved.kubernetes.io': 'unapproved, stands in for metrics-server' },
    },
    spec: {
      group: 'metrics.k8s.io',
      scope,
      names: { plural, singular: kind?.toLowerCase(), kind },
      versions: [
        {
          name: 'v1beta1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  }));
}

const everythingFor = (group: string): KubeObject => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'everything-for-askers' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: group }],
});
