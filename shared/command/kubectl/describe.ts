import { ALL_NAMESPACES } from '../../kubernetes/attributes.ts';
import { groupName, qualifiedName, type ResourceType } from '../../kubernetes/resources.ts';
import { refuse } from '../../lib/refuse.ts';
import type { Program } from '../invocation.ts';
import { checkName } from '../names.ts';
import { sh } from '../program.ts';
import { fileInput, globalFlags, sent } from './flags.ts';
import { acrossNamespaces, readTargets, RUN_COMMAND_NAMESPACE } from './targets.ts';
import type { Call, Meaning, Verb } from './verb.ts';

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
const withoutEvents = new Set([
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
    if (isAcross(call)) return describeAcross(call);
    const byPrefix = prefixOf(call);
    if (byPrefix !== undefined) return describeByPrefix(call, byPrefix);
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

/** `describe TYPE NAME`: one type, one name, and nothing that chooses otherwise. */
function prefixOf(call: Call): { readonly type: ResourceType; readonly name: string } | undefined {
  const [first = '', name, surplus] = call.parsed.args;
  if (name === undefined || surplus !== undefined || /[,/]/u.test(`${first}${name}`) || first === 'all')
    return undefined;
  if (call.flags('filename').length > 0 || (call.flag('selector') ?? '') !== '') return undefined;
  const type = call.catalog.resolve(first);
  return { type, name: checkName(type, name) };
}

/**
 * When there is no object of that name kubectl lists all, and describes those whose names begin with it (pkg/cmd/describe,
 * DescribeMatchingResources). Who may not list gets the object of exactly that name.
 */
function describeByPrefix(call: Call, { type, name }: { readonly type: ResourceType; readonly name: string }): Meaning {
  const namespace = type.namespaced ? call.namespace : '';
  call.needs.add(['get', 'list'], type, { namespace });
  needBeside(call, type, namespace, '');
  return {
    args: [qualifiedName(type), name],
    lesser: {
      args: [`${call.parsed.args[0] ?? ''}/${name}`],
      warning: 'Only an object of exactly this name was looked for: others whose names begin so you may not list.',
    },
  };
}

const isAcross = (call: Call): boolean =>
  call.on('all-namespaces') && call.flags('filename').length === 0 && call.parsed.args.length === 1;

/**
 * kubectl describe has no field selector, with which the namespace of run command could be left out of -A: so the namespaces that have any are
 * asked for, and described one after the other.
 */
function describeAcross(call: Call): Meaning {
  const [first = ''] = call.parsed.args;
  if (first.includes('/'))
    throw refuse('--all-namespaces', 'an object cannot be named across namespaces; give its namespace with -n');
  const types = call.catalog.resolveList(first);
  for (const type of types) {
    const namespace = type.namespaced ? ALL_NAMESPACES : '';
    call.needs.add(['list', 'get'], type, { namespace });
    needBeside(call, type, namespace, '');
  }
  const selector = call.flag('selector') ?? '';
  const chosen = selector === '' ? [] : [`--selector=${selector}`];
  return {
    args: [],
    flags: { 'all-namespaces': [] },
    namespace: 'none',
    program: ([, , ...rest]) => [
      ...sh`r=0; g=; `,
      ...types.flatMap((type): Program => {
        const words = ['kubectl', 'describe', qualifiedName(type), ...rest];
        if (!type.namespaced) return sh`[ -z "$g" ] || printf '\\n\\n'; g=1; ${words} || r=$?; `;
        return sh`n=$(${listing(call, type, chosen)}) || r=$?; l=; for m in $n; do [ "$m" != "$l" ] && [ "$m" != ${[RUN_COMMAND_NAMESPACE]} ] || continue; l=$m; [ -z "$g" ] || printf '\\n\\n'; g=1; ${words} --namespace="$m" || r=$?; done; `;
      }),
      ...sh`exit "$r"`,
    ],
  };
}

/** The namespaces of what there is, in their order, many times each. */
function listing(call: Call, type: ResourceType, chosen: readonly string[]): readonly string[] {
  const across = acrossNamespaces(call, [type], { fieldSelector: true });
  const flags = Object.entries(across).flatMap(([name, values]) => values.map((value) => `--${name}=${value}`));
  const output = '--output=jsonpath={range .items[*]}{.metadata.namespace}{" "}{end}';
  return ['kubectl', 'get', qualifiedName(type), ...flags, ...chosen, output];
}

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
  if (call.flag('show-events') !== 'false' && !withoutEvents.has(own)) {
    needs.add('list', catalog.builtIn('events'), { namespace: type.namespaced ? namespace : ALL_NAMESPACES });
  }
}
