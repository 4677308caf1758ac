import type { Clock } from '../clock.ts';
import type { Cluster } from '../config/config.ts';
import { Problem } from '../errors.ts';
import type { Answer, ClusterView } from './arm-answers.ts';
import { azureMembers, withAzure } from './catalogue.ts';
import { untilAborted } from '../lib/abort.ts';

/** What Azure says of the clusters, kept for a minute: asked for before each command, it must not cost a request each time. */
export interface ClusterViews {
  /** Throws Problem `azure-refused`, `azure-throttled` or `azure-unreachable`. */
  get(cluster: Cluster, signal?: AbortSignal): Promise<ClusterView>;
  /** Drops what is known: Azure has just said something that does not fit it. */
  forget(cluster: Cluster): void;
}

const FRESH_MS = 60_000;
/** When Azure cannot be asked, an older view is better than none: the POST is refused by Azure itself if it no longer holds. */
const STALE_MS = 10 * 60_000;

export function createClusterViews(
  clock: Clock,
  ask: (cluster: Cluster, signal: AbortSignal) => Promise<Answer<ClusterView>>,
): ClusterViews {
  const views = new Map<string, { readonly view: ClusterView; readonly at: number }>();
  const asking = new Map<string, Promise<ClusterView>>();
  const never = new AbortController().signal;

  const refresh = async (cluster: Cluster): Promise<ClusterView> => {
    const { id } = cluster.arm;
    const old = views.get(id);
    const standIn = old && clock.monotonic() - old.at < STALE_MS ? old.view : undefined;
    const answer = await ask(cluster, never);
    if (answer.kind === 'answer') {
      views.set(id, { view: answer.value, at: clock.monotonic() });
      return answer.value;
    }
    const passing = answer.kind !== 'refused' || answer.status === 429 || answer.status >= 500;
    if (passing && standIn) return standIn;
    views.delete(id);
    throw explainView(answer);
  };

  return {
    get: (cluster, signal) => {
      const { id } = cluster.arm;
      const known = views.get(id);
      if (known && clock.monotonic() - known.at < FRESH_MS) return Promise.resolve(known.view);
      const shared = asking.get(id) ?? refresh(cluster).finally(() => asking.delete(id));
      asking.set(id, shared);
      return untilAborted(shared, signal);
    },
    forget: (cluster) => {
      views.delete(cluster.arm.id);
    },
  };
}

/** A cluster that Azure did not show, as a problem. Nothing was started: only a GET was sent. */
function explainView(answer: Exclude<Answer<unknown>, { kind: 'answer' }>): Problem {
  if (answer.kind !== 'refused')
    return new Problem('azure-unreachable', `${answer.message} Nothing ran.`, {
      members: { azure: { code: answer.code } },
    });
  const { status, retryAfter } = answer;
  const refused = (words: string): Problem =>
    new Problem('azure-refused', withAzure(words, answer), azureMembers(answer));
  if (status === 429)
    return new Problem('azure-throttled', 'Azure is throttling this subscription. Nothing ran.', {
      retryAfter: retryAfter ?? 5,
    });
  if (status === 401)
    return refused(
      "Azure did not accept the gateway's own token. Nothing ran; the operator has to check its credential and tenant.",
    );
  if (status === 403)
    return refused(
      'The gateway may not read this cluster. Nothing ran; it needs Microsoft.ContainerService/managedClusters/read there.',
    );
  if (status === 404)
    return refused(
      'Azure knows no cluster with the ARM id that the gateway is configured with. Nothing ran; the operator has to correct the configuration.',
    );
  if (status >= 500)
    return new Problem(
      'azure-unreachable',
      withAzure('Azure failed to show the cluster. Nothing ran.', answer),
      azureMembers(answer),
    );
  return refused('Azure did not show the cluster. Nothing ran.');
}

/** Throws Problem `cluster-unavailable` when a command cannot run there now, telling why. */
export function checkAvailable({ name }: Cluster, view: ClusterView): void {
  const refuse = (why: string): never => {
    throw new Problem('cluster-unavailable', `The cluster ${name} ${why} Nothing ran.`);
  };
  if (view.powerState === 'stopped') refuse('is stopped: start it first.');
  if (view.runCommandDisabled)
    refuse('has run command disabled (apiServerAccessProfile.disableRunCommand): its operator can enable it.');
  if (blocking.has(view.provisioningState)) refuse(`is in the state "${view.provisioningState}".`);
}

/** While being updated or after a failed update a cluster still serves; these do not (AKS: cluster provisioning states). */
const blocking: ReadonlySet<string> = new Set(['creating', 'deleting', 'stopping', 'starting']);
