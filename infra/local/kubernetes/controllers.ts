import type { Clock } from '../../../shared/clock.ts';
import { at, count, list, object, stable, strings, text, type Json, type JsonObject, type KubeObject } from './json.ts';
import { kindNamed, type Kind } from './kinds.ts';
import { addPod, ownerOf } from './pods.ts';
import { safeSuffix, timestamp, type Storage } from './storage.ts';

const kinds = {
  cronJob: kindNamed('CronJob'),
  daemonSet: kindNamed('DaemonSet'),
  definition: kindNamed('CustomResourceDefinition'),
  deployment: kindNamed('Deployment'),
  endpointSlice: kindNamed('EndpointSlice'),
  job: kindNamed('Job'),
  namespace: kindNamed('Namespace'),
  node: kindNamed('Node'),
  pod: kindNamed('Pod'),
  replicaSet: kindNamed('ReplicaSet'),
  service: kindNamed('Service'),
  serviceAccount: kindNamed('ServiceAccount'),
  configMap: kindNamed('ConfigMap'),
  statefulSet: kindNamed('StatefulSet'),
};

const REVISION_KEY = 'deployment.kubernetes.io/revision';
const HASH_KEY = 'pod-template-hash';

/**
 * What a cluster's controllers would come to, all at once and without delay: replica sets and pods for workloads, slices for
 * services, the contents of new namespaces, and nothing left whose owner is gone. Call it after every write.
 */
export function reconcile(storage: Storage, clock: Clock): void {
  // Each pass may call for the next (deployment → replica set → pods); a chain is never longer than this.
  for (let pass = 0; pass < 6; pass += 1) {
    const before = storage.version();
    for (const namespace of storage.list(kinds.namespace)) furnishNamespace(storage, namespace.metadata.name);
    collectGarbage(storage);
    for (const deployment of storage.list(kinds.deployment)) runDeployment(storage, clock, deployment);
    for (const set of storage.list(kinds.replicaSet)) runReplicaSet(storage, clock, set);
    for (const set of storage.list(kinds.statefulSet)) runStatefulSet(storage, clock, set);
    for (const set of storage.list(kinds.daemonSet)) runDaemonSet(storage, clock, set);
    for (const job of storage.list(kinds.job)) runJob(storage, clock, job);
    for (const service of storage.list(kinds.service)) runService(storage, service);
    for (const definition of storage.list(kinds.definition)) establish(storage, definition);
    if (storage.version() === before) return;
  }
}

function furnishNamespace(storage: Storage, namespace: string): void {
  if (!storage.find(kinds.serviceAccount, namespace, 'default'))
    storage.create(kinds.serviceAccount, bare('ServiceAccount', 'default', namespace));
  if (!storage.find(kinds.configMap, namespace, 'kube-root-ca.crt'))
    storage.create(kinds.configMap, {
      ...bare('ConfigMap', 'kube-root-ca.crt', namespace),
      data: { 'ca.crt': '-----BEGIN CERTIFICATE-----\n(emulated)\n-----END CERTIFICATE-----\n' },
    });
}

const bare = (kind: string, name: string, namespace: string): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name, namespace },
});

function collectGarbage(storage: Storage): void {
  const all = storage.metadata();
  const alive = new Set(all.map(({ metadata }) => metadata.uid));
  const namespaces = new Set(all.flatMap(({ kind, metadata }) => (kind.kind === 'Namespace' ? metadata.name : [])));
  for (const { kind, metadata } of all) {
    const { ownerReferences = [], namespace = '', name } = metadata;
    const orphaned = ownerReferences.length > 0 && ownerReferences.every((owner) => !alive.has(owner.uid));
    if (orphaned || (kind.namespaced && !namespaces.has(namespace))) storage.remove(kind, namespace, name);
  }
}

const ownedBy = (storage: Storage, kind: Kind, { metadata: owner }: KubeObject): KubeObject[] =>
  storage.list(
    kind,
    owner.namespace,
    ({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === owner.uid) ?? false,
  );

function runDeployment(storage: Storage, clock: Clock, deployment: KubeObject): void {
  const { namespace = 'default', name } = deployment.metadata;
  const template = object(at(deployment, 'spec', 'template'));
  const replicas = count(at(deployment, 'spec', 'replicas'), 1);
  const sets = ownedBy(storage, kinds.replicaSet, deployment);
  const revisionOf = (set: KubeObject | undefined) => Number(strings(set?.metadata.annotations)[REVISION_KEY] ?? 0);
  const latest = Math.max(0, ...sets.map(revisionOf));
  const hash = safeSuffix(stable(template), 10);
  const paused = at(deployment, 'spec', 'paused') === true;
  const setName = `${name}-${hash}`;
  let current = sets.find((set) => set.metadata.name === setName);
  const newest = sets.find((set) => revisionOf(set) === latest);
  if (paused && newest) current = newest;
  else if (!current || revisionOf(current) < latest) {
    // A template seen before gets its old replica set back, under a new revision (that is what rollout undo shows).
    const annotations = {
      ...withoutLastApplied(deployment.metadata.annotations),
      [REVISION_KEY]: String(latest + 1),
    };
    if (current)
      current = storage.update(kinds.replicaSet, { ...current, metadata: { ...current.metadata, annotations } });
    else {
      const labels = { ...strings(at(template, 'metadata', 'labels')), [HASH_KEY]: hash };
      current = storage.create(kinds.replicaSet, {
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        metadata: {
          name: setName,
          namespace,
          labels,
          annotations,
          ownerReferences: ownerOf(deployment),
          creationTimestamp: timestamp(clock.now()),
        },
        spec: {
          replicas,
          selector: {
            matchLabels: { ...strings(at(deployment, 'spec', 'selector', 'matchLabels')), [HASH_KEY]: hash },
          },
          template: { ...template, metadata: { ...object(template['metadata']), labels } },
        },
      });
    }
  }
  for (const set of [...sets.filter((set) => set.metadata.uid !== current.metadata.uid), current]) {
    const wanted = set.metadata.uid === current.metadata.uid ? replicas : 0;
    if (at(set, 'spec', 'replicas') !== wanted)
      storage.update(kinds.replicaSet, { ...set, spec: { ...object(set['spec']), replicas: wanted } });
  }

  const fresh = storage.get(kinds.deployment, namespace, name);
  const since = timestamp(clock.now());
  const condition = (type: string, reason: string, message: string): JsonObject => {
    const known = list(at(fresh, 'status', 'conditions')).find((entry) => at(entry, 'type') === type);
    if (at(known, 'reason') === reason && at(known, 'message') === message) return object(known);
    return { type, status: 'True', reason, message, lastUpdateTime: since, lastTransitionTime: since };
  };
  const withRevision = {
    ...fresh,
    metadata: {
      ...fresh.metadata,
      annotations: { ...fresh.metadata.annotations, [REVISION_KEY]: String(revisionOf(current)) },
    },
  };
  const status: JsonObject = {
    observedGeneration: fresh.metadata.generation ?? 1,
    replicas,
    updatedReplicas: replicas,
    readyReplicas: replicas,
    availableReplicas: replicas,
    conditions: [
      condition('Available', 'MinimumReplicasAvailable', 'Deployment has minimum availability.'),
      condition(
        'Progressing',
        'NewReplicaSetAvailable',
        `ReplicaSet "${current.metadata.name}" has successfully progressed.`,
      ),
    ],
  };
  storage.update(kinds.deployment, { ...withRevision, status }, { status: true });
}

const withoutLastApplied = (annotations: Json | undefined): { [key: string]: string } =>
  Object.fromEntries(
    Object.entries(strings(annotations)).filter(
      ([key]) => key !== 'kubectl.kubernetes.io/last-applied-configuration' && key !== REVISION_KEY,
    ),
  );

function runReplicaSet(storage: Storage, clock: Clock, set: KubeObject): void {
  const replicas = count(at(set, 'spec', 'replicas'), 1);
  const pods = ownedBy(storage, kinds.pod, set);
  for (let index = pods.length; index < replicas; index += 1) addPod(storage, clock, set, undefined);
  for (const pod of pods.slice(replicas)) storage.remove(kinds.pod, pod.metadata.namespace ?? '', pod.metadata.name);
  setStatus(storage, kinds.replicaSet, set, {
    replicas,
    fullyLabeledReplicas: replicas,
    readyReplicas: replicas,
    availableReplicas: replicas,
    observedGeneration: set.metadata.generation ?? 1,
  });
}

function runStatefulSet(storage: Storage, clock: Clock, set: KubeObject): void {
  const replicas = count(at(set, 'spec', 'replicas'), 1);
  const names = Array.from({ length: replicas }, (_, index) => `${set.metadata.name}-${index}`);
  const hash = syncNamedPods(
    storage,
    clock,
    set,
    names.map((name) => ({ name })),
  );
  setStatus(storage, kinds.statefulSet, set, {
    replicas,
    readyReplicas: replicas,
    currentReplicas: replicas,
    updatedReplicas: replicas,
    availableReplicas: replicas,
    currentRevision: `${set.metadata.name}-${hash}`,
    updateRevision: `${set.metadata.name}-${hash}`,
    observedGeneration: set.metadata.generation ?? 1,
  });
}

function runDaemonSet(storage: Storage, clock: Clock, set: KubeObject): void {
  const nodes = storage.list(kinds.node).map((node) => node.metadata.name);
  const wanted = nodes.map((node) => ({
    name: `${set.metadata.name}-${safeSuffix(node + set.metadata.name, 5)}`,
    node,
  }));
  syncNamedPods(storage, clock, set, wanted);
  setStatus(storage, kinds.daemonSet, set, {
    desiredNumberScheduled: nodes.length,
    currentNumberScheduled: nodes.length,
    updatedNumberScheduled: nodes.length,
    numberReady: nodes.length,
    numberAvailable: nodes.length,
    numberMisscheduled: 0,
    observedGeneration: set.metadata.generation ?? 1,
  });
}

/** Pods that keep their names: replaced when the template changes. Returns the template's hash. */
function syncNamedPods(
  storage: Storage,
  clock: Clock,
  set: KubeObject,
  wanted: readonly { name: string; node?: string }[],
): string {
  const hash = safeSuffix(stable(at(set, 'spec', 'template')), 10);
  for (const pod of ownedBy(storage, kinds.pod, set)) {
    const current = strings(pod.metadata.labels)['controller-revision-hash'] === hash;
    if (!current || !wanted.some(({ name }) => name === pod.metadata.name))
      storage.remove(kinds.pod, pod.metadata.namespace ?? '', pod.metadata.name);
  }
  for (const pod of wanted)
    if (!storage.find(kinds.pod, set.metadata.namespace ?? '', pod.name))
      addPod(storage, clock, set, { ...pod, labels: { 'controller-revision-hash': hash } });
  return hash;
}

function runJob(storage: Storage, clock: Clock, job: KubeObject): void {
  if (at(job, 'spec', 'suspend') === true || at(job, 'status', 'completionTime') !== undefined) return;
  const wanted = count(at(job, 'spec', 'completions'), 1);
  const labels = { 'batch.kubernetes.io/job-name': job.metadata.name, 'job-name': job.metadata.name };
  for (let index = ownedBy(storage, kinds.pod, job).length; index < wanted; index += 1)
    addPod(storage, clock, job, { labels, done: true });
  const now = timestamp(clock.now());
  setStatus(storage, kinds.job, job, {
    startTime: now,
    completionTime: now,
    succeeded: wanted,
    ready: 0,
    conditions: [{ type: 'Complete', status: 'True', lastProbeTime: now, lastTransitionTime: now }],
  });
}

function runService(storage: Storage, service: KubeObject): void {
  const { namespace = 'default', name } = service.metadata;
  const selector = strings(at(service, 'spec', 'selector'));
  if (Object.keys(selector).length === 0) return;
  const ready = storage
    .list(kinds.pod, namespace)
    .filter((pod) => at(pod, 'status', 'phase') === 'Running')
    .filter(({ metadata }) => Object.entries(selector).every(([key, value]) => metadata.labels?.[key] === value));
  const endpoints = ready.map((pod) => ({
    addresses: [text(at(pod, 'status', 'podIP'))],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: text(at(pod, 'spec', 'nodeName')),
    targetRef: { kind: 'Pod', name: pod.metadata.name, namespace, uid: pod.metadata.uid ?? '' },
  }));
  const ports = list(at(service, 'spec', 'ports')).map((port) => {
    const target = at(port, 'targetPort');
    return {
      name: text(at(port, 'name')),
      port: typeof target === 'number' ? target : namedPort(ready[0], text(target)) || count(at(port, 'port')),
      protocol: text(at(port, 'protocol'), 'TCP'),
    };
  });
  const existing = ownedBy(storage, kinds.endpointSlice, service)[0];
  const slice: KubeObject = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: existing?.metadata ?? {
      name: `${name}-${safeSuffix(`${namespace}/${name}`, 5)}`,
      namespace,
      labels: { 'kubernetes.io/service-name': name },
      ownerReferences: ownerOf(service),
    },
    addressType: 'IPv4',
    endpoints,
    ports,
  };
  if (existing) storage.update(kinds.endpointSlice, slice);
  else storage.create(kinds.endpointSlice, slice);
}

/** A kind is served as soon as it is defined; helm waits until its definition says so. */
function establish(storage: Storage, definition: KubeObject): void {
  if (at(definition, 'status', 'conditions') !== undefined) return;
  const conditions = ['NamesAccepted', 'Established'].map((type) => ({ type, status: 'True' }));
  setStatus(storage, kinds.definition, definition, { conditions });
}

function namedPort(pod: KubeObject | undefined, name: string): number {
  const ports = list(at(pod, 'spec', 'containers')).flatMap((container) => list(at(container, 'ports')));
  return count(
    at(
      ports.find((port) => at(port, 'name') === name),
      'containerPort',
    ),
  );
}

function setStatus(storage: Storage, kind: Kind, given: KubeObject, status: JsonObject): void {
  const fresh = storage.find(kind, given.metadata.namespace ?? '', given.metadata.name);
  if (fresh) storage.update(kind, { ...fresh, status: { ...object(fresh['status']), ...status } }, { status: true });
}
