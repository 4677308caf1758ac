import { ruleName } from '../config/rule-reference.ts';
import { explain as explainQuestion, type AttributeVerdict } from '../policy/decide.ts';
import { atStep, stepsOf } from './batch-steps.ts';
import type { GatewayContext } from './context.ts';
import { decideCommand, type DecidedCommand } from './decide-command.ts';
import { askerOf, type AuthenticatedRequest, type RequestedBatch, type RequestedCommand } from './request.ts';
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
  await limitRate(context, request, 1);
  return explain(context, request, requested);
}

/** The same for each step of a batch, in order. */
export async function explainBatch(
  context: GatewayContext,
  request: AuthenticatedRequest,
  requested: RequestedBatch,
): Promise<readonly ExplainedCommand[]> {
  await limitRate(context, request, requested.steps.length);
  const explained: ExplainedCommand[] = [];
  for (const [index, step] of (await stepsOf(context, request, requested)).entries())
    explained.push(await atStep(index, () => explain(context, request, step)));
  return explained;
}

async function explain(
  context: GatewayContext,
  request: AuthenticatedRequest,
  requested: RequestedCommand,
): Promise<ExplainedCommand> {
  const decided = await decideCommand(context, request, requested);
  const { cluster, decision, policy, facts, invocation } = decided;
  await context.trail.record({
    ...facts,
    event: 'command.explained',
    decision: decision.verdict,
    rule: decision.rule && ruleName(decision.rule),
    policyDigest: policy.digest,
  });
  const { principal: caller, requester } = askerOf(request);
  // Of two who must both be allowed, the one who is not has the answer.
  const ofRequester = decision.verdict === 'deny' && decision.whose === 'requester';
  const principal = (ofRequester && requester) || caller;
  const { attributes: verdicts } = explainQuestion(policy, {
    principal,
    caller,
    requester,
    cluster: cluster.name,
    reason: requested.reason,
    attributes: invocation.attributes,
    podSecurity: invocation.podSecurity,
    charts: invocation.charts,
  });
  return { ...decided, verdicts };
}
