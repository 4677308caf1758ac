import type { AuditEvent } from '../audit/events.ts';
import { quoteWords } from '../command/quote.ts';
import { ruleName } from '../config/rule-reference.ts';
import { Problem } from '../errors.ts';
import type { GatewayContext } from './context.ts';
import { decideCommand } from './decide-command.ts';
import type { AuthenticatedRequest, RequestedCommand } from './request.ts';

type Denial = Extract<AuditEvent, { readonly event: 'command.explained' }>;

/** Whether a caller may run a command, and why not. */
export type ReadVerdict =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly code: 'policy-denied'; readonly reason: string; readonly denial: Denial }
  | { readonly allowed: false; readonly code: 'command-refused'; readonly reason: string };

/**
 * Judges commands of which only those that are allowed are then run, each by itself: nothing is run here, and nothing counts against the
 * caller's rate. What is allowed is in the trail as the command that follows, what is denied by `recordDenials`. Throws Problem
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
    if (decision.verdict === 'allow') return { allowed: true };
    const rule = decision.rule && ruleName(decision.rule);
    const told = { decision: 'deny', rule, policyDigest: policy.digest } as const;
    const denial: Denial = { ...facts, ...told, event: 'command.explained' };
    return { allowed: false, code: 'policy-denied', reason: decision.explanation, denial };
  } catch (error) {
    // What the grammar refuses, say with a pod whose kubectl is too old for a flag, is no reason to see nothing at all.
    if (error instanceof Problem && error.code === 'command-refused')
      return { allowed: false, code: 'command-refused', reason: error.message };
    throw error;
  }
}

/**
 * Whoever asks for many things at once and is shown what they may see has one line in the trail for all that they may not: `asked` is what they
 * asked for, the attributes are those of every read that was denied.
 */
export async function recordDenials(
  { trail }: GatewayContext,
  asked: readonly string[],
  verdicts: readonly ReadVerdict[],
): Promise<void> {
  const denials = verdicts.flatMap((verdict) => ('denial' in verdict ? [verdict.denial] : []));
  const [first] = denials;
  if (!first) return;
  const attributes = denials.flatMap((denial) => denial.attributes ?? []);
  await trail.record({ ...first, argv: asked, text: quoteWords(asked), attributes });
}
