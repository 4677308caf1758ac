import { describeAttributes } from '../kubernetes/attributes.ts';
import { Problem } from '../errors.ts';
import { ruleName } from '../config/rule-reference.ts';
import type { Denied } from '../policy/decision.ts';
import type { GatewayContext } from './context.ts';
import type { DecidedCommand } from './decide-command.ts';
import { deny } from './deny.ts';

/** Records a denial by policy, and throws it. It names the rule that decided and what it was asked about. */
export function denyCommand(
  { trail }: GatewayContext,
  { facts, policy }: DecidedCommand,
  denied: Denied,
): Promise<never> {
  const { rule, reason, explanation, attributes, whose = 'caller' } = denied;
  const problem = new Problem('policy-denied', explanation, {
    members: {
      reason,
      denied: whose,
      role: rule?.role ?? null,
      rule: rule?.rule ?? null,
      ...(attributes && { asked: describeAttributes(attributes), attributes: [attributes] }),
    },
  });
  const decision = { decision: 'deny', rule: rule && ruleName(rule), policyDigest: policy.digest } as const;
  return deny(trail, { ...facts, ...decision, event: 'command.denied', detail: explanation }, problem);
}
