import type { Cluster } from '../config/config.ts';
import { visibleClusters } from '../policy/decide.ts';
import { admitCaller } from './admit-caller.ts';
import type { GatewayContext } from './context.ts';
import type { AuthenticatedRequest } from './request.ts';

/** The clusters on which the caller may do anything at all. */
export async function listClusters(
  context: GatewayContext,
  request: AuthenticatedRequest,
): Promise<readonly Cluster[]> {
  const policy = await admitCaller(context, request);
  const { clusters } = context.config.current();
  return visibleClusters(policy, request.caller.principal).flatMap((name) => clusters.get(name) ?? []);
}
