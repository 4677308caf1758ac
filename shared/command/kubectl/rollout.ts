import { refuse } from '../../lib/refuse.ts';
import type { PodSecurity } from '../invocation.ts';
import { noPods } from '../pod-security/findings.ts';
import { groupName, type ResourceType } from '../../kubernetes/resources.ts';
import type { FlagTable } from './verb.ts';
import { dryRun, fieldManager, fileInput, globalFlags, printing, sent } from './flags.ts';
import { needTargets, readTargets } from './targets.ts';
import type { Call, Verb } from './verb.ts';

/** Where the earlier templates of a kind are kept. */
const revisions: Readonly<Record<string, string>> = {
  'deployments.apps': 'replicasets.apps',
  'daemonsets.apps': 'controllerrevisions.apps',
  'statefulsets.apps': 'controllerrevisions.apps',
};

const common: FlagTable = { ...globalFlags, ...fileInput, selector: sent };

interface Asked {
  readonly named: readonly string[];
  readonly query: readonly string[];
}

/** `runs`: what is to be said of the pods that it starts. */
function rollout(flags: FlagTable, verbs: Asked, readsRevisions: boolean, runs?: PodSecurity): Verb {
  return {
    flags: { ...common, ...flags },
    // A type without a name means all of them here: `rollout restart deployment` restarts every one of the namespace.
    means: (call) => {
      const targets = readTargets(call, { query: 'free' });
      needTargets(call, targets, verbs);
      const places =
        targets.kind === 'named'
          ? targets.items
          : targets.types.map((type) => ({ type, namespace: targets.namespace }));
      for (const { type, namespace } of places) needRevisions(call, type, namespace, readsRevisions);
      return { ...targets.sent, podSecurity: runs };
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

/** The workload is the caller's to change, and the template was its own once; whether that was within "Restricted" nobody can see here. */
const earlierTemplate: PodSecurity = {
  ...noPods,
  beyondRestricted: ['an earlier template, which is in the cluster and was not judged here'],
};

const patches: Asked = { named: ['get', 'patch'], query: ['list', 'patch'] };

export const rolloutVerbs: Readonly<Record<string, Verb>> = {
  'rollout restart': rollout(changes, patches, false),
  'rollout pause': rollout(changes, patches, false),
  'rollout resume': rollout(changes, patches, false),
  // What a query found is read once more, each by its name.
  'rollout undo': rollout(
    { ...printing, ...dryRun, 'to-revision': sent },
    { named: ['get', 'patch'], query: ['list', 'get', 'patch'] },
    true,
    earlierTemplate,
  ),
  'rollout history': rollout({ ...printing, revision: sent }, { named: ['get'], query: ['list', 'get'] }, true),
  'rollout status': rollout(
    { revision: sent, timeout: sent, watch: sent },
    { named: ['get', 'list', 'watch'], query: ['list', 'watch'] },
    false,
  ),
};
