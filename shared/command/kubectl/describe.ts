import { ALL_NAMESPACES } from '../../kubernetes/attributes.ts';
import { groupName, type ResourceType } from '../../kubernetes/resources.ts';
import { fileInput, globalFlags, sent } from './flags.ts';
import { readTargets } from './targets.ts';
import type { Call, Verb } from './verb.ts';

/** What kubectl reads beside the object, by kind (kubectl's describers; measured). Verbs on a type in the object's namespace. */
const beside: Readonly<Record<string, readonly (readonly [verb: string, type: string])[]>> = {
  'deployments.apps': [['list', 'replicasets.apps']],
  'replicasets.apps': [['list', 'pods']],
  'statefulsets.apps': [['list', 'pods']],
  'daemonsets.apps': [['list', 'pods']],
  replicationcontrollers: [['list', 'pods']],
  persistentvolumeclaims: [['list', 'pods']],
  serviceaccounts: [['list', 'secrets']],
  // Up to 1.30 the endpoints object, from 1.31 on the slices.
  services: [
    ['list', 'endpointslices.discovery.k8s.io'],
    ['get', 'endpoints'],
  ],
  'ingresses.networking.k8s.io': [
    ['list', 'endpointslices.discovery.k8s.io'],
    ['get', 'services'],
    ['get', 'endpoints'],
  ],
};

/** Kinds whose description has no events. */
const WITHOUT_EVENTS = new Set([
  'secrets',
  'limitranges',
  'resourcequotas',
  'namespaces',
  'networkpolicies.networking.k8s.io',
  'roles.rbac.authorization.k8s.io',
  'rolebindings.rbac.authorization.k8s.io',
  'clusterroles.rbac.authorization.k8s.io',
  'clusterrolebindings.rbac.authorization.k8s.io',
]);

export const describe: Verb = {
  flags: {
    ...globalFlags,
    ...fileInput,
    'all-namespaces': sent,
    'chunk-size': sent,
    selector: sent,
    'show-events': sent,
  },
  means: (call) => {
    // TYPE/NAME goes out, with which kubectl does not fall back to a list by prefix when the name is not there.
    const targets = readTargets(call, { query: 'free' });
    if (targets.kind === 'named') {
      for (const { type, name, namespace } of targets.items) {
        call.needs.add('get', type, { name, namespace });
        needBeside(call, type, namespace, name);
      }
    } else {
      for (const type of targets.types) {
        const namespace = type.namespaced ? targets.namespace : '';
        call.needs.add(['list', 'get'], type, { namespace });
        needBeside(call, type, namespace, '');
      }
    }
    return targets.sent;
  },
};

function needBeside(call: Call, type: ResourceType, namespace: string, name: string): void {
  const { needs, catalog } = call;
  const own = groupName(type);
  for (const [verb, other] of beside[own] ?? []) needs.add(verb, catalog.builtIn(other), { namespace });
  if (own === 'nodes') {
    needs.add('list', catalog.builtIn('pods'), { namespace: ALL_NAMESPACES });
    needs.add('get', catalog.builtIn('leases.coordination.k8s.io'), { namespace: 'kube-node-lease', name });
    // From 1.37 on.
    needs.add('list', catalog.builtIn('resourceslices.resource.k8s.io'));
  }
  if (own === 'namespaces') {
    // A namespace's quotas and limits are read in that namespace.
    for (const kind of ['resourcequotas', 'limitranges']) {
      needs.add('list', catalog.builtIn(kind), { namespace: name === '' ? ALL_NAMESPACES : name });
    }
  }
  if (call.flag('show-events') !== 'false' && !WITHOUT_EVENTS.has(own)) {
    needs.add('list', catalog.builtIn('events'), { namespace: type.namespaced ? namespace : ALL_NAMESPACES });
  }
}
