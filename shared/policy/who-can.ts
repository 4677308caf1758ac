import type { Config } from '../config/config.ts';
import { ruleName } from '../config/rule-reference.ts';
import type { SubjectFile } from '../config/schema.ts';
import { noPods } from '../command/pod-security/findings.ts';
import type { Principal } from '../identity/principal.ts';
import type { ResourceAttributes } from '../kubernetes/attributes.ts';
import { decide } from './decide.ts';
import type { Denied } from './decision.ts';
import { boundRoles, type Policy } from './policy.ts';
import type { Parties } from './rule.ts';
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

/** A verdict, and what it takes where a rule allows on conditions: those that a caller can meet. */
export function outcomeOf(policy: Policy, principal: Principal, cluster: string, asked: ResourceAttributes): Outcome {
  const question = { principal, cluster, attributes: [asked], podSecurity: noPods, charts: [] };
  const plain = decide(policy, question);
  const rule = plain.rule && ruleName(plain.rule);
  if (plain.verdict === 'allow') return { verdict: 'allow', rule };
  const { reason, explanation } = plain;
  if (onConditions.has(reason)) {
    for (const { words, ...met } of waysOf(policy, principal, cluster)) {
      const decision = decide(policy, { ...question, ...met });
      if (decision.verdict === 'allow') return { verdict: 'allow', rule: ruleName(decision.rule), explanation: words };
    }
    if (reason === 'chart-not-listed') return { verdict: 'allow', rule, explanation: 'the listed charts only' };
  }
  return { verdict: 'deny', reason, rule, explanation };
}

const onConditions: ReadonlySet<string> = new Set<Denied['reason']>([
  'reason-required',
  'requester-required',
  'via-required',
  'chart-not-listed',
]);

/** How a call can come, the least that it takes first. */
interface Way extends Parties {
  readonly words: string;
  readonly reason?: string;
}

/** Somebody with a token of their own, who needs rights as well. */
const somebody = { kind: 'user', tid: '', oid: '' } as const;

function waysOf(policy: Policy, principal: Principal, cluster: string): readonly Way[] {
  const here = policy.clusters.get(cluster);
  const rules = here ? boundRoles(here, principal).flatMap(({ says }) => says.allow ?? []) : [];
  const apps = rules.flatMap(({ via }): Way[] => {
    if (!via) return [];
    const { app: oid, tenant: tid = principal.tid } = via;
    return [{ words: `through app ${oid}`, caller: { kind: 'app', tid, oid } }];
  });
  const reason: Way = { words: 'with a reason', reason: 'x' };
  const person: Way = { words: 'with a person behind the call', requester: somebody };
  const both = (one: Way, other: Way): Way => ({ ...one, ...other, words: `${one.words} and ${other.words}` });
  const pairs = [person, ...apps].flatMap((one) => [both(one, reason)]);
  const through = apps.flatMap((app) => [both(app, person), both(both(app, person), reason)]);
  return [reason, person, ...apps, ...pairs, ...through];
}
