import type { Cluster } from '../config/config.ts';
import { Problem } from '../errors.ts';
import { maySee, visibleClusters } from '../policy/decide.ts';
import { admitCaller } from './admit-caller.ts';
import type { GatewayContext } from './context.ts';
import { discoveredOf } from './discovered.ts';
import { askerOf, type AuthenticatedRequest } from './request.ts';

/** The clusters on which the caller may do anything at all. */
export async function listClusters(
  context: GatewayContext,
  request: AuthenticatedRequest,
): Promise<readonly Cluster[]> {
  const { policy, config } = await admitCaller(context, request);
  const { principal, requester } = askerOf(request);
  return visibleClusters(policy, principal)
    .filter((name) => requester === undefined || maySee(policy, requester, name))
    .flatMap((name) => config.clusters.get(name) ?? []);
}

/** One cluster: what is known of it. Throws Problem `cluster-not-found`. */
export async function readCluster(context: GatewayContext, request: AuthenticatedRequest, name: string) {
  const { policy, config } = await admitCaller(context, request);
  const cluster = config.clusters.get(name);
  const { principal, requester } = askerOf(request);
  if (!cluster || !maySee(policy, principal, name) || (requester && !maySee(policy, requester, name)))
    throw new Problem('cluster-not-found', 'There is no cluster with this name that you may use.');
  return { cluster, discovered: await discoveredOf(context, cluster), tools: context.relay.toolsOf(cluster) };
}
