import { at, count, list, object, strings, text, type Json, type JsonObject, type KubeObject } from './json.ts';
import type { Kind } from './kinds.ts';

/** A column as the server prints it; `wide` ones show with -o wide only. */
type Column = readonly [name: string, cell: (object: KubeObject, now: number) => Json, wide?: 'wide'];

/** `Table` of meta.k8s.io/v1: what kubectl prints when it asks `as=Table`. */
export function tableOf(
  kind: Kind,
  objects: readonly KubeObject[],
  options: { now: number; metadata?: JsonObject; wholeObjects?: boolean },
): JsonObject {
  const own = columnsByKind[kind.kind] ?? [age];
  // Events alone are printed without their names.
  const columns: readonly Column[] = kind.kind === 'Event' ? own : [name, ...own];
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: options.metadata ?? {},
    columnDefinitions: columns.map(([title, , wide]) => ({
      name: title,
      type: 'string',
      format: title === 'Name' ? 'name' : '',
      description: title,
      priority: wide ? 1 : 0,
    })),
    rows: objects.map((object) => ({
      cells: columns.map(([, cell]) => cell(object, options.now)),
      object: options.wholeObjects
        ? object
        : { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata },
    })),
  };
}

/** `HumanDuration` of k8s.io/apimachinery: 45s, 3m30s, 5h12m, 3d4h, 61d, 2y. */
function humanDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  const pair = (big: number, unit: string, small: number, smallUnit: string) =>
    small === 0 ? `${big}${unit}` : `${big}${unit}${small}${smallUnit}`;
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return pair(minutes, 'm', seconds % 60, 's');
  if (hours < 3) return `${minutes}m`;
  if (hours < 8) return pair(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  if (days < 8) return pair(days, 'd', hours % 24, 'h');
  if (days < 730) return `${days}d`;
  return `${Math.floor(days / 365)}y`;
}

const since = (value: Json | undefined, now: number): string =>
  typeof value === 'string' ? humanDuration(now - Date.parse(value)) : '<unknown>';
const or = (value: string, otherwise = '<none>'): string => (value === '' ? otherwise : value);
const joined = (values: readonly Json[]): string => or(values.map((value) => text(value)).join(','));
const labels = (value: Json | undefined): string =>
  or(
    Object.entries(strings(value))
      .map(([key, label]) => `${key}=${label}`)
      .join(','),
  );

const name: Column = ['Name', ({ metadata }) => metadata.name];
const age: Column = ['Age', ({ metadata }, now) => since(metadata.creationTimestamp, now)];
const field = (title: string, path: string, wide?: 'wide'): Column => {
  const cell: Column[1] = (object) => or(text(at(object, ...path.split('.'))));
  return wide ? [title, cell, wide] : [title, cell];
};
const number = (title: string, path: string): Column => [title, (object) => count(at(object, ...path.split('.')))];

const templateContainers = (object: KubeObject): Json[] => list(at(object, 'spec', 'template', 'spec', 'containers'));
const workload: readonly Column[] = [
  ['Containers', (object) => joined(templateContainers(object).map((c) => at(c, 'name') ?? '')), 'wide'],
  ['Images', (object) => joined(templateContainers(object).map((c) => at(c, 'image') ?? '')), 'wide'],
  ['Selector', (object) => labels(at(object, 'spec', 'selector', 'matchLabels')), 'wide'],
];

const columnsByKind: Readonly<Record<string, readonly Column[]>> = {
  Pod: [
    ['Ready', (pod) => `${readyContainers(pod)}/${list(at(pod, 'spec', 'containers')).length}`],
    ['Status', podStatus],
    [
      'Restarts',
      (pod) =>
        text(
          list(at(pod, 'status', 'containerStatuses')).reduce<number>(
            (sum, s) => sum + count(at(s, 'restartCount')),
            0,
          ),
        ),
    ],
    age,
    field('IP', 'status.podIP', 'wide'),
    field('Node', 'spec.nodeName', 'wide'),
    field('Nominated Node', 'status.nominatedNodeName', 'wide'),
    ['Readiness Gates', () => '<none>', 'wide'],
  ],
  Deployment: [
    ['Ready', (d) => `${count(at(d, 'status', 'readyReplicas'))}/${count(at(d, 'spec', 'replicas'), 1)}`],
    number('Up-to-date', 'status.updatedReplicas'),
    number('Available', 'status.availableReplicas'),
    age,
    ...workload,
  ],
  ReplicaSet: [
    number('Desired', 'spec.replicas'),
    number('Current', 'status.replicas'),
    number('Ready', 'status.readyReplicas'),
    age,
    ...workload,
  ],
  StatefulSet: [
    ['Ready', (s) => `${count(at(s, 'status', 'readyReplicas'))}/${count(at(s, 'spec', 'replicas'), 1)}`],
    age,
    ...workload.slice(0, 2),
  ],
  DaemonSet: [
    number('Desired', 'status.desiredNumberScheduled'),
    number('Current', 'status.currentNumberScheduled'),
    number('Ready', 'status.numberReady'),
    number('Up-to-date', 'status.updatedNumberScheduled'),
    number('Available', 'status.numberAvailable'),
    ['Node Selector', (d) => labels(at(d, 'spec', 'template', 'spec', 'nodeSelector'))],
    age,
    ...workload,
  ],
  Job: [
    ['Status', (job) => (count(at(job, 'status', 'succeeded')) > 0 ? 'Complete' : 'Running')],
    ['Completions', (job) => `${count(at(job, 'status', 'succeeded'))}/${count(at(job, 'spec', 'completions'), 1)}`],
    [
      'Duration',
      (job, now) => since(at(job, 'status', 'startTime'), Date.parse(text(at(job, 'status', 'completionTime'))) || now),
    ],
    age,
    ...workload,
  ],
  CronJob: [
    field('Schedule', 'spec.schedule'),
    field('Timezone', 'spec.timeZone'),
    ['Suspend', (job) => (at(job, 'spec', 'suspend') === true ? 'True' : 'False')],
    ['Active', (job) => list(at(job, 'status', 'active')).length],
    [
      'Last Schedule',
      (job, now) =>
        at(job, 'status', 'lastScheduleTime') === undefined
          ? '<none>'
          : since(at(job, 'status', 'lastScheduleTime'), now),
    ],
    age,
  ],
  Service: [
    field('Type', 'spec.type'),
    field('Cluster-IP', 'spec.clusterIP'),
    ['External-IP', (s) => joined(list(at(s, 'status', 'loadBalancer', 'ingress')).map((i) => at(i, 'ip') ?? ''))],
    ['Port(s)', (s) => joined(list(at(s, 'spec', 'ports')).map(servicePort))],
    age,
    ['Selector', (s) => labels(at(s, 'spec', 'selector')), 'wide'],
  ],
  Node: [
    ['Status', nodeStatus],
    [
      'Roles',
      (node) =>
        joined(
          Object.keys(strings(node.metadata.labels)).flatMap(
            (key) => /^node-role\.kubernetes\.io\/(.+)$/.exec(key)?.[1] ?? [],
          ),
        ),
    ],
    age,
    field('Version', 'status.nodeInfo.kubeletVersion'),
    ['Internal-IP', (node) => nodeAddress(node, 'InternalIP'), 'wide'],
    ['External-IP', (node) => nodeAddress(node, 'ExternalIP'), 'wide'],
    field('OS-Image', 'status.nodeInfo.osImage', 'wide'),
    field('Kernel-Version', 'status.nodeInfo.kernelVersion', 'wide'),
    field('Container-Runtime', 'status.nodeInfo.containerRuntimeVersion', 'wide'),
  ],
  Namespace: [field('Status', 'status.phase'), age],
  ConfigMap: [
    ['Data', (map) => Object.keys(object(map['data'])).length + Object.keys(object(map['binaryData'])).length],
    age,
  ],
  Secret: [field('Type', 'type'), ['Data', (secret) => Object.keys(object(secret['data'])).length], age],
  ServiceAccount: [['Secrets', (account) => list(account['secrets']).length], age],
  Ingress: [
    field('Class', 'spec.ingressClassName'),
    [
      'Hosts',
      (i) =>
        or(
          list(at(i, 'spec', 'rules'))
            .map((rule) => text(at(rule, 'host'), '*'))
            .join(','),
          '*',
        ),
    ],
    [
      'Address',
      (i) =>
        list(at(i, 'status', 'loadBalancer', 'ingress'))
          .map((entry) => text(at(entry, 'ip')))
          .join(','),
    ],
    ['Ports', (i) => (list(at(i, 'spec', 'tls')).length > 0 ? '80, 443' : '80')],
    age,
  ],
  Event: [
    ['Last Seen', (event, now) => since(event['lastTimestamp'] ?? event.metadata.creationTimestamp, now)],
    field('Type', 'type'),
    field('Reason', 'reason'),
    [
      'Object',
      (event) =>
        `${text(at(event, 'involvedObject', 'kind')).toLowerCase()}/${text(at(event, 'involvedObject', 'name'))}`,
    ],
    field('Message', 'message'),
  ],
  HorizontalPodAutoscaler: [
    [
      'Reference',
      (hpa) => `${text(at(hpa, 'spec', 'scaleTargetRef', 'kind'))}/${text(at(hpa, 'spec', 'scaleTargetRef', 'name'))}`,
    ],
    ['Targets', () => '<unknown>'],
    ['MinPods', (hpa) => or(text(at(hpa, 'spec', 'minReplicas')), '<unset>')],
    number('MaxPods', 'spec.maxReplicas'),
    number('Replicas', 'status.currentReplicas'),
    age,
  ],
  PersistentVolumeClaim: [
    field('Status', 'status.phase'),
    field('Volume', 'spec.volumeName'),
    field('Capacity', 'status.capacity.storage'),
    ['Access Modes', (claim) => joined(list(at(claim, 'spec', 'accessModes')))],
    field('StorageClass', 'spec.storageClassName'),
    age,
  ],
  RoleBinding: [['Role', roleRef], age],
  ClusterRoleBinding: [['Role', roleRef], age],
  Role: [['Created At', ({ metadata }) => metadata.creationTimestamp ?? '']],
  ClusterRole: [['Created At', ({ metadata }) => metadata.creationTimestamp ?? '']],
  CustomResourceDefinition: [['Created At', ({ metadata }) => metadata.creationTimestamp ?? '']],
};

function roleRef(binding: KubeObject): string {
  return `${text(at(binding, 'roleRef', 'kind'))}/${text(at(binding, 'roleRef', 'name'))}`;
}

function readyContainers(pod: KubeObject): number {
  return list(at(pod, 'status', 'containerStatuses')).filter((status) => at(status, 'ready') === true).length;
}

function podStatus(pod: KubeObject): string {
  for (const status of list(at(pod, 'status', 'containerStatuses'))) {
    const waiting = text(at(status, 'state', 'waiting', 'reason'));
    const ended = text(at(status, 'state', 'terminated', 'reason'));
    if (waiting !== '' || ended !== '') return waiting || ended;
  }
  return text(at(pod, 'status', 'phase'), 'Unknown');
}

function servicePort(port: Json): string {
  const nodePort = text(at(port, 'nodePort'));
  return `${text(at(port, 'port'))}${nodePort && `:${nodePort}`}/${text(at(port, 'protocol'), 'TCP')}`;
}

function nodeStatus(node: KubeObject): string {
  const ready = list(at(node, 'status', 'conditions')).find((condition) => at(condition, 'type') === 'Ready');
  const state = at(ready, 'status') === 'True' ? 'Ready' : 'NotReady';
  return at(node, 'spec', 'unschedulable') === true ? `${state},SchedulingDisabled` : state;
}

function nodeAddress(node: KubeObject, type: string): string {
  const found = list(at(node, 'status', 'addresses')).find((address) => at(address, 'type') === type);
  return or(text(at(found, 'address')));
}
