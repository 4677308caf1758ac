import { at, count, strings, type KubeObject } from './json.ts';

/** The Scale of autoscaling/v1 that a workload shows at its sub-resource. */
export const asScale = (object: KubeObject): KubeObject => ({
  kind: 'Scale',
  apiVersion: 'autoscaling/v1',
  metadata: {
    name: object.metadata.name,
    ...(object.metadata.namespace !== undefined && { namespace: object.metadata.namespace }),
    ...(object.metadata.uid !== undefined && { uid: object.metadata.uid }),
    ...(object.metadata.resourceVersion !== undefined && { resourceVersion: object.metadata.resourceVersion }),
    ...(object.metadata.creationTimestamp !== undefined && {
      creationTimestamp: object.metadata.creationTimestamp,
    }),
  },
  spec: { replicas: count(at(object, 'spec', 'replicas'), 1) },
  status: {
    replicas: count(at(object, 'status', 'replicas')),
    selector: Object.entries(strings(at(object, 'spec', 'selector', 'matchLabels')))
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
  },
});
