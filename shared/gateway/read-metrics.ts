import { decideNonResource } from '../policy/decide.ts';
import { admitCaller } from './admit-caller.ts';
import type { GatewayContext } from './context.ts';
import { denyPrincipal } from './deny.ts';
import { policyDenied } from './policy-denied.ts';
import type { AuthenticatedRequest } from './request.ts';

export const METRICS_PATH = '/metrics';

/**
 * Whether the caller may read the metrics: they name clusters and jobs, so it takes a rule with nonResourceURLs `/metrics`. A reading is an
 * event like that of a list. Throws Problem `policy-denied`.
 */
export async function admitToMetrics(context: GatewayContext, request: AuthenticatedRequest): Promise<void> {
  const { policy } = await admitCaller(context, request);
  const { principal } = request.caller;
  const decision = decideNonResource(policy, { principal, verb: 'get', path: METRICS_PATH });
  if (decision.verdict === 'deny')
    return denyPrincipal(context.trail, request.facts, policyDenied(decision, `get ${METRICS_PATH}`));
  await context.trail.record({ ...request.facts, event: 'list.read', detail: 'metrics' });
}
