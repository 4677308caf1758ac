import { at, count, list, object, strings, text, type KubeObject } from './json.ts';
import type { Kind } from './kinds.ts';
import { invalid } from './status.ts';

/**
 * Defaults and the few checks without which the controllers could not work. Throws StatusError 422. `turn` spreads cluster IPs.
 */
export function admit(kind: Kind, given: KubeObject, turn: number): KubeObject {
  const { name, generateName } = given.metadata;
  if (name === '' && generateName === undefined)
    throw invalid(kind.kind, kind.group, '', 'metadata.name', 'Required value: name or generateName is required');
  if (name !== '' && !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name) && !kind.group.startsWith('rbac.'))
    throw invalid(
      kind.kind,
      kind.group,
      name,
      'metadata.name',
      `Invalid value: "${name}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'`,
    );
  const spec = object(given['spec']);
  switch (kind.kind) {
    case 'Deployment':
    case 'ReplicaSet':
    case 'StatefulSet':
    case 'DaemonSet': {
      const labels = strings(at(spec, 'template', 'metadata', 'labels'));
      const selector = strings(at(spec, 'selector', 'matchLabels'));
      if (Object.keys(selector).length === 0 && at(spec, 'selector', 'matchExpressions') === undefined)
        throw invalid(kind.kind, kind.group, name, 'spec.selector', 'Required value');
      if (Object.entries(selector).some(([key, value]) => labels[key] !== value))
        throw invalid(
          kind.kind,
          kind.group,
          name,
          'spec.template.metadata.labels',
          'Invalid value: `selector` does not match template `labels`',
        );
      if (list(at(spec, 'template', 'spec', 'containers')).length === 0)
        throw invalid(kind.kind, kind.group, name, 'spec.template.spec.containers', 'Required value');
      return kind.kind === 'DaemonSet' ? given : { ...given, spec: { ...spec, replicas: count(spec['replicas'], 1) } };
    }
    case 'Pod':
      if (list(spec['containers']).length === 0)
        throw invalid(kind.kind, kind.group, name, 'spec.containers', 'Required value');
      return given;
    case 'Service': {
      const clusterIP = text(spec['clusterIP']) || `10.0.77.${(turn % 250) + 4}`;
      return {
        ...given,
        spec: { type: 'ClusterIP', sessionAffinity: 'None', clusterIP, clusterIPs: [clusterIP], ...spec },
        status: given['status'] ?? { loadBalancer: {} },
      };
    }
    case 'Namespace':
      return { ...given, spec: { finalizers: ['kubernetes'], ...spec }, status: { phase: 'Active' } };
    case 'Secret': {
      const plain = Object.entries(strings(given['stringData'])).map(([key, value]) => [
        key,
        Buffer.from(value).toString('base64'),
      ]);
      const { stringData: _, ...rest } = given;
      return {
        ...rest,
        type: given['type'] ?? 'Opaque',
        data: { ...object(given['data']), ...Object.fromEntries(plain) },
      };
    }
    default:
      return given;
  }
}
