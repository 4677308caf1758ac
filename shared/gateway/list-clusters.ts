import type { Cluster } from '../config/config.ts';
import { maySee, visibleClusters } from '../policy/decide.ts';
import { admitCaller } from './admit-caller.ts';
import type { GatewayContext } from './context.ts';
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
