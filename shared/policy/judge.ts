import type { Invocation } from '../command/invocation.ts';
import { decide, type Question } from './decide.ts';
import type { Decision } from './decision.ts';
import type { Policy } from './policy.ts';

/** Who asks, where and why: what the command itself does not say. */
type Asker = Pick<Question, 'principal' | 'cluster' | 'reason'>;

/** A decision, and the command that it is about: what is sent and recorded is this one's. */
interface Judgement {
  readonly invocation: Invocation;
  readonly decision: Decision;
}

/** Decides over a command, and where it is denied over its lesser form if it has one. A denial is about the command as it came. */
export function judge(policy: Policy, invocation: Invocation, asker: Asker): Judgement {
  const decision = decide(policy, questionOf(invocation, asker));
  if (decision.verdict === 'allow' || invocation.lesser === undefined) return { invocation, decision };
  const lesser = invocation.lesser();
  const again = decide(policy, questionOf(lesser, asker));
  return again.verdict === 'allow' ? { invocation: lesser, decision: again } : { invocation, decision };
}

const questionOf = (
  { attributes, podSecurity, charts }: Invocation,
  { principal, cluster, reason }: Asker,
): Question => ({ principal, cluster, reason, attributes, podSecurity, charts });
