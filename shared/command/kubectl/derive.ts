import { checkName } from '../names.ts';
import { refuse } from '../../lib/refuse.ts';
import type { ResourceType } from '../../kubernetes/resources.ts';
import { dryRun, fieldManager, globalFlags, printing, printsObject, refused, sent } from './flags.ts';
import { readTargets } from './targets.ts';
import type { Call, Meaning, Verb } from './verb.ts';

/** A service's name is part of host names, so kubectl expose cuts it; autoscale cuts nothing. */
const LONGEST_SERVICE_NAME = 63;

/** expose, autoscale: read an object and create another one for it, by default under the same name. */
function derive(call: Call, type: ResourceType): Meaning {
  // --selector of expose is the new service's, not a choice among objects.
  const targets = readTargets(call, { query: 'none', selecting: [] });
  if (targets.kind !== 'named') throw refuse(call.parsed.path.join(' '), 'needs the name of an object');
  const given = call.flag('name') ?? '';
  for (const source of targets.items) {
    call.needs.add('get', source.type, { name: source.name, namespace: source.namespace });
    if (!source.type.namespaced) throw refuse(source.type.resource, 'has no namespace');
    const same = type.resource === 'services' ? source.name.slice(0, LONGEST_SERVICE_NAME) : source.name;
    const name = checkName(type, given === '' ? same : given);
    call.needs.add(printsObject(call) ? ['create', 'get'] : 'create', type, { name, namespace: source.namespace });
  }
  return targets.sent;
}

/** With -f kubectl puts what it creates into its own default namespace, not into that of the object in the file. */
const named = {
  filename: refused('name the object: TYPE/NAME'),
  recursive: refused('has no meaning without -f'),
} as const;

const OVERRIDES = 'can make any object of it; give a manifest with kubectl apply -f';

export const expose: Verb = {
  flags: {
    ...globalFlags,
    ...printing,
    ...named,
    ...dryRun,
    ...fieldManager,
    'cluster-ip': sent,
    'external-ip': refused('can draw the traffic of other addresses to itself (CVE-2020-8554)'),
    labels: sent,
    'load-balancer-ip': sent,
    name: sent,
    'override-type': refused(OVERRIDES),
    overrides: refused(OVERRIDES),
    port: sent,
    protocol: sent,
    'save-config': sent,
    selector: sent,
    'session-affinity': sent,
    'target-port': sent,
    type: sent,
  },
  means: (call) => derive(call, call.catalog.builtIn('services')),
};

export const autoscale: Verb = {
  flags: {
    ...globalFlags,
    ...printing,
    ...named,
    ...dryRun,
    ...fieldManager,
    cpu: sent,
    'cpu-percent': sent,
    memory: sent,
    max: sent,
    min: sent,
    name: sent,
    'save-config': sent,
  },
  means: (call) => derive(call, call.catalog.builtIn('horizontalpodautoscalers.autoscaling')),
};
