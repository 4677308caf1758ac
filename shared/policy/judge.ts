import { impersonating } from '../command/impersonate.ts';
import type { Invocation, SentCommand } from '../command/invocation.ts';
import type { Cluster } from '../config/config.ts';
import type { Principal } from '../identity/principal.ts';
import { decide, type Question } from './decide.ts';
import type { Decision } from './decision.ts';
import { mayLackRoles, type Policy } from './policy.ts';

/** Who asks, where and why: what the command itself does not say. */
interface Asker {
  readonly principal: Principal;
  readonly cluster: Pick<Cluster, 'name' | 'impersonate'>;
  readonly reason?: string | undefined;
}

/** A decision, and the command that it is about: what is sent and recorded is this one's. */
interface Judgement {
  readonly invocation: Invocation;
  readonly decision: Decision;
  /** What goes out if it may: the invocation's words, with the caller's name where the cluster impersonates. */
  readonly sent: SentCommand;
}

/** Decides over a command, and where it is denied over its lesser form if it has one. A denial is about the command as it came. */
export function judge(policy: Policy, understood: Invocation, asker: Asker): Judgement {
  const { invocation, decision } = settle(policy, understood, asker);
  const { principal, cluster } = asker;
  const { sent } = invocation;
  const named = cluster.impersonate && decision.verdict === 'allow';
  return {
    invocation: tell(policy, asker, invocation),
    decision,
    sent: named ? impersonating(sent, principal, decision.roles) : sent,
  };
}

function settle(policy: Policy, invocation: Invocation, asker: Asker): Pick<Judgement, 'invocation' | 'decision'> {
  const decision = decide(policy, questionOf(invocation, asker));
  if (decision.verdict === 'allow' || invocation.lesser === undefined) return { invocation, decision };
  const lesser = invocation.lesser();
  const again = decide(policy, questionOf(lesser, asker));
  return again.verdict === 'allow' ? { invocation: lesser, decision: again } : { invocation, decision };
}

const questionOf = (
  { attributes, podSecurity, charts }: Invocation,
  { principal, cluster, reason }: Asker,
): Question => ({ principal, cluster: cluster.name, reason, attributes, podSecurity, charts });

/** With a word to a caller whose token does not list all its groups. */
function tell(policy: Policy, { principal, cluster }: Asker, invocation: Invocation): Invocation {
  const here = policy.clusters.get(cluster.name);
  if (!here || !mayLackRoles(here, principal)) return invocation;
  return { ...invocation, warnings: [...invocation.warnings, GROUPS_UNKNOWN] };
}

const GROUPS_UNKNOWN =
  'Your token does not list all your groups: rules that are bound to one it leaves out did not count.';
