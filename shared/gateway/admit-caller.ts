import { Problem } from '../errors.ts';
import { isBlocked, type Policy } from '../policy/policy.ts';
import type { GatewayContext } from './context.ts';
import { denyPrincipal } from './deny.ts';
import type { AuthenticatedRequest } from './request.ts';

/**
 * The first step of everything: a blocked principal gets no command, replay or read. Returns the policy that the rest of the request
 * is decided by. Throws Problem `policy-denied`.
 */
export async function admitCaller(
  { policy, trail }: GatewayContext,
  { caller, facts }: AuthenticatedRequest,
): Promise<Policy> {
  const current = policy();
  if (!isBlocked(current, caller.principal)) return current;
  const problem = new Problem('policy-denied', 'This principal is blocked.', { members: { reason: 'blocked' } });
  return denyPrincipal(trail, facts, problem);
}
