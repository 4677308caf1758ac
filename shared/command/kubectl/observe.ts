import { checkName } from '../names.ts';
import { refuse } from '../../lib/refuse.ts';
import { qualifiedName, type ResourceType } from '../../kubernetes/resources.ts';
import { ALL_NAMESPACES } from '../../kubernetes/attributes.ts';
import { globalFlags, printing, readOutput, sent } from './flags.ts';
import { acrossNamespaces } from './targets.ts';
import type { Call, Verb } from './verb.ts';

export const events: Verb = {
  flags: {
    ...globalFlags,
    ...printing,
    'all-namespaces': sent,
    'chunk-size': sent,
    for: sent,
    'no-headers': sent,
    types: sent,
    watch: sent,
  },
  means: (call) => {
    const [word] = call.parsed.args;
    if (word !== undefined) throw refuse(word, 'kubectl events takes no arguments');
    const type = call.catalog.builtIn('events');
    const all = call.on('all-namespaces');
    const namespace = all ? ALL_NAMESPACES : call.namespace;
    call.needs.add(call.on('watch') ? ['list', 'watch'] : 'list', type, { namespace });
    const about = aboutOf(call);
    if (all) return { args: [], words: acrossAll(call, type, about) };
    const flags = { 'all-namespaces': [] };
    return about === undefined
      ? { args: [], flags }
      : { args: [], flags: { ...flags, for: [`${qualifiedName(about.type)}/${about.name}`] } };
  },
};

/** `--for=TYPE/NAME`. */
function aboutOf(call: Call): { readonly type: ResourceType; readonly name: string } | undefined {
  const about = call.flag('for') ?? '';
  if (about === '') return undefined;
  const slash = about.indexOf('/');
  if (slash === -1) throw refuse(`--for=${about}`, 'is not TYPE/NAME');
  const type = call.catalog.resolve(about.slice(0, slash));
  return { type, name: checkName(type, about.slice(slash + 1)) };
}

const eventTypes = ['Normal', 'Warning'] as const;

/** Flags that `get` has too, and that go out as they came. */
const kept = [
  'template',
  'allow-missing-template-keys',
  'show-managed-fields',
  'no-headers',
  'chunk-size',
  'watch',
  'request-timeout',
  'warnings-as-errors',
  'disable-compression',
  'v',
] as const;

/**
 * `kubectl events -A` has no field selector, with which the namespace of run command is left out; `kubectl get events -A` has, and prints the
 * same columns.
 */
function acrossAll(call: Call, type: ResourceType, about: ReturnType<typeof aboutOf>): readonly string[] {
  const types = call.flags('types').map((one) => {
    const known = eventTypes.find((name) => name.toLowerCase() === one.toLowerCase());
    if (known === undefined) throw refuse(`--types=${one}`, `is not one of ${eventTypes.join(', ')}`);
    return known;
  });
  const [only] = types;
  const flags = acrossNamespaces(call, [type], { fieldSelector: true });
  const fields = [
    ...(flags['field-selector'] ?? []),
    ...(only !== undefined && new Set(types).size === 1 ? [`type=${only}`] : []),
    ...(about === undefined ? [] : [`involvedObject.kind=${about.type.kind}`, `involvedObject.name=${about.name}`]),
  ];
  const output = call.flags('output').map((value) => `--output=${readOutput(value, call)}`);
  const watched = call.on('watch');
  call.warn('Asked as kubectl get events -A, which can leave out the namespace of run command.');
  return [
    'kubectl',
    'get',
    qualifiedName(type),
    '--all-namespaces=true',
    `--field-selector=${fields.join(',')}`,
    ...(watched ? [] : ['--sort-by=.lastTimestamp']),
    ...output,
    ...kept.flatMap((name) => call.flags(name).map((value) => `--${name}=${value}`)),
  ];
}

/** metrics-server's figures: of one object by get, of several by list. */
export const topPod: Verb = {
  flags: {
    ...globalFlags,
    'all-namespaces': sent,
    containers: sent,
    'field-selector': sent,
    'no-headers': sent,
    selector: sent,
    'show-swap': sent,
    'sort-by': sent,
    sum: sent,
    'use-protocol-buffers': sent,
  },
  means: (call) => {
    const [word, surplus] = call.parsed.args;
    if (surplus !== undefined) throw refuse(surplus, 'kubectl top pod takes one name');
    const metrics = call.catalog.builtIn('pods.metrics.k8s.io');
    // Read where there are no figures, to tell why, and with a field selector (kubectl's top_pod.go, verifyEmptyMetrics).
    const pods = call.catalog.builtIn('pods');
    const all = call.on('all-namespaces');
    if (word !== undefined) {
      if (all)
        throw refuse('--all-namespaces', 'an object cannot be named across namespaces; give its namespace with -n');
      const name = checkName(metrics, word);
      call.needs.add('get', metrics, { name, namespace: call.namespace });
      if ((call.flag('field-selector') ?? '') !== '') {
        call.needs.add('get', pods, { name, namespace: call.namespace });
        call.needs.add('list', pods, { namespace: call.namespace });
      }
      return { args: [name] };
    }
    for (const type of [metrics, pods])
      call.needs.add('list', type, { namespace: all ? ALL_NAMESPACES : call.namespace });
    if (!all) return { args: [], flags: { 'all-namespaces': [] } };
    // --all is not one of this verb's flags, so that none goes out for it.
    return { args: [], flags: acrossNamespaces(call, [metrics], { fieldSelector: true }), namespace: 'none' };
  },
};

export const topNode: Verb = {
  flags: {
    ...globalFlags,
    'no-headers': sent,
    selector: sent,
    'show-capacity': sent,
    'show-swap': sent,
    'sort-by': sent,
    'use-protocol-buffers': sent,
  },
  means: (call) => {
    const [word, surplus] = call.parsed.args;
    if (surplus !== undefined) throw refuse(surplus, 'kubectl top node takes one name');
    const { needs, catalog } = call;
    const metrics = catalog.builtIn('nodes.metrics.k8s.io');
    const name = word === undefined ? '' : checkName(metrics, word);
    // The nodes themselves for what they have in all.
    for (const type of [metrics, catalog.builtIn('nodes')]) needs.add(name === '' ? 'list' : 'get', type, { name });
    return { args: name === '' ? [] : [name] };
  },
};
