import { refuse } from '../refuse.ts';
import { groupName, type ResourceType } from '../resources.ts';
import { dryRun, fieldManager, fileInput, globalFlags, printing, sent, type FlagTable } from './flags.ts';
import { readTargets } from './targets.ts';
import type { Call, Verb } from './verb.ts';

/** Where the earlier templates of a kind are kept. */
const revisions: Readonly<Record<string, string>> = {
  'deployments.apps': 'replicasets.apps',
  'daemonsets.apps': 'controllerrevisions.apps',
  'statefulsets.apps': 'controllerrevisions.apps',
};

const common: FlagTable = { ...globalFlags, ...fileInput, selector: sent };

function rollout(flags: FlagTable, verbs: readonly string[], readsRevisions: boolean): Verb {
  return {
    flags: { ...common, ...flags },
    // A type without a name means all of them here: `rollout restart deployment` restarts every one of the namespace.
    means: (call) => {
      const targets = readTargets(call, { query: 'free' });
      if (targets.kind === 'named') {
        for (const { type, name, namespace } of targets.items) {
          call.needs.add(verbs, type, { name, namespace });
          needRevisions(call, type, namespace, readsRevisions);
        }
      } else {
        for (const type of targets.types) {
          call.needs.add(['list', ...verbs], type, { namespace: targets.namespace });
          needRevisions(call, type, targets.namespace, readsRevisions);
        }
      }
      return targets.sent;
    },
  };
}

function needRevisions(call: Call, type: ResourceType, namespace: string, reads: boolean): void {
  const history = revisions[groupName(type)];
  if (history === undefined)
    throw refuse(type.resource, 'has no rollouts; deployments, daemonsets and statefulsets have');
  if (reads) call.needs.add('list', call.catalog.builtIn(history), { namespace });
}

const changes: FlagTable = { ...printing, ...fieldManager };

export const rolloutVerbs: Readonly<Record<string, Verb>> = {
  'rollout restart': rollout(changes, ['get', 'patch'], false),
  'rollout pause': rollout(changes, ['get', 'patch'], false),
  'rollout resume': rollout(changes, ['get', 'patch'], false),
  'rollout undo': rollout({ ...printing, ...dryRun, 'to-revision': sent }, ['get', 'patch'], true),
  'rollout history': rollout({ ...printing, revision: sent }, ['get'], true),
  'rollout status': rollout({ revision: sent, timeout: sent, watch: sent }, ['get', 'list', 'watch'], false),
};
