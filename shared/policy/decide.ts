import type { HeldRole } from '../command/impersonate.ts';
import { isUrl, type ResourceAttributes } from '../kubernetes/attributes.ts';
import type { Principal } from '../identity/principal.ts';
import type { RuleReference } from '../config/rule-reference.ts';
import type { Decision, Denied } from './decision.ts';
import { deniedByCondition, deniedByRule, listRoles, noRule, notAllowed } from './explanation.ts';
import { boundRoles, isBlocked, isOverage, rulesFor, type ClusterPolicy, type Policy, type Role } from './policy.ts';
import {
  contains,
  intersects,
  matchesUrl,
  unmet,
  type Circumstances,
  type Condition,
  type ResourceRule,
  type UrlRule,
} from './rule.ts';
import { isRead, namingOf } from './sensitive.ts';

/** May this principal do all of this on this cluster? */
export interface Question extends Circumstances {
  readonly principal: Principal;
  readonly cluster: string;
  /** Everything Kubernetes will be asked; empty for what asks nothing of a resource. */
  readonly attributes: readonly ResourceAttributes[];
}

/**
 * The rule of matching (README.md): every attribute contained in one allow rule of a role bound to the caller on that cluster, none touched by
 * a deny of any bound role, every condition met. Anything else is denied, with one sentence on why.
 */
export function decide(policy: Policy, question: Question): Decision {
  const standing = stand(policy, question.principal, policy.clusters.get(question.cluster), question.cluster);
  if ('verdict' in standing) return standing;
  const { attributes } = question;
  for (const asked of attributes) {
    const rule = findDeny(standing, asked);
    if (rule) return deniedByRule(rule.reference, asked);
  }
  const because: { rule: RuleReference; attributes: ResourceAttributes }[] = [];
  const held = new Set<Role>();
  const circumstances = { ...question, caller: question.caller ?? question.principal };
  for (const asked of attributes) {
    const found = findAllow(standing, asked, circumstances);
    if ('verdict' in found) return found;
    held.add(found.role);
    because.push({ rule: found.rule.reference, attributes: asked });
  }
  // Of a command that reads and writes, the rule that lets it write is the one that a reader of the audit looks for.
  const deciding = because.find(({ attributes: { verb } }) => !isRead(verb)) ?? because[0];
  if (!deciding) return allowedUnconditionally(standing);
  return {
    verdict: 'allow',
    rule: deciding.rule,
    roles: [...held].map(nameHeld),
    because,
  };
}

const nameHeld = ({ name, values }: Role): HeldRole => ({ name, values });

/** One attribute's own verdict, for explain: all of them, not only the first that fails. */
export type AttributeVerdict =
  | { readonly attributes: ResourceAttributes; readonly verdict: 'allow'; readonly rule: RuleReference }
  | {
      readonly attributes: ResourceAttributes;
      readonly verdict: 'deny';
      readonly reason: Denied['reason'];
      readonly rule?: RuleReference | undefined;
      readonly explanation: string;
    };

/** The decision, and what each attribute would get by itself. Allowed exactly when all of them are. */
export function explain(
  policy: Policy,
  question: Question,
): { readonly decision: Decision; readonly attributes: readonly AttributeVerdict[] } {
  const attributes = question.attributes.map((asked): AttributeVerdict => {
    const decision = decide(policy, { ...question, attributes: [asked] });
    return decision.verdict === 'allow'
      ? { attributes: asked, verdict: 'allow', rule: decision.rule }
      : {
          attributes: asked,
          verdict: 'deny',
          reason: decision.reason,
          rule: decision.rule,
          explanation: decision.explanation,
        };
  });
  return { decision: decide(policy, question), attributes };
}

/** Whether anything is bound to the principal on this cluster; where it is not, the gateway says that there is no such cluster. */
export function maySee(policy: Policy, principal: Principal, name: string): boolean {
  const cluster = policy.clusters.get(name);
  if (!cluster || isBlocked(policy, principal)) return false;
  // Where membership is unknown and a group is bound, the answer is "groups-overage", not "no such cluster".
  return boundRoles(cluster, principal).length > 0 || isOverage(cluster, principal);
}

export const visibleClusters = (policy: Policy, principal: Principal): string[] =>
  [...policy.clusters.keys()].filter((name) => maySee(policy, principal, name));

/** A request for one of the gateway's own resources, as Kubernetes treats paths outside its API. */
interface NonResourceQuestion {
  readonly principal: Principal;
  /** HTTP method, lower case. */
  readonly verb: string;
  /** The path as routed, without query: never as it came, with `..` or escapes in it. */
  readonly path: string;
  /** Left out for what spans all clusters: then it has to be allowed on each of them. */
  readonly cluster?: string | undefined;
}

export function decideNonResource(policy: Policy, question: NonResourceQuestion): Decision {
  const { principal, cluster } = question;
  const one = cluster === undefined ? undefined : policy.clusters.get(cluster);
  // A cluster that is no longer configured has no bindings of its own: its past is for who may see all.
  const scope = cluster !== undefined && one ? [[cluster, one] as const] : [...policy.clusters];
  let allowed: Decision | undefined;
  for (const [name, clusterPolicy] of scope) {
    const standing = stand(policy, principal, clusterPolicy, name);
    // Unbound there: the caller does not learn which clusters there are.
    if ('verdict' in standing) return standing.reason === 'no-rule' ? notForAll(question) : standing;
    const decision = decideUrl(standing, question);
    if (decision.verdict === 'deny') return decision;
    allowed ??= decision;
  }
  return allowed ?? notForAll(question);
}

const notForAll = ({ verb, path }: NonResourceQuestion): Denied =>
  noRule(
    `No rule of yours allows ${verb} ${path} on every cluster that it spans; it would take a rule with verbs [${verb}] and nonResourceURLs covering it, bound to you on clusters ["*"].`,
  );

type Url = Pick<NonResourceQuestion, 'verb' | 'path'>;

/** A rule, and the role that it is one of. */
interface Found<Rule> {
  readonly role: Role;
  readonly rule: Rule;
}

const findUrlRule = (roles: readonly Role[], side: 'allow' | 'deny', url: Url): Found<UrlRule> | undefined =>
  roles.flatMap((role) => role.urls[side].map((rule) => ({ role, rule }))).find(({ rule }) => matchesUrl(rule, url));

const noUrlRule = ({ roles, cluster }: Standing, { verb, path }: Url): Denied =>
  noRule(
    `No rule of ${listRoles(roles)} allows ${verb} ${path} on cluster ${cluster}; it would take a rule with verbs [${verb}] and nonResourceURLs covering it.`,
  );

function decideUrl(standing: Standing, url: NonResourceQuestion): Decision {
  const { roles } = standing;
  const { verb, path } = url;
  const denied = findUrlRule(roles, 'deny', url)?.rule.reference;
  if (denied) {
    const explanation = `${verb} ${path} is denied by role ${denied.role}, ${denied.rule}, which no allow overrides.`;
    return { verdict: 'deny', reason: 'deny-rule', rule: denied, explanation };
  }
  const allowed = findUrlRule(roles, 'allow', url);
  if (!allowed) return noUrlRule(standing, url);
  return { verdict: 'allow', rule: allowed.rule.reference, roles: [nameHeld(allowed.role)], because: [] };
}

/** Who the principal is on a cluster, once it is certain. */
interface Standing {
  readonly cluster: string;
  /** At least one. */
  readonly roles: readonly Role[];
  readonly listed: ReadonlySet<string> | undefined;
}

function stand(
  policy: Policy,
  principal: Principal,
  cluster: ClusterPolicy | undefined,
  name: string,
): Standing | Denied {
  if (isBlocked(policy, principal)) {
    const explanation =
      'You are on the list of blocked principals: the operator of the gateway has stopped all your calls.';
    return { verdict: 'deny', reason: 'blocked', explanation };
  }
  if (cluster && isOverage(cluster, principal)) {
    return {
      verdict: 'deny',
      reason: 'groups-overage',
      explanation: `Your token does not list your groups (you are in too many), and a group is denied something on cluster ${name}, so nothing can be decided; ask for an app role, or for groups assigned to the application only.`,
    };
  }
  const roles = cluster ? boundRoles(cluster, principal) : [];
  if (roles.length === 0) {
    return noRule(
      `No role is bound to you on cluster ${name}; a binding of any role to you there would be needed first.`,
    );
  }
  return { cluster: name, roles, listed: policy.listed.get(name) };
}

/**
 * `version` and its like ask nothing that a rule could be about, and start a pod anyway: it takes a rule that allows anything on the
 * cluster. A binding is not enough: its role may only deny, or only be about the gateway's own URLs.
 */
function allowedUnconditionally({ roles, cluster }: Standing): Decision {
  const role = roles.find(allowsAnything);
  if (role) return { verdict: 'allow', rule: { role: role.name, rule: 'bound' }, roles: [nameHeld(role)], because: [] };
  return noRule(
    `No rule of ${listRoles(roles)} allows anything on cluster ${cluster}; this command asks for nothing in particular, but it starts a pod there.`,
  );
}

const allowsAnything = ({ allow }: Role): boolean =>
  [...allow.values()].some((byResource) => [...byResource.values()].some((rules) => rules.length > 0));

function findDeny({ roles }: Standing, asked: ResourceAttributes): ResourceRule | UrlRule | undefined {
  if (isUrl(asked)) return findUrlRule(roles, 'deny', { verb: asked.verb, path: asked.name })?.rule;
  for (const role of roles) {
    for (const rule of rulesFor(role.deny, asked.verb, asked.resource)) if (intersects(rule, asked)) return rule;
  }
  return undefined;
}

function findAllow(
  standing: Standing,
  asked: ResourceAttributes,
  circumstances: Circumstances,
): Found<ResourceRule | UrlRule> | Denied {
  const { roles, cluster } = standing;
  if (isUrl(asked)) {
    const url = { verb: asked.verb, path: asked.name };
    return findUrlRule(roles, 'allow', url) ?? { ...noUrlRule(standing, url), attributes: asked };
  }
  const naming = namingOf(asked, standing.listed);
  let nearest: { readonly rule: ResourceRule; readonly missing: readonly [Condition, ...Condition[]] } | undefined;
  for (const role of roles) {
    for (const rule of rulesFor(role.allow, asked.verb, asked.resource)) {
      if (!contains(rule, asked, naming)) continue;
      const [first, ...others] = unmet(rule, asked, circumstances);
      if (first === undefined) return { role, rule };
      if (!nearest || others.length + 1 < nearest.missing.length) nearest = { rule, missing: [first, ...others] };
    }
  }
  if (nearest) return deniedByCondition(nearest.rule, nearest.missing, asked, circumstances);
  return notAllowed(asked, roles, cluster, naming);
}
