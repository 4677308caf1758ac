import type { EmulatedKubernetes } from '../../infra/local/kubernetes/server.ts';
import type { KubeObject } from '../../infra/local/kubernetes/json.ts';
import { LONG_NAME } from './kubectl-cases.ts';
import type { CommandContext } from '../../shared/config/config.ts';

export const context: CommandContext = {
  defaultNamespace: 'shop',
  resources: [
    { group: 'example.com', version: 'v1', resource: 'widgets', kind: 'Widget', namespaced: true, shortNames: ['wd'] },
    { group: 'example.com', version: 'v1', resource: 'fleets', kind: 'Fleet', namespaced: false, shortNames: [] },
  ],
};

/** A signing request for the name `joining`; its key was thrown away. */
const JOINING =
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIZk1JR0dBZ0VBTUNReEVEQU9CZ05WQkFNTUIycHZhVzVwYm1jeEVEQU9CZ05WQkFvTUIyVjRZVzF3YkdVdwpXVEFUQmdjcWhrak9QUUlCQmdncWhrak9QUU1CQndOQ0FBUTR6RkxrUUgxK2hvaDZoL3VMMHU3QmkrVHRLVXhRCkRtdTJuZWFoT3J2TkI2cTNVRlBER1ZXeExaSDRHTm1aTFdCNWduVUdJaTV0ZDNuRmNiYXRyaFFmb0FBd0NnWUkKS29aSXpqMEVBd0lEU0FBd1JRSWdSNUNSQjBPSlVBU0RmMGpFU2ZCdTFZNHU2UmphUjIvZVp4aDVFQlNTeU5VQwpJUUQ1ZDgyMUdqYkhjYU1GbmpObnJmUHZndjJUa2QzN0NyNGF6cEhGeW4zTm5nPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==';

type Body = Omit<KubeObject, 'apiVersion' | 'kind' | 'metadata'>;

const made = (
  apiVersion: string,
  kind: string,
  name: string,
  rest: Readonly<Record<string, unknown>> = {},
  metadata: Readonly<Record<string, unknown>> = { namespace: 'shop' },
): KubeObject => ({ apiVersion, kind, metadata: { name, labels: { app: 'web' }, ...metadata }, ...(rest as Body) });

const pod = {
  containers: [{ name: 'web', image: 'registry.example/web:1' }],
  nodeName: 'node-1',
  securityContext: {},
};
const template = { metadata: { labels: { app: 'web' } }, spec: pod };
const once = { ...template, spec: { ...pod, restartPolicy: 'Never' } };
const selector = { matchLabels: { app: 'web' } };
const running = {
  phase: 'Running',
  conditions: [
    { type: 'Ready', status: 'True' },
    { type: 'ContainersReady', status: 'True' },
  ],
  containerStatuses: [{ name: 'web', ready: true, restartCount: 0, image: 'x', imageID: 'x', state: { running: {} } }],
};
const rolledOut = { replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2, observedGeneration: 1 };
const cluster = { labels: { zone: 'a' } };

const crd = (plural: string, kind: string, scope: string, shortNames: string[]): KubeObject =>
  made(
    'apiextensions.k8s.io/v1',
    'CustomResourceDefinition',
    `${plural}.example.com`,
    {
      spec: {
        group: 'example.com',
        scope,
        names: { plural, singular: kind.toLowerCase(), kind, shortNames },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        ],
      },
    },
    {},
  );

const rbac = 'rbac.authorization.k8s.io/v1';
const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'deployer' };

/** Such as a real API server takes too. Namespaces and definitions come first. */
export const objects: readonly KubeObject[] = [
  ...['default', 'kube-system', 'kube-node-lease', 'aks-command', 'shop', 'team'].map((name) =>
    made('v1', 'Namespace', name, { status: { phase: 'Active' } }, {}),
  ),
  crd('widgets', 'Widget', 'Namespaced', ['wd']),
  crd('fleets', 'Fleet', 'Cluster', []),
  made('storage.k8s.io/v1', 'StorageClass', 'managed-csi', { provisioner: 'disk.csi.azure.com' }, {}),
  made(rbac, 'ClusterRole', 'view', { rules: [] }, {}),
  made('networking.k8s.io/v1', 'Ingress', 'shop', {
    spec: {
      ingressClassName: 'web',
      rules: [
        {
          host: 'shop.example',
          http: {
            paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } }],
          },
        },
      ],
    },
  }),
  made('example.com/v1', 'Widget', 'gear', { spec: { size: 1 } }),
  made('example.com/v1', 'Fleet', 'main', {}, {}),
  made('v1', 'Node', 'node-1', { status: { allocatable: { cpu: '2', memory: '4Gi' } } }, cluster),
  made('v1', 'Node', 'node-2', { spec: { unschedulable: true }, status: { allocatable: { cpu: '2' } } }, cluster),
  made('coordination.k8s.io/v1', 'Lease', 'node-1', {}, { namespace: 'kube-node-lease' }),
  made('v1', 'Pod', 'web-1', { spec: pod, status: running }),
  made('v1', 'Pod', 'db-0', { spec: pod, status: running }),
  made('v1', 'Pod', 'kept', { spec: pod, status: running }, { namespace: 'default' }),
  made(
    'v1',
    'Pod',
    'agent-1',
    { spec: pod, status: running },
    {
      namespace: 'kube-system',
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'agent', uid: 'u', controller: true }],
    },
  ),
  made('v1', 'Service', 'web', { spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } }),
  made('v1', 'Endpoints', 'web', { subsets: [] }),
  made('discovery.k8s.io/v1', 'EndpointSlice', 'web-1', { addressType: 'IPv4', endpoints: [], ports: [] }),
  made('v1', 'ServiceAccount', 'builder'),
  // What the uploaded manifests hold (kubectl-cases.ts), so that it is changed as well as created.
  ...['a', 'b', 'c', 'one', 'fresh', 'piped'].map((name) => made('v1', 'ConfigMap', name)),
  made('v1', 'ConfigMap', 'two', {}, { namespace: 'default' }),
  made('v1', 'Service', 'fresh', { spec: { ports: [{ port: 80 }], selector: { app: 'web' } } }),
  made(rbac, 'ClusterRole', 'reader', { rules: [] }, {}),
  made(rbac, 'RoleBinding', 'viewers', { roleRef: { ...role, kind: 'ClusterRole', name: 'view' }, subjects: [] }),
  made('v1', 'ConfigMap', 'web-config', { data: { mode: 'x' } }),
  made('v1', 'Secret', 'db', { data: { password: 'eA==' }, type: 'Opaque' }),
  made('v1', 'PersistentVolumeClaim', 'data', {
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  }),
  made(
    'v1',
    'PersistentVolume',
    'data',
    {
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        csi: { driver: 'disk.csi.azure.com', volumeHandle: 'data' },
      },
    },
    {},
  ),
  made('v1', 'ResourceQuota', 'shop', { spec: { hard: { pods: '9' } }, status: { hard: { pods: '9' }, used: {} } }),
  made('v1', 'LimitRange', 'shop', { spec: { limits: [] } }),
  made('v1', 'ReplicationController', 'old', { spec: { replicas: 1, selector: { app: 'web' }, template } }),
  made('apps/v1', 'Deployment', 'web', { spec: { replicas: 2, selector, template }, status: rolledOut }),
  made('apps/v1', 'Deployment', LONG_NAME, { spec: { replicas: 1, selector, template } }),
  made('apps/v1', 'Deployment', 'api', { spec: { replicas: 2, selector, template }, status: rolledOut }),
  made('apps/v1', 'Deployment', 'secretive', {
    spec: {
      replicas: 1,
      selector,
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          containers: [
            {
              name: 'web',
              image: 'x',
              env: [
                { name: 'A', valueFrom: { secretKeyRef: { name: 'db', key: 'password' } } },
                { name: 'B', valueFrom: { configMapKeyRef: { name: 'web-config', key: 'mode' } } },
              ],
            },
          ],
        },
      },
    },
  }),
  made('apps/v1', 'ReplicaSet', 'web-abc', { spec: { replicas: 2, selector, template }, status: { replicas: 2 } }),
  made('apps/v1', 'StatefulSet', 'db', {
    spec: { replicas: 1, selector, template, serviceName: 'db', updateStrategy: { type: 'RollingUpdate' } },
    status: {
      replicas: 1,
      updatedReplicas: 1,
      readyReplicas: 1,
      availableReplicas: 1,
      observedGeneration: 1,
      currentRevision: 'a',
      updateRevision: 'a',
    },
  }),
  made('apps/v1', 'DaemonSet', 'agent', { spec: { selector, template } }, { namespace: 'kube-system' }),
  made('batch/v1', 'Job', 'once', { spec: { template: once } }),
  made('batch/v1', 'CronJob', 'nightly', {
    spec: { schedule: '0 3 * * *', jobTemplate: { spec: { template: once } } },
  }),
  made('autoscaling/v2', 'HorizontalPodAutoscaler', 'web', {
    spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'web', apiVersion: 'apps/v1' } },
    status: { currentReplicas: 1, desiredReplicas: 1 },
  }),
  made('networking.k8s.io/v1', 'NetworkPolicy', 'deny', { spec: { podSelector: {} } }),
  made('networking.k8s.io/v1', 'IngressClass', 'web', { spec: { controller: 'example.com/web' } }, {}),
  made('policy/v1', 'PodDisruptionBudget', 'web', { spec: { minAvailable: 1, selector } }),
  made(rbac, 'Role', 'deployer', { rules: [] }),
  made(rbac, 'RoleBinding', 'deployers', { roleRef: role, subjects: [] }),
  made(
    rbac,
    'ClusterRoleBinding',
    'admins',
    { roleRef: { ...role, kind: 'ClusterRole', name: 'view' }, subjects: [] },
    {},
  ),
  made('scheduling.k8s.io/v1', 'PriorityClass', 'high', { value: 10 }, {}),
  made(
    'certificates.k8s.io/v1',
    'CertificateSigningRequest',
    'joining',
    { spec: { request: JOINING, signerName: 'kubernetes.io/kube-apiserver-client', usages: ['client auth'] } },
    {},
  ),
];

/** The cluster of the conformance suite: what its commands are about. */
export function furnish(kubernetes: EmulatedKubernetes): void {
  kubernetes.reset();
  for (const object of objects) kubernetes.put(structuredClone(object));
  kubernetes.requests.length = 0;
  kubernetes.nonResource.length = 0;
}
