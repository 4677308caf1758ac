import type { JsonObject, KubeObject } from '../../infra/local/kubernetes/json.ts';

/** What can be wrong in a cluster, as objects: each with the finding that a look has to name. */
export interface Fault {
  readonly name: string;
  readonly objects: readonly KubeObject[];
  readonly finds: { readonly severity: string; readonly part: string; readonly what: string; readonly object: string };
  /** In the finding's detail. */
  readonly says?: RegExp;
}

const LONG_AGO = '2026-01-02T03:04:05Z';
const minutesBefore = (now: number, minutes: number): string =>
  new Date(now - minutes * 60_000).toISOString().replace(/\.\d+Z$/, 'Z');

const shop = (apiVersion: string, kind: string, name: string, rest: object): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name, namespace: 'shop', creationTimestamp: LONG_AGO, generation: 1 },
  ...rest,
});

const node = (
  name: string,
  {
    spec = {},
    conditions = [],
    kubelet,
    ready = 'True',
  }: {
    readonly spec?: JsonObject;
    readonly conditions?: readonly JsonObject[];
    readonly kubelet: string;
    readonly ready?: string;
  },
): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, creationTimestamp: LONG_AGO, labels: { 'kubernetes.azure.com/agentpool': 'pool1' } },
  spec,
  status: {
    allocatable: { cpu: '1900m', memory: '5Gi' },
    nodeInfo: { kubeletVersion: kubelet },
    conditions: [
      { type: 'Ready', status: ready, reason: ready === 'True' ? 'KubeletReady' : 'KubeletNotReady' },
      ...conditions,
    ],
  },
});

const pod = (name: string, status: object, limits?: object): KubeObject =>
  shop('v1', 'Pod', name, {
    spec: { containers: [{ name: 'app', image: 'app:1', ...(limits && { resources: { limits } }) }] },
    status,
  });

const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };

const container = (state: object, more: object = {}) => ({
  name: 'app',
  restartCount: 7,
  ready: false,
  image: 'app:1',
  imageID: '',
  state,
  lastState: {},
  ...more,
});

const unscheduled = (message: string) => ({
  phase: 'Pending',
  conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }],
});

const degraded = (part: string, what: string, object: string) => ({ severity: 'degraded', part, what, object });
const failing = (part: string, what: string, object: string) => ({ severity: 'failing', part, what, object });

/** All of its three pods are ready, and few of them are what its template says. */
function halfUpdated(kind: string, name: string, updated: number): KubeObject {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'app', image: 'app:1' }] } };
  const spec = {
    Deployment: { replicas: 3, paused: true },
    StatefulSet: {
      replicas: 3,
      serviceName: name,
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } },
    },
    DaemonSet: { updateStrategy: { type: 'OnDelete' } },
  }[kind];
  const status =
    kind === 'DaemonSet'
      ? {
          currentNumberScheduled: 3,
          desiredNumberScheduled: 3,
          numberMisscheduled: 0,
          numberReady: 3,
          updatedNumberScheduled: updated,
        }
      : { replicas: 3, readyReplicas: 3, updatedReplicas: updated };
  return shop('apps/v1', kind, name, {
    spec: { ...spec, selector: { matchLabels: labels }, template },
    status: { ...status, observedGeneration: 1 },
  });
}

/** The faults that live in objects. `now` is when they are looked at, `kubelet` what fits the API server. */
export const faults = (now: number, kubelet = 'v1.35.2'): readonly Fault[] => [
  {
    name: 'a node that is not ready',
    objects: [node('aks-sick', { kubelet, ready: 'False' })],
    finds: failing('nodes', 'node-not-ready', 'node/aks-sick'),
    says: /KubeletNotReady/,
  },
  {
    name: 'a node that nobody hears of',
    objects: [node('aks-gone', { kubelet, ready: 'Unknown' })],
    finds: failing('nodes', 'node-not-ready', 'node/aks-gone'),
  },
  {
    name: 'a node under pressure',
    objects: [
      node('aks-full', {
        kubelet,
        conditions: [{ type: 'MemoryPressure', status: 'True', reason: 'KubeletHasInsufficientMemory' }],
      }),
    ],
    finds: degraded('nodes', 'node-pressure', 'node/aks-full'),
    says: /MemoryPressure/,
  },
  {
    name: 'a cordoned node',
    objects: [node('aks-closed', { kubelet, spec: { unschedulable: true } })],
    finds: degraded('nodes', 'node-cordoned', 'node/aks-closed'),
  },
  {
    name: 'a kubelet that is too old',
    objects: [node('aks-old', { kubelet: 'v1.30.9' })],
    finds: degraded('nodes', 'kubelet-skew', 'node/aks-old'),
    says: /v1\.30\.9/,
  },
  {
    name: 'a crash loop',
    objects: [
      pod('crashing', {
        phase: 'Running',
        containerStatuses: [
          container(
            { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 5m0s restarting failed container' } },
            { lastState: { terminated: { reason: 'Error', exitCode: 1, finishedAt: minutesBefore(now, 2) } } },
          ),
        ],
      }),
    ],
    finds: failing('pods', 'crash-loop', 'pod/crashing'),
    says: /container app: CrashLoopBackOff, 7 restarts, ended last by Error/,
  },
  {
    name: 'a crash loop before the start',
    objects: [
      pod('crashing-first', {
        phase: 'Pending',
        initContainerStatuses: [container({ waiting: { reason: 'CrashLoopBackOff' } }, { name: 'migrate' })],
      }),
    ],
    finds: failing('pods', 'crash-loop', 'pod/crashing-first'),
    says: /migrate/,
  },
  {
    name: 'an image that cannot be pulled',
    objects: [
      pod('imageless', {
        phase: 'Pending',
        containerStatuses: [container({ waiting: { reason: 'ImagePullBackOff' } }, { restartCount: 0 })],
      }),
    ],
    finds: failing('pods', 'image-pull', 'pod/imageless'),
  },
  {
    name: 'a container that was killed for its memory',
    objects: [
      pod('hungry', {
        phase: 'Running',
        containerStatuses: [
          container(
            { running: { startedAt: minutesBefore(now, 9) } },
            {
              ready: true,
              restartCount: 1,
              lastState: { terminated: { reason: 'OOMKilled', exitCode: 137, finishedAt: minutesBefore(now, 10) } },
            },
          ),
        ],
      }),
    ],
    finds: degraded('pods', 'oom-killed', 'pod/hungry'),
  },
  {
    name: 'a pod for which no node has room',
    objects: [pod('roomless', unscheduled('0/2 nodes are available: 2 Insufficient cpu.'))],
    finds: degraded('pods', 'unschedulable', 'pod/roomless'),
    says: /2 Insufficient cpu/,
  },
  {
    name: 'a pod that no node tolerates',
    objects: [pod('tainted', unscheduled('0/2 nodes are available: 2 node(s) had untolerated taint {gpu: "true"}.'))],
    finds: degraded('pods', 'unschedulable', 'pod/tainted'),
    says: /untolerated taint \{gpu: "true"\}/,
  },
  {
    name: 'an evicted pod',
    objects: [pod('evicted', { phase: 'Failed', reason: 'Evicted', message: 'The node was low on memory' })],
    finds: degraded('pods', 'evicted', 'pod/evicted'),
  },
  {
    name: 'a pod that restarts again and again',
    objects: [
      pod('restless', {
        phase: 'Running',
        containerStatuses: [
          container(
            { running: { startedAt: minutesBefore(now, 3) } },
            {
              ready: true,
              restartCount: 12,
              lastState: { terminated: { reason: 'Error', finishedAt: minutesBefore(now, 4) } },
            },
          ),
        ],
      }),
    ],
    finds: degraded('pods', 'restarting', 'pod/restless'),
  },
  {
    name: 'a claim without a volume',
    objects: [
      shop('v1', 'PersistentVolumeClaim', 'unbound', {
        spec: { storageClassName: 'no-such-class', ...claim },
        status: { phase: 'Pending' },
      }),
    ],
    finds: degraded('storage', 'claim-unbound', 'persistentvolumeclaim/unbound'),
    says: /no-such-class/,
  },
  {
    name: 'a claim whose volume is gone',
    objects: [
      shop('v1', 'PersistentVolumeClaim', 'lost', {
        spec: { storageClassName: 'managed-csi', ...claim },
        status: { phase: 'Lost' },
      }),
    ],
    finds: failing('storage', 'claim-lost', 'persistentvolumeclaim/lost'),
  },
  {
    name: 'a failed job',
    objects: [
      shop('batch/v1', 'Job', 'nightly', {
        spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'app', image: 'app:1' }] } } },
        status: {
          failed: 4,
          startTime: LONG_AGO,
          conditions: ['FailureTarget', 'Failed'].map((type) => ({
            type,
            status: 'True',
            reason: 'BackoffLimitExceeded',
          })),
        },
      }),
    ],
    finds: degraded('workloads', 'job-failed', 'job/nightly'),
    says: /BackoffLimitExceeded/,
  },
  {
    name: 'a rollout that is stuck',
    objects: [
      shop('apps/v1', 'Deployment', 'stuck', {
        spec: {
          replicas: 3,
          selector: { matchLabels: { app: 'stuck' } },
          template: { metadata: { labels: { app: 'stuck' } }, spec: { containers: [{ name: 'app', image: 'app:1' }] } },
        },
        status: {
          replicas: 4,
          readyReplicas: 3,
          updatedReplicas: 1,
          observedGeneration: 1,
          conditions: [
            { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable' },
            { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' },
          ],
        },
      }),
    ],
    finds: failing('workloads', 'rollout-stuck', 'deployment/stuck'),
    says: /ProgressDeadlineExceeded, 3 of 3 ready/,
  },
  ...[
    {
      name: 'a rollout that a partition holds',
      kind: 'StatefulSet',
      object: 'canary',
      updated: 1,
      says: /^paused by partition 2, 1 of 3 updated$/,
    },
    {
      name: 'a rollout that has not come to its partition',
      kind: 'StatefulSet',
      object: 'behind',
      updated: 0,
      says: /^0 of 3 updated$/,
    },
    {
      name: 'a rollout that waits for its pods to be deleted',
      kind: 'DaemonSet',
      object: 'ondelete',
      updated: 0,
      says: /OnDelete/,
    },
    {
      name: 'a deployment that is paused in the middle',
      kind: 'Deployment',
      object: 'held',
      updated: 0,
      says: /^paused, 0 of 3 updated$/,
    },
  ].map(({ name, kind, object, updated, says }) => ({
    name,
    objects: [halfUpdated(kind, object, updated)],
    finds: degraded(
      'workloads',
      object === 'behind' ? 'rolling-out' : 'rollout-paused',
      `${kind.toLowerCase()}/${object}`,
    ),
    says,
  })),
  {
    name: 'a deployment without a single replica',
    objects: [
      shop('apps/v1', 'Deployment', 'down', {
        spec: {
          replicas: 2,
          selector: { matchLabels: { app: 'down' } },
          template: { metadata: { labels: { app: 'down' } }, spec: { containers: [{ name: 'app', image: 'app:1' }] } },
        },
        status: { replicas: 2, updatedReplicas: 2, observedGeneration: 1 },
      }),
    ],
    finds: failing('workloads', 'none-ready', 'deployment/down'),
  },
  {
    name: 'a stateful set that lacks a replica',
    objects: [
      shop('apps/v1', 'StatefulSet', 'db', {
        spec: {
          replicas: 3,
          serviceName: 'db',
          selector: { matchLabels: { app: 'db' } },
          template: { metadata: { labels: { app: 'db' } }, spec: { containers: [{ name: 'app', image: 'app:1' }] } },
        },
        status: { replicas: 3, readyReplicas: 2, updatedReplicas: 3, observedGeneration: 1 },
      }),
    ],
    finds: degraded('workloads', 'not-all-ready', 'statefulset/db'),
    says: /2 of 3/,
  },
  {
    name: 'a daemon set that lacks a node',
    objects: [
      shop('apps/v1', 'DaemonSet', 'agent', {
        spec: {
          selector: { matchLabels: { app: 'agent' } },
          template: { metadata: { labels: { app: 'agent' } }, spec: { containers: [{ name: 'app', image: 'app:1' }] } },
        },
        status: { desiredNumberScheduled: 2, numberReady: 1, updatedNumberScheduled: 2, observedGeneration: 1 },
      }),
    ],
    finds: degraded('workloads', 'not-all-ready', 'daemonset/agent'),
  },
  {
    name: 'an autoscaler at its maximum',
    objects: [
      shop('autoscaling/v2', 'HorizontalPodAutoscaler', 'web', {
        spec: {
          minReplicas: 2,
          maxReplicas: 10,
          scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        },
        status: { currentReplicas: 10, desiredReplicas: 10 },
      }),
    ],
    finds: degraded('scaling', 'at-maximum', 'horizontalpodautoscaler/web'),
  },
  {
    name: 'a budget that lets no node be drained',
    objects: [
      shop('policy/v1', 'PodDisruptionBudget', 'all', {
        spec: { minAvailable: '100%' },
        status: { disruptionsAllowed: 0, currentHealthy: 2, desiredHealthy: 2, expectedPods: 2 },
      }),
    ],
    finds: degraded('scaling', 'blocks-drain', 'poddisruptionbudget/all'),
  },
];

/** Kubernetes' MicroTime, which the API server takes with six digits alone. */
const micro = (time: string): string => time.replace('Z', '.000000Z');

/** Warnings, two of this hour and an old one. */
export const warnings = (now: number): readonly KubeObject[] => [
  shop('v1', 'Event', 'web.1', {
    type: 'Warning',
    reason: 'BackOff',
    message: 'Back-off restarting failed container',
    involvedObject: { kind: 'Pod', name: 'web-1', namespace: 'shop' },
    count: 17,
    lastTimestamp: minutesBefore(now, 3),
  }),
  shop('v1', 'Event', 'web.2', {
    type: 'Warning',
    reason: 'Fail|ed\nPod|shop',
    involvedObject: { kind: 'Pod', name: 'web|2', namespace: 'shop' },
    eventTime: micro(minutesBefore(now, 50)),
    action: 'Pulling',
    reportingComponent: 'kubelet',
    reportingInstance: 'aks-1',
    series: { count: 4, lastObservedTime: micro(minutesBefore(now, 9)) },
  }),
  shop('v1', 'Event', 'web.3', {
    type: 'Warning',
    reason: 'Old',
    involvedObject: { kind: 'Pod', name: 'web-3', namespace: 'shop' },
    count: 99,
    lastTimestamp: minutesBefore(now, 90),
  }),
];
