import { createHash } from 'node:crypto';
import type { Clock } from '../../../shared/clock.ts';
import { at, list, object, stable, strings, text, type KubeObject } from './json.ts';
import { kindNamed } from './kinds.ts';
import { timestamp, type Storage } from './storage.ts';

const kinds = { node: kindNamed('Node'), pod: kindNamed('Pod') };

export const ownerOf = (owner: KubeObject): ObjectOwner => [
  {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  },
];
type ObjectOwner = NonNullable<KubeObject['metadata']['ownerReferences']>;

interface PodWish {
  readonly name?: string;
  readonly node?: string;
  readonly labels?: { [key: string]: string };
  readonly done?: boolean;
}

export function addPod(storage: Storage, clock: Clock, owner: KubeObject, wish: PodWish = {}): void {
  const template = object(at(owner, 'spec', 'template'));
  storage.create(
    kinds.pod,
    runPod(
      storage,
      clock,
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          name: wish.name ?? '',
          generateName: `${owner.metadata.name}-`,
          namespace: owner.metadata.namespace ?? 'default',
          labels: { ...strings(at(template, 'metadata', 'labels')), ...wish.labels },
          annotations: strings(at(template, 'metadata', 'annotations')),
          ownerReferences: ownerOf(owner),
          creationTimestamp: timestamp(clock.now()),
        },
        spec: { ...object(template['spec']), ...(wish.node !== undefined && { nodeName: wish.node }) },
      },
      wish.done ?? false,
    ),
  );
}

/** A pod with everything that scheduler and kubelet would add. */
export function runPod(storage: Storage, clock: Clock, pod: KubeObject, done = false): KubeObject {
  const nodes = storage.list(kinds.node).map((node) => node.metadata.name);
  const spec = object(pod['spec']);
  const containers = list(spec['containers']);
  const started = timestamp(clock.now());
  const digest = createHash('sha256')
    .update(stable(pod.metadata) + storage.version())
    .digest();
  const [, second = 0] = digest;
  const turn = storage.list(kinds.pod).length;
  const state = done
    ? { terminated: { exitCode: 0, reason: 'Completed', startedAt: started, finishedAt: started } }
    : { running: { startedAt: started } };
  const condition = (type: string, status = 'True') => ({
    type,
    status,
    lastProbeTime: null,
    lastTransitionTime: started,
  });
  return {
    ...pod,
    spec: {
      restartPolicy: 'Always',
      dnsPolicy: 'ClusterFirst',
      schedulerName: 'default-scheduler',
      securityContext: {},
      terminationGracePeriodSeconds: 30,
      serviceAccountName: 'default',
      nodeName: nodes[turn % Math.max(1, nodes.length)] ?? '',
      ...spec,
      containers: containers.map((container) => ({
        imagePullPolicy: 'IfNotPresent',
        resources: {},
        ...object(container),
      })),
    },
    status: {
      phase: done ? 'Succeeded' : 'Running',
      conditions: [
        condition('Initialized'),
        condition('Ready', done ? 'False' : 'True'),
        condition('ContainersReady', done ? 'False' : 'True'),
        condition('PodScheduled'),
      ],
      hostIP: `10.224.0.${(turn % 2) + 4}`,
      podIP: `10.244.${turn % 2}.${(second % 250) + 4}`,
      startTime: started,
      containerStatuses: containers.map((container) => ({
        name: text(at(container, 'name')),
        image: text(at(container, 'image')),
        imageID: `${text(at(container, 'image'))}@sha256:${digest.toString('hex')}`,
        containerID: `containerd://${digest.toString('hex')}`,
        ready: !done,
        started: !done,
        restartCount: 0,
        state,
        lastState: {},
      })),
      qosClass: 'BestEffort',
    },
  };
}
