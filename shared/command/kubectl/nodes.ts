import { ALL_NAMESPACES } from '../../kubernetes/attributes.ts';
import { checkName } from '../names.ts';
import { refuse } from '../../lib/refuse.ts';
import { qualifiedName } from '../../kubernetes/resources.ts';
import { dryRun, fieldManager, globalFlags, printing, sent } from './flags.ts';
import { splitPairs } from './label.ts';
import { needTargets, readTargets } from './targets.ts';
import type { Call, Meaning, Verb } from './verb.ts';

/** Nodes by name, or by -l. */
function readNodes(call: Call): Pick<Meaning, 'args' | 'flags' | 'namespace'> {
  const nodes = call.catalog.builtIn('nodes');
  if (call.parsed.args.length === 0) {
    if ((call.flag('selector') ?? '') === '')
      throw refuse(call.parsed.path.join(' '), 'needs a node or a selector (-l)');
    call.needs.add(['list', 'patch'], nodes);
    return { args: [] };
  }
  const targets = readTargets(call, { query: 'none', bareType: nodes });
  if (targets.kind === 'named') {
    for (const { type } of targets.items) if (type !== nodes) throw refuse(qualifiedName(type), 'is not a node');
  }
  needTargets(call, targets, { named: ['get', 'patch'], query: [] });
  return targets.sent;
}

const cordonVerb: Verb = {
  flags: { ...globalFlags, ...dryRun, selector: sent },
  means: (call) => readNodes(call),
};

export const drain: Verb = {
  flags: {
    ...globalFlags,
    ...dryRun,
    'chunk-size': sent,
    'delete-emptydir-data': sent,
    'disable-eviction': sent,
    force: sent,
    'grace-period': sent,
    'ignore-daemonsets': sent,
    'pod-selector': sent,
    selector: sent,
    'skip-wait-for-delete-timeout': sent,
    timeout: sent,
  },
  means: (call) => {
    const { needs, catalog } = call;
    const meaning = readNodes(call);
    const pods = catalog.builtIn('pods');
    // The node's pods are in any namespace. Each is evicted and then read until it is gone.
    needs.add(['list', 'get'], pods, { namespace: ALL_NAMESPACES });
    needs.add('get', catalog.builtIn('daemonsets.apps'), { namespace: ALL_NAMESPACES });
    if (call.on('disable-eviction')) needs.add('delete', pods, { namespace: ALL_NAMESPACES });
    else needs.add('create', pods, { namespace: ALL_NAMESPACES, subresource: 'eviction' });
    return meaning;
  },
};

// key[=value]:effect to add, key[:effect]- to remove.
const taintPattern =
  /^(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?(?:=[-A-Za-z0-9_.]*)?(?::[A-Za-z]+)?-?$/u;

export const taint: Verb = {
  flags: {
    ...globalFlags,
    ...printing,
    ...dryRun,
    ...fieldManager,
    all: sent,
    overwrite: sent,
    selector: sent,
    validate: sent,
  },
  means: (call) => {
    const nodes = call.catalog.builtIn('nodes');
    const { before, pairs } = splitPairs(call.parsed.args, (word) => /[=:]|-$/u.test(word));
    const [type, ...names] = before;
    if (type === undefined || call.catalog.resolve(type) !== nodes)
      throw refuse(type ?? 'taint', 'only nodes have taints: taint nodes NAME …');
    if (pairs.length === 0) throw refuse('taint', 'needs a taint: key=value:effect or key-');
    for (const pair of pairs)
      if (!taintPattern.test(pair)) throw refuse(pair, 'is not a taint: key=value:effect or key:effect-');
    const chosen = call.on('all') || (call.flag('selector') ?? '') !== '';
    if (chosen === names.length > 0) throw refuse(names[0] ?? 'taint', 'name nodes, or choose them with -l or --all');
    for (const name of names) call.needs.add(['get', 'patch'], nodes, { name: checkName(nodes, name) });
    if (chosen) call.needs.add(['list', 'patch'], nodes);
    return { args: ['nodes', ...names, ...pairs] };
  },
};

export const cordon = cordonVerb;
export const uncordon = cordonVerb;
