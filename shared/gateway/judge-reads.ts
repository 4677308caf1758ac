import { ruleName } from '../config/rule-reference.ts';
import { Problem } from '../errors.ts';
import type { GatewayContext } from './context.ts';
import { decideCommand } from './decide-command.ts';
import type { AuthenticatedRequest, RequestedCommand } from './request.ts';

/** Whether a caller may run a command, and why not. */
export interface ReadVerdict {
  readonly allowed: boolean;
  /** Of one that may not be run: the decision, or the refusal, in words. */
  readonly reason: string;
  readonly code?: 'policy-denied' | 'command-refused';
}

/**
 * Judges commands of which only those that are allowed are then run, each by itself: nothing is run here, and nothing counts against the
 * caller's rate. What is denied is in the trail as an explanation, what is allowed as the command that follows. Throws Problem
 * `policy-denied` (blocked) and `cluster-not-found`.
 */
export async function judgeReads(
  context: GatewayContext,
  request: AuthenticatedRequest,
  commands: readonly RequestedCommand[],
): Promise<readonly ReadVerdict[]> {
  const verdicts: ReadVerdict[] = [];
  for (const requested of commands) verdicts.push(await judgeRead(context, request, requested));
  return verdicts;
}

async function judgeRead(
  context: GatewayContext,
  request: AuthenticatedRequest,
  requested: RequestedCommand,
): Promise<ReadVerdict> {
  try {
    const { decision, facts, policy } = await decideCommand(context, request, requested);
    if (decision.verdict === 'allow') return { allowed: true, reason: '' };
    const rule = decision.rule && ruleName(decision.rule);
    const told = { decision: 'deny', rule, policyDigest: policy.digest } as const;
    await context.trail.record({ ...facts, ...told, event: 'command.explained' });
    return { allowed: false, reason: decision.explanation, code: 'policy-denied' };
  } catch (error) {
    // What the grammar refuses, say with a pod whose kubectl is too old for a flag, is no reason to see nothing at all.
    if (error instanceof Problem && error.code === 'command-refused')
      return { allowed: false, reason: error.message, code: 'command-refused' };
    throw error;
  }
}
