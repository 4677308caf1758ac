import { ALL_NAMESPACES, describeAttributes, resourceName, type ResourceAttributes } from '../kubernetes/attributes.ts';
import type { RuleReference } from '../config/rule-reference.ts';
import type { Denied } from './decision.ts';
import type { Role } from './policy.ts';
import { builtInRole, builtInRoleNames } from '../config/built-in-roles.ts';
import {
  beyond,
  compileResourceRule,
  contains,
  foreignAccounts,
  type Circumstances,
  type Condition,
  type ResourceRule,
} from './rule.ts';
import { needsNamedVerb, type Naming } from './sensitive.ts';

// Each denial is one sentence for the caller: what was asked, which rule decided, what would allow it.

export const noRule = (explanation: string): Denied => ({ verdict: 'deny', reason: 'no-rule', explanation });

export function notAllowed(asked: ResourceAttributes, roles: readonly Role[], cluster: string, naming: Naming): Denied {
  const what = `${describeAttributes(asked)} on cluster ${cluster}`;
  return {
    ...noRule(
      `No rule of ${listRoles(roles)} allows ${what}; it would take a rule with ${wouldAllow(asked, naming)}.${builtInHint(asked, naming)}`,
    ),
    attributes: asked,
  };
}

export function deniedByRule(rule: RuleReference, asked: ResourceAttributes): Denied {
  return {
    verdict: 'deny',
    reason: 'deny-rule',
    rule,
    attributes: asked,
    explanation: `${describeAttributes(asked)} is denied by ${nameRule(rule)}, which no allow overrides.`,
  };
}

export function deniedByCondition(
  resourceRule: ResourceRule,
  missing: readonly [Condition, ...Condition[]],
  asked: ResourceAttributes,
  circumstances: Circumstances,
): Denied {
  const { reference: rule, charts } = resourceRule;
  const { podSecurity } = circumstances;
  const words: Readonly<Record<Condition, () => string>> = {
    'reason-required': () => 'with a reason: send "reason" with your ticket or purpose',
    'requester-required': () =>
      'for a person behind the caller: send the Requester-Token of who asks (scope Commands.Request)',
    'via-required': () => `through the application ${resourceRule.via?.app ?? ''}, by its own token`,
    'pod-security': () => {
      const level = resourceRule.podSecurity;
      const enough = podSecurity.beyondBaseline.length > 0 ? 'privileged' : 'baseline';
      return `for pods of the ${level} standard, but here ${beyond(level, podSecurity).join(', ')}: leave that out, or have a rule say podSecurity: ${enough}`;
    },
    'service-account': () => {
      const named = foreignAccounts(resourceRule, podSecurity).filter((name) => name !== '');
      return named.length === 0
        ? `for pods whose service account is known, and here it is not: have a rule say serviceAccounts: ['*']`
        : `for pods of other service accounts than ${named.join(', ')}: have a rule say serviceAccounts: [${named.join(', ')}]`;
    },
    'chart-not-listed': () => {
      const foreign = circumstances.charts.filter(({ digest }) => !charts?.has(digest));
      const sent = foreign.map(({ path, digest }) => `${path} (${digest})`).join(', ');
      return `for the charts that it lists, and ${sent === '' ? 'no chart was sent' : `${sent} is not among them`}`;
    },
  };
  const conditions = missing.map((condition) => words[condition]()).join('; and only ');
  return {
    verdict: 'deny',
    reason: missing[0],
    rule,
    attributes: asked,
    explanation: `${describeAttributes(asked)} is allowed by ${nameRule(rule)} only ${conditions}.`,
  };
}

export const listRoles = (roles: readonly Role[]): string =>
  `your role${roles.length === 1 ? '' : 's'} ${[...new Set(roles.map(({ name }) => name))].join(', ')}`;

const nameRule = ({ role, rule }: RuleReference): string => `role ${role}, ${rule}`;

function wouldAllow(asked: ResourceAttributes, naming: Naming): string {
  const { verb, namespace, name } = asked;
  const star = namespace === '' || namespace === ALL_NAMESPACES;
  const spelled = [
    naming === 'resource' && 'the resource',
    naming === 'group' && 'the resource or its group',
    needsNamedVerb(verb) && 'the verb',
    namespace === 'aks-command' && 'the namespace',
  ].filter((part) => part !== false);
  const byName = spelled.length === 0 ? '' : ` (${spelled.join(' and ')} by name: "*" does not grant this)`;
  const names = name === '' ? ' and no names' : '';
  return `verbs [${verb}], resources [${resourceName(asked)}], namespaces [${star ? '"*"' : namespace}]${names}${byName}`;
}

/** The smallest of Kubernetes' own roles that allows it: everybody may know what these grant. */
function builtInHint(asked: ResourceAttributes, naming: Naming): string {
  const name = builtInRoleNames.find((one) => builtInRules(one).some((rule) => contains(rule, asked, naming)));
  return name === undefined ? '' : ` The built-in role ${name} has one.`;
}

const compiled = new Map<string, readonly ResourceRule[]>();

function builtInRules(name: (typeof builtInRoleNames)[number]): readonly ResourceRule[] {
  const known = compiled.get(name);
  if (known) return known;
  const rules = (builtInRole(name, ['*']).allow ?? []).map((rule) =>
    compileResourceRule(rule, { role: name, rule: '' }),
  );
  compiled.set(name, rules);
  return rules;
}
