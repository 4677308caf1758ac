import type { Config } from '../config/config.ts';
import { ruleName } from '../config/rule-reference.ts';
import type { SubjectFile } from '../config/schema.ts';
import { NO_PODS } from '../command/pod-security/findings.ts';
import type { Principal } from '../identity/principal.ts';
import type { ResourceAttributes } from '../kubernetes/attributes.ts';
import { decide } from './decide.ts';
import type { Policy } from './policy.ts';
import { subjectPrincipal, subjectsOf } from './subject.ts';

/** What somebody who is this and nothing else may do. */
interface Holder {
  readonly subject: SubjectFile;
  readonly verdict: 'allow' | 'deny';
  /** `viewer/allow[0]` */
  readonly rule?: string | undefined;
  /** Of an allow that hangs on a condition: what it takes. Of a deny: why. */
  readonly explanation?: string | undefined;
}

/** Each subject of a binding on the cluster that a rule allows or denies these attributes to; those that no rule is about are left out. */
export function whoCan(policy: Policy, config: Config, cluster: string, asked: ResourceAttributes): readonly Holder[] {
  return subjectsOf(config).flatMap((subject): Holder[] => {
    const verdict = outcomeOf(policy, subjectPrincipal(subject, config), cluster, asked);
    return verdict.reason === 'no-rule' ? [] : [{ subject, ...verdict }];
  });
}

interface Outcome {
  readonly verdict: 'allow' | 'deny';
  readonly reason?: string;
  readonly rule?: string | undefined;
  readonly explanation?: string | undefined;
}

/** A verdict with and without a reason: a rule that asks for one allows, and says so. */
export function outcomeOf(policy: Policy, principal: Principal, cluster: string, asked: ResourceAttributes): Outcome {
  const question = { principal, cluster, attributes: [asked], podSecurity: NO_PODS, charts: [] };
  const plain = decide(policy, question);
  const rule = plain.rule && ruleName(plain.rule);
  if (plain.verdict === 'allow') return { verdict: 'allow', rule };
  const { reason, explanation } = plain;
  const wants = reason === 'reason-required' || reason === 'chart-not-listed';
  if (wants && decide(policy, { ...question, reason: 'x' }).verdict === 'allow')
    return { verdict: 'allow', rule, explanation: 'with a reason' };
  if (reason === 'chart-not-listed') return { verdict: 'allow', rule, explanation: 'the listed charts only' };
  return { verdict: 'deny', reason, rule, explanation };
}
