import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isObject, type JsonObject, type KubeObject } from '../../infra/local/kubernetes/json.ts';
import { builtInKinds, groupVersion } from '../../infra/local/kubernetes/kinds.ts';
import type { BatchOutputBody, ClusterHealthOutput } from '../../shared/http/schemas.ts';
import { startApiServer, type ApiServer, type User } from '../conformance/record/api-server.ts';
import { testStack } from '../support/stack.ts';
import { faults, warnings } from './zoo.ts';

/**
 * `node test/health/record.ts PROGRAMS`: a look of the whole gateway at a real kube-apiserver, in which the zoo's objects were written by hand,
 * and what each of its commands brought; once as somebody who may read everything, once as a stranger to Kubernetes. PROGRAMS is the
 * folder with etcd and kube-apiserver (test/conformance/record/build.sh).
 */
const RECORDING = join(import.meta.dirname, 'recordings', 'api-server.json');

async function look({ kubeconfig }: ApiServer, user: User) {
  const file = join(folder, `${user}.kubeconfig`);
  writeFileSync(file, kubeconfig(user));
  const stack = await testStack({ jobs: false, kubeconfig: file });
  try {
    const to = { token: stack.tokens.bot, headers: { prefer: 'wait=200' } };
    const { body: health } = await stack.request<ClusterHealthOutput>('GET', '/v1/clusters/demo/health', to);
    const { body: own } = await stack.request<{ items: { batch: string }[] }>('GET', '/v1/commands?limit=1', to);
    const { body } = await stack.request<BatchOutputBody>('GET', `/v1/batches/${own.items[0]?.batch}`, to);
    const items = body.items.map(({ argv, stdout, stderr, exitCode, truncated, timedOut, status }) => ({
      argv,
      stdout,
      stderr,
      exitCode,
      truncated,
      timedOut,
      status,
    }));
    console.log(user, health.status, health.findings.length, health.reason);
    return { health, posts: stack.azure.arm.posts.length, items };
  } finally {
    await stack.close();
  }
}

/** Creates an object, and its status where it has one: the server takes that on its own path only. */
async function write(to: ApiServer, object: KubeObject): Promise<void> {
  const kind = builtInKinds.find((one) => one.kind === object.kind && groupVersion(one) === object.apiVersion);
  if (!kind) throw new Error(`no kind ${object.apiVersion} ${object.kind}`);
  const { namespace: where } = object.metadata;
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const path = `${root}${where === undefined ? '' : `/namespaces/${where}`}/${kind.resource}`;
  const made = await to.call('POST', path, bare(object));
  if (made.status !== 201) throw new Error(`${object.kind} ${object.metadata.name}: ${JSON.stringify(made.body)}`);
  if (!isObject(object['status'])) return;
  const patched = await to.call('PATCH', `${path}/${object.metadata.name}/status`, { status: object['status'] });
  if (patched.status !== 200)
    throw new Error(`${object.kind} ${object.metadata.name}: ${JSON.stringify(patched.body)}`);
}

const bare = ({ apiVersion, kind, metadata, ...rest }: KubeObject): JsonObject => {
  const { name, namespace: where, labels } = metadata;
  return {
    ...rest,
    apiVersion,
    kind,
    metadata: { name, ...(where && { namespace: where }), ...(labels && { labels }) },
  };
};

function namespace(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

const labels = { app: 'konnectivity-agent' };
/** Its one replica runs. */
const tunnel: KubeObject = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'konnectivity-agent', namespace: 'kube-system' },
  spec: {
    replicas: 1,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: 'agent', image: 'agent:1' }] } },
  },
  status: { replicas: 1, readyReplicas: 1, updatedReplicas: 1, availableReplicas: 1, observedGeneration: 1 },
};

/** May read everything, as the gateway's command pods may. */
async function allow(to: ApiServer): Promise<void> {
  const { status, body } = await to.call('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'askers' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'Group', apiGroup: 'rbac.authorization.k8s.io', name: 'askers' }],
  });
  if (status !== 201 && status !== 409) throw new Error(JSON.stringify(body));
}

const [programs = ''] = process.argv.slice(2);
const server = await startApiServer(programs);
const folder = mkdtempSync(join(tmpdir(), 'aksgw-health-'));
try {
  const now = Date.now();
  await write(server, namespace('shop'));
  await write(server, tunnel);
  for (const { objects } of faults(now, server.version)) for (const object of objects) await write(server, object);
  for (const event of warnings(now)) await write(server, event);
  await allow(server);
  const recorded = {
    version: server.version,
    at: new Date(now).toISOString(),
    asker: await look(server, 'asker'),
    stranger: await look(server, 'stranger'),
  };
  mkdirSync(join(RECORDING, '..'), { recursive: true });
  writeFileSync(RECORDING, `${JSON.stringify(recorded, undefined, 1)}\n`);
} finally {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
}
