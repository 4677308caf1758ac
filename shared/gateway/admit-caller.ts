import { Problem } from '../errors.ts';
import { isBlocked } from '../policy/policy.ts';
import { inForce, type GatewayContext, type InForce } from './context.ts';
import { denyPrincipal } from './deny.ts';
import type { AuthenticatedRequest } from './request.ts';

/**
 * The first step of everything: a blocked principal gets no command, replay or read. Returns what the rest of the request is decided by. Throws
 * Problem `policy-denied`.
 */
export async function admitCaller(context: GatewayContext, { caller, facts }: AuthenticatedRequest): Promise<InForce> {
  const current = await inForce(context);
  if (!isBlocked(current.policy, caller.principal)) return current;
  const problem = new Problem('policy-denied', 'This principal is blocked.', { members: { reason: 'blocked' } });
  return denyPrincipal(context.trail, facts, problem);
}
