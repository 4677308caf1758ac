import type { Principal } from '../identity/principal.ts';
import type { Decision } from './decision.ts';
import type { Parties } from './rule.ts';

/** Whose rights count for a request: the caller's, and those of the person behind it, where a caller is an application that has one. */
export interface Asker {
  readonly principal: Principal;
  readonly requester?: Principal | undefined;
}

/**
 * Both must be allowed: the caller by its roles, the person behind it by theirs, so that neither gets through the other what it may not do
 * itself. The first who is not allowed decides.
 */
export function decideForBoth(
  { principal, requester }: Asker,
  decideFor: (principal: Principal, parties: Parties) => Decision,
): Decision {
  const parties = { caller: principal, requester };
  const own = decideFor(principal, parties);
  if (own.verdict === 'deny' || !requester) return own;
  const theirs = decideFor(requester, parties);
  if (theirs.verdict === 'deny')
    return { ...theirs, whose: 'requester', explanation: `The person behind the caller: ${theirs.explanation}` };
  return { ...own, requester: { rule: theirs.rule, roles: theirs.roles } };
}
