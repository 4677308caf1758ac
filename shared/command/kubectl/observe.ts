import { checkName } from '../names.ts';
import { refuse } from '../../lib/refuse.ts';
import { qualifiedName } from '../../kubernetes/resources.ts';
import { ALL_NAMESPACES } from '../../kubernetes/attributes.ts';
import { globalFlags, printing, sent } from './flags.ts';
import { acrossNamespaces } from './targets.ts';
import type { Verb } from './verb.ts';

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
    if (word !== undefined) throw refuse(word, 'kubectl events takes no words');
    const type = call.catalog.builtIn('events');
    if (call.on('all-namespaces')) acrossNamespaces(call, [type], {});
    call.needs.add(call.on('watch') ? ['list', 'watch'] : 'list', type, { namespace: call.namespace });
    const about = call.flag('for') ?? '';
    if (about === '') return { args: [], flags: { 'all-namespaces': [] } };
    const slash = about.indexOf('/');
    if (slash === -1) throw refuse(`--for=${about}`, 'is not TYPE/NAME');
    const of = call.catalog.resolve(about.slice(0, slash));
    const name = checkName(of, about.slice(slash + 1));
    return { args: [], flags: { 'all-namespaces': [], for: [`${qualifiedName(of)}/${name}`] } };
  },
};

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
