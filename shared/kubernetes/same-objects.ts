import type { ResourcePattern } from './resource-pattern.ts';

/**
 * Resources that are the same objects under two groups: an API server stores them once and serves them twice (kube-apiserver,
 * pkg/kubeapiserver/default_storage_factory_builder.go, AddCohabitatingResources; `extensions` until 1.21). A rule that denies one
 * of them would otherwise deny nothing to a caller who writes the other.
 */
const twice: readonly (readonly [resource: string, group: string, other: string])[] = [
  ['events', '', 'events.k8s.io'],
  ['deployments', 'apps', 'extensions'],
  ['daemonsets', 'apps', 'extensions'],
  ['replicasets', 'apps', 'extensions'],
  ['ingresses', 'networking.k8s.io', 'extensions'],
  ['networkpolicies', 'networking.k8s.io', 'extensions'],
];

/** What a denied resource stands for: itself, and the same objects under their other group. */
export function withSameObjects(pattern: ResourcePattern): readonly ResourcePattern[] {
  const { resource, group } = pattern;
  if (group === '*') return [pattern];
  const others = twice.flatMap(([name, one, other]) => {
    if (resource !== '*' && resource !== name) return [];
    if (group === one) return [{ ...pattern, resource: name, group: other }];
    return group === other ? [{ ...pattern, resource: name, group: one }] : [];
  });
  return [pattern, ...others];
}
