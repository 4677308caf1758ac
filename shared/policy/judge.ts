import { impersonating } from '../command/impersonate.ts';
import type { Invocation, SentCommand } from '../command/invocation.ts';
import type { Cluster } from '../config/config.ts';
import { decide } from './decide.ts';
import { decideForBoth, type Asker } from './decide-both.ts';
import type { Decision } from './decision.ts';
import { mayLackRoles, type Policy } from './policy.ts';

/** Who asks, where and why: what the command itself does not say. */
interface Asking extends Asker {
  readonly cluster: Pick<Cluster, 'name' | 'impersonate'>;
  readonly reason?: string | undefined;
}

/** A decision, and the command that it is about: what is sent and recorded is this one's. */
interface Judgement {
  readonly invocation: Invocation;
  readonly decision: Decision;
  /**
   * What goes out if it may: the invocation's words, where the cluster impersonates with the name of the caller, or of the person behind it.
   */
  readonly sent: SentCommand;
}

/** Decides over a command, and where it is denied over its lesser form if it has one. A denial is about the command as it came. */
export function judge(policy: Policy, understood: Invocation, asking: Asking): Judgement {
  const { invocation, decision } = settle(policy, understood, asking);
  const { principal, requester = principal, cluster } = asking;
  const { sent } = invocation;
  const named = cluster.impersonate && decision.verdict === 'allow';
  return {
    invocation: tell(policy, asking, invocation),
    decision,
    sent: named ? impersonating(sent, requester, (decision.requester ?? decision).roles) : sent,
  };
}

function settle(policy: Policy, invocation: Invocation, asking: Asking): Pick<Judgement, 'invocation' | 'decision'> {
  const decision = decideOn(policy, invocation, asking);
  if (decision.verdict === 'allow' || invocation.lesser === undefined) return { invocation, decision };
  const lesser = invocation.lesser();
  const again = decideOn(policy, lesser, asking);
  return again.verdict === 'allow' ? { invocation: lesser, decision: again } : { invocation, decision };
}

const decideOn = (policy: Policy, { attributes, podSecurity, charts }: Invocation, asking: Asking): Decision =>
  decideForBoth(asking, (principal, { caller, requester }) => {
    const { cluster, reason } = asking;
    const parties = { principal, caller, requester };
    return decide(policy, { ...parties, cluster: cluster.name, reason, attributes, podSecurity, charts });
  });

/** With a word to a caller, or the person behind it, whose token does not list all its groups. */
function tell(policy: Policy, { principal, requester, cluster }: Asking, invocation: Invocation): Invocation {
  const here = policy.clusters.get(cluster.name);
  if (here === undefined) return invocation;
  const lacking = mayLackRoles(here, principal) || (requester !== undefined && mayLackRoles(here, requester));
  return lacking ? { ...invocation, warnings: [...invocation.warnings, GROUPS_UNKNOWN] } : invocation;
}

const GROUPS_UNKNOWN =
  'Your token does not list all your groups: rules that are bound to one it leaves out did not count.';
