import type { Clock } from '../../../shared/clock.ts';
import { reconcile } from './controllers.ts';
import type { KubeObject } from './json.ts';
import { kindNamed } from './kinds.ts';
import { runPod } from './pods.ts';
import { deployment, event, node, nodeName, service } from './seed-objects.ts';
import { timestamp, type Storage } from './storage.ts';

const HOUR = 3_600_000;

/**
 * The cluster that the emulation starts with: a small private AKS cluster with a shop in it. Names and images are of the
 * kind that AKS has; nothing of it is taken from a real cluster.
 */
export function seed(storage: Storage, clock: Clock): void {
  const born = clock.now() - 34 * 24 * HOUR;
  const past = (ms: number): Clock => ({
    now: () => ms,
    monotonic: () => clock.monotonic(),
    sleep: (...given) => clock.sleep(...given),
  });
  const add = (object: KubeObject, when = born, done = false): void => {
    const kind = kindNamed(object.kind);
    const metadata = { ...object.metadata, creationTimestamp: timestamp(when) };
    storage.create(
      kind,
      object.kind === 'Pod' ? runPod(storage, past(when), { ...object, metadata }, done) : { ...object, metadata },
    );
  };

  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease', 'aks-command', 'shop'])
    add({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' },
    });
  for (const index of [0, 1]) add(node(index, timestamp(born)));
  for (const index of [0, 1])
    add(
      {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: nodeName(index), namespace: 'kube-node-lease' },
        spec: {
          holderIdentity: nodeName(index),
          leaseDurationSeconds: 40,
          renewTime: `${timestamp(clock.now()).slice(0, -1)}.000000Z`,
        },
      },
      born,
    );
  add({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: 'managed-csi', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: 'disk.csi.azure.com',
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'WaitForFirstConsumer',
  });
  add({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: { name: 'webapprouting.kubernetes.azure.com' },
    spec: { controller: 'webapprouting.kubernetes.azure.com/nginx' },
  });
  add({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'cluster-admin' },
    rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }],
  });
  add({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'view' },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] }],
  });

  add(service('kubernetes', 'default', {}, [{ name: 'https', port: 443, targetPort: 443 }], '10.0.0.1'));
  add(deployment('coredns', 'kube-system', 2, 'mcr.microsoft.com/oss/kubernetes/coredns:v1.11.3', [53]));
  add(
    service(
      'kube-dns',
      'kube-system',
      { app: 'coredns' },
      [{ name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 }],
      '10.0.0.10',
    ),
  );
  add(
    deployment(
      'konnectivity-agent',
      'kube-system',
      2,
      'mcr.microsoft.com/oss/kubernetes/apiserver-network-proxy/agent:v0.30.3',
      [],
    ),
  );
  add(deployment('metrics-server', 'kube-system', 2, 'mcr.microsoft.com/oss/kubernetes/metrics-server:v0.7.2', [4443]));
  add({
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'kube-proxy', namespace: 'kube-system', labels: { component: 'kube-proxy' } },
    spec: {
      selector: { matchLabels: { component: 'kube-proxy' } },
      template: {
        metadata: { labels: { component: 'kube-proxy' } },
        spec: { containers: [{ name: 'kube-proxy', image: 'mcr.microsoft.com/oss/kubernetes/kube-proxy:v1.35.2' }] },
      },
    },
  });

  // Somebody else's run command: what a caller must not get to see (run command leaves its pods behind).
  add(
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'command-5f0c6d2e9b1a4c3d8e7f60718293a4b5',
        namespace: 'aks-command',
        labels: { createdBy: 'another-caller' },
      },
      spec: {
        restartPolicy: 'Never',
        containers: [
          {
            name: 'user-command',
            image: 'mcr.microsoft.com/aks/command/runtime:master.241002.1',
            command: ['/bin/sh', '-c', 'kubectl get secret payroll -o yaml'],
          },
        ],
      },
    },
    clock.now() - 7 * 60_000,
    true,
  );

  const shopBorn = clock.now() - 9 * 24 * HOUR;
  add(
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'web-config', namespace: 'shop' },
      data: { BANNER: 'Welcome to the shop', LOG_LEVEL: 'info' },
    },
    shopBorn,
  );
  add(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'db', namespace: 'shop' },
      type: 'Opaque',
      data: {
        password: Buffer.from('correct-horse-battery-staple').toString('base64'),
        username: Buffer.from('shop').toString('base64'),
      },
    },
    shopBorn,
  );
  add(deployment('web', 'shop', 2, 'shop.azurecr.io/web:1.4.2', [8080]), shopBorn);
  add(deployment('api', 'shop', 2, 'shop.azurecr.io/api:2.0.7', [9090]), shopBorn);
  add(service('web', 'shop', { app: 'web' }, [{ name: 'http', port: 80, targetPort: 8080 }], '10.0.118.21'), shopBorn);
  add(service('api', 'shop', { app: 'api' }, [{ name: 'http', port: 80, targetPort: 9090 }], '10.0.203.5'), shopBorn);
  add(
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'shop', namespace: 'shop' },
      spec: {
        ingressClassName: 'webapprouting.kubernetes.azure.com',
        rules: [
          {
            host: 'shop.example.com',
            http: {
              paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } }],
            },
          },
        ],
      },
      status: { loadBalancer: { ingress: [{ ip: '10.224.0.7' }] } },
    },
    shopBorn,
  );
  reconcile(storage, past(shopBorn));

  const pod = storage.list(kindNamed('Pod'), 'shop').find(({ metadata }) => metadata.name.startsWith('web-'));
  if (pod) {
    add(
      event(
        pod,
        'Scheduled',
        `Successfully assigned shop/${pod.metadata.name} to ${nodeName(0)}`,
        timestamp(clock.now() - 40 * 60_000),
      ),
    );
    add(
      event(
        pod,
        'Pulled',
        'Container image "shop.azurecr.io/web:1.4.2" already present on machine',
        timestamp(clock.now() - 39 * 60_000),
      ),
    );
    add(event(pod, 'Started', 'Started container web', timestamp(clock.now() - 39 * 60_000)));
  }
}
