import { ruleName } from '../config/rule-reference.ts';
import type { Denied } from '../policy/decision.ts';
import type { GatewayContext } from './context.ts';
import type { DecidedCommand } from './decide-command.ts';
import { deny } from './deny.ts';
import { policyDenied } from './policy-denied.ts';

/** Records a denial by policy, and throws it. It names the rule that decided and what it was asked about. */
export function denyCommand(
  { trail }: GatewayContext,
  { facts, policy }: DecidedCommand,
  denied: Denied,
): Promise<never> {
  const { rule, explanation } = denied;
  const decision = { decision: 'deny', rule: rule && ruleName(rule), policyDigest: policy.digest } as const;
  return deny(trail, { ...facts, ...decision, event: 'command.denied', detail: explanation }, policyDenied(denied));
}
