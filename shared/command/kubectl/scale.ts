import { refuse } from '../../lib/refuse.ts';
import { dryRun, fileInput, globalFlags, printing, sent } from './flags.ts';
import { readTargets } from './targets.ts';
import type { ResourceType } from '../../kubernetes/resources.ts';
import type { Verb } from './verb.ts';

export const scale: Verb = {
  flags: {
    ...globalFlags,
    ...printing,
    ...fileInput,
    ...dryRun,
    all: sent,
    'current-replicas': sent,
    replicas: sent,
    'resource-version': sent,
    selector: sent,
    timeout: sent,
  },
  means: (call) => {
    const targets = readTargets(call, { query: 'flags' });
    // With a precondition kubectl reads and updates the scale instead of patching it; with a time-out it reads until it is reached.
    const guarded = given(call.flag('current-replicas'), '-1') || given(call.flag('resource-version'), '');
    const verbs = [guarded ? 'update' : 'patch', ...(guarded || call.flag('timeout') !== undefined ? ['get'] : [])];
    if (targets.kind === 'named') {
      for (const { type, name, namespace } of targets.items) {
        checkScalable(type);
        call.needs.add('get', type, { name, namespace });
        call.needs.add(verbs, type, { name, namespace, subresource: 'scale' });
      }
    } else {
      for (const type of targets.types) {
        checkScalable(type);
        call.needs.add('list', type, { namespace: targets.namespace });
        call.needs.add(verbs, type, { namespace: targets.namespace, subresource: 'scale' });
      }
    }
    return targets.sent;
  },
};

const given = (value: string | undefined, unset: string): boolean => value !== undefined && value !== unset;

function checkScalable(type: ResourceType): void {
  if (!type.subresources.includes('scale')) throw refuse(type.resource, 'cannot be scaled');
}
