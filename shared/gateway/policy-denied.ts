import { Problem } from '../errors.ts';
import { describeAttributes } from '../kubernetes/attributes.ts';
import type { Denied } from '../policy/decision.ts';

/** A denial as its caller gets it: the rule that decided, and what was asked. `asked` says the latter where it is not about resources. */
export function policyDenied(denied: Omit<Denied, 'verdict'>, asked?: string): Problem {
  const { reason, rule, explanation, attributes, whose = 'caller' } = denied;
  return new Problem('policy-denied', explanation, {
    members: {
      reason,
      denied: whose,
      role: rule?.role ?? null,
      rule: rule?.rule ?? null,
      asked: attributes ? describeAttributes(attributes) : (asked ?? null),
      ...(attributes && { attributes: [attributes] }),
    },
  });
}
