import { Problem } from '../errors.ts';
import { decideNonResource } from '../policy/decide.ts';
import { admitCaller } from './admit-caller.ts';
import type { GatewayContext } from './context.ts';
import { denyPrincipal } from './deny.ts';
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
  if (decision.verdict === 'deny') {
    const problem = new Problem('policy-denied', decision.explanation, { members: { reason: decision.reason } });
    return denyPrincipal(context.trail, request.facts, problem);
  }
  await context.trail.record({ ...request.facts, event: 'list.read', detail: 'metrics' });
}
