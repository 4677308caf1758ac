import { isBlocked } from '../policy/policy.ts';
import { inForce, type GatewayContext, type InForce } from './context.ts';
import { denyPrincipal } from './deny.ts';
import { policyDenied } from './policy-denied.ts';
import type { AuthenticatedRequest } from './request.ts';

/**
 * The first step of everything: a blocked principal gets no command, replay or read. Returns what the rest of the request is decided by. Throws
 * Problem `policy-denied`.
 */
export async function admitCaller(
  context: GatewayContext,
  { caller, requester, facts }: AuthenticatedRequest,
): Promise<InForce> {
  const current = await inForce(context);
  const ofRequester = requester !== undefined && isBlocked(current.policy, requester.principal);
  if (!ofRequester && !isBlocked(current.policy, caller.principal)) return current;
  const who = ofRequester ? 'The person behind the Requester-Token' : 'This principal';
  const whose = ofRequester ? 'requester' : undefined;
  return denyPrincipal(
    context.trail,
    facts,
    policyDenied({ reason: 'blocked', whose, explanation: `${who} is blocked.` }),
  );
}
