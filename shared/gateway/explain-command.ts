import { ruleName } from '../config/rule-reference.ts';
import { explain, type AttributeVerdict } from '../policy/decide.ts';
import type { GatewayContext } from './context.ts';
import { decideCommand, type DecidedCommand } from './decide-command.ts';
import type { AuthenticatedRequest, RequestedCommand } from './request.ts';
import { limitRate } from './run-command.ts';

export interface ExplainedCommand extends DecidedCommand {
  /** Each attribute's own verdict. */
  readonly verdicts: readonly AttributeVerdict[];
}

/** The first steps of runCommand, and nothing after them. A denial is an answer here. Throws Problem as decideCommand. */
export async function explainCommand(
  context: GatewayContext,
  request: AuthenticatedRequest,
  requested: RequestedCommand,
): Promise<ExplainedCommand> {
  await limitRate(context, request);
  const decided = await decideCommand(context, request, requested);
  const { cluster, decision, policy, facts, invocation } = decided;
  await context.trail.record({
    ...facts,
    event: 'command.explained',
    decision: decision.verdict,
    rule: decision.rule && ruleName(decision.rule),
    policyDigest: policy.digest,
  });
  const { attributes: verdicts } = explain(policy, {
    principal: request.caller.principal,
    cluster: cluster.name,
    reason: requested.reason,
    attributes: invocation.attributes,
    podSecurity: invocation.podSecurity,
    charts: invocation.charts,
  });
  return { ...decided, verdicts };
}
