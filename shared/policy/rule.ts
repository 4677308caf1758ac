import { ALL_NAMESPACES, type ResourceAttributes } from '../kubernetes/attributes.ts';
import type { ChartDigest, PodSecurity } from '../command/invocation.ts';
import { compileGlob, type Glob } from '../config/glob.ts';
import { withSameObjects } from '../kubernetes/same-objects.ts';
import { parseResourcePattern, takesIn, type ResourcePattern } from '../kubernetes/resource-pattern.ts';
import type { RuleFile } from '../config/schema.ts';
import type { RuleReference } from '../config/rule-reference.ts';
import type { PrincipalId } from '../lib/ids.ts';
import { isRead, needsNamedObject, needsNamedVerb, type Naming } from './sensitive.ts';

/** A rule over resources, made ready for matching. */
export interface ResourceRule {
  readonly reference: RuleReference;
  readonly verbs: Words;
  readonly resources: readonly ResourcePattern[];
  /** What an allow leaves out of `resources`. */
  readonly except: readonly ResourcePattern[];
  readonly namespaces: Words;
  readonly names: Words;
  readonly requireReason: boolean;
  readonly podSecurity: PodSecurityLevel;
  /** Which service accounts the pods of a command may name; `default` is always one. */
  readonly serviceAccounts: Words;
  /** Undefined: any chart. */
  readonly charts: ReadonlySet<string> | undefined;
  /** A verified person has to stand behind the caller. */
  readonly requireRequester: boolean;
  /** The application whose own token the call has to come with. */
  readonly via: { readonly tenant: string | undefined; readonly app: string } | undefined;
}

type PodSecurityLevel = NonNullable<RuleFile['podSecurity']>;

/** A rule over the gateway's own paths. */
export interface UrlRule {
  readonly reference: RuleReference;
  readonly verbs: Words;
  readonly paths: Words;
}

/** A list of words and globs. */
interface Words {
  /** It holds `*`, or was left out. */
  readonly all: boolean;
  readonly literals: ReadonlySet<string>;
  readonly globs: readonly Glob[];
}

/** `absent`: a list that is left out restricts nothing. */
function compileWords(words: readonly string[] | undefined): Words {
  const globs = (words ?? ['*']).map(compileGlob);
  return {
    all: globs.some((glob) => glob.all),
    literals: new Set(globs.filter((glob) => glob.literal).map((glob) => glob.pattern)),
    globs: globs.filter((glob) => !glob.literal && !glob.all),
  };
}

export function matchesWord(words: Words, text: string): boolean {
  if (words.all || words.literals.has(text)) return true;
  for (const glob of words.globs) if (glob.matches(text)) return true;
  return false;
}

/** A deny meets the same objects under their other group too (kubernetes/same-objects.ts); an allow grants what it says. */
export const compileDenyRule = (rule: RuleFile, reference: RuleReference): ResourceRule => {
  const compiled = compileResourceRule(rule, reference);
  return { ...compiled, resources: compiled.resources.flatMap(withSameObjects) };
};

export const compileResourceRule = (rule: RuleFile, reference: RuleReference): ResourceRule => ({
  reference,
  verbs: compileWords(rule.verbs),
  resources: (rule.resources ?? ['*']).map(pattern),
  // Left out under the other group too, as a deny would be: what is left out must not come back by another name.
  except: (rule.except ?? []).map(pattern).flatMap(withSameObjects),
  namespaces: compileWords(rule.namespaces),
  names: compileWords(rule.names),
  requireReason: rule.requireReason ?? false,
  podSecurity: rule.podSecurity ?? 'baseline',
  // A privileged pod can take the token of every account on its node: there is nothing to hold back.
  serviceAccounts: compileWords(rule.serviceAccounts ?? (rule.podSecurity === 'privileged' ? ['*'] : [])),
  charts: rule.charts && new Set(rule.charts),
  requireRequester: rule.requester !== undefined,
  via: rule.via && { tenant: rule.via.tenant?.toLowerCase(), app: rule.via.app.toLowerCase() },
});

export const compileUrlRule = (rule: RuleFile, reference: RuleReference): UrlRule => ({
  reference,
  verbs: compileWords(rule.verbs),
  paths: compileWords(rule.nonResourceURLs),
});

/** Whether a rule over paths is about this one. */
export const matchesUrl = (rule: UrlRule, { verb, path }: { readonly verb: string; readonly path: string }): boolean =>
  matchesWord(rule.verbs, verb) && matchesWord(rule.paths, path);

function pattern(text: string): ResourcePattern {
  const parsed = parseResourcePattern(text);
  if (!parsed) throw new TypeError(`not a resource, and the configuration should have refused it: ${text}`);
  return parsed;
}

/** Other callers' commands run there, their tokens with them: only a rule that spells it out reaches it. */
const AKS_COMMAND = 'aks-command';

/**
 * Whether an allow rule contains everything that the attributes stand for. `naming` is what `namingOf` says of them, worked out
 * once for all rules. Conditions apart: see `unmet`.
 */
export function contains(rule: ResourceRule, asked: ResourceAttributes, naming: Naming): boolean {
  // The most selective first: a policy has many rules for the same resources in different namespaces.
  return (
    containsNamespace(rule.namespaces, asked) &&
    (rule.verbs.literals.has(asked.verb) || (matchesWord(rule.verbs, asked.verb) && !needsNamedVerb(asked.verb))) &&
    containsResource(rule, asked, naming) &&
    containsName(rule.names, asked)
  );
}

function containsName(names: Words, asked: ResourceAttributes): boolean {
  if (names.all) return !needsNamedObject(asked) || names.literals.has(asked.name);
  return asked.name !== '' && matchesWord(names, asked.name);
}

const containsResource = (rule: ResourceRule, asked: ResourceAttributes, naming: Naming): boolean =>
  rule.resources.some(
    ({ resource, group, subresource }) =>
      (resource === asked.resource ||
        (resource === '*' && (naming === 'any' || (naming === 'group' && group === asked.group)))) &&
      (group === '*' || group === asked.group) &&
      (subresource === '*' || subresource === asked.subresource),
  ) && !rule.except.some((pattern) => takesIn(pattern, asked));

function containsNamespace(namespaces: Words, asked: ResourceAttributes): boolean {
  if (asked.namespace === AKS_COMMAND || isAksCommandItself(asked)) {
    return namespaces.literals.has(AKS_COMMAND) && (asked.namespace !== '' || namespaces.all);
  }
  // Spec: only ["*"] covers what is cluster-scoped, and all namespaces at once.
  if (asked.namespace === '' || asked.namespace === ALL_NAMESPACES) return namespaces.all;
  return matchesWord(namespaces, asked.namespace);
}

/** A change to the Namespace object is a change to all that is in it. */
const isAksCommandItself = ({ resource, group, namespace, name, verb }: ResourceAttributes): boolean =>
  resource === 'namespaces' &&
  group === '' &&
  namespace === '' &&
  !isRead(verb) &&
  (name === '' || name === AKS_COMMAND);

/** Whether a deny rule touches anything that the attributes stand for. */
export function intersects(rule: ResourceRule, asked: ResourceAttributes): boolean {
  return (
    matchesWord(rule.verbs, asked.verb) &&
    // A deny on the object takes its sub-resources with it.
    rule.resources.some((pattern) => takesIn(pattern, asked)) &&
    intersectsNamespace(rule.namespaces, asked) &&
    (asked.name === '' || matchesWord(rule.names, asked.name))
  );
}

function intersectsNamespace(namespaces: Words, asked: ResourceAttributes): boolean {
  if (namespaces.all || asked.namespace === ALL_NAMESPACES) return true;
  if (asked.namespace !== '') return matchesWord(namespaces, asked.namespace);
  // A Namespace object is cluster-scoped, but who deletes it deletes all that the deny protects.
  const isNamespace = asked.resource === 'namespaces' && asked.group === '';
  return isNamespace && !isRead(asked.verb) && (asked.name === '' || matchesWord(namespaces, asked.name));
}

/** Between whom a call is made. */
export interface Parties {
  /** Whose token stands in Authorization; undefined: the principal that is decided about. */
  readonly caller?: PrincipalId | undefined;
  /** The person behind the caller, by a token of their own. */
  readonly requester?: PrincipalId | undefined;
}

/** What a rule's conditions are held against. */
export interface Circumstances extends Parties {
  readonly reason?: string | undefined;
  readonly podSecurity: PodSecurity;
  readonly charts: readonly ChartDigest[];
}

export type Condition =
  | 'reason-required'
  | 'requester-required'
  | 'via-required'
  | 'pod-security'
  | 'service-account'
  | 'chart-not-listed';

/** The conditions of an allow rule that are not met, for attributes that it contains. */
export function unmet(
  rule: ResourceRule,
  asked: ResourceAttributes,
  circumstances: Circumstances,
): readonly Condition[] {
  const { reason = '', podSecurity, charts, requester, caller } = circumstances;
  const conditions: Condition[] = [];
  // Spec: a blank reason does not count, nor one of nothing but dots or invisible characters.
  if (rule.requireReason && !/[\p{L}\p{N}]/u.test(reason)) conditions.push('reason-required');
  if (rule.requireRequester && requester?.kind !== 'user') conditions.push('requester-required');
  if (rule.via && !isApplication(rule.via, caller)) conditions.push('via-required');
  if (!bringsNothing.has(asked.verb)) {
    if (beyond(rule.podSecurity, podSecurity).length > 0) conditions.push('pod-security');
    if (foreignAccounts(rule, podSecurity).length > 0) conditions.push('service-account');
  }
  if (rule.charts && !chartsListed(rule.charts, asked.verb, charts)) conditions.push('chart-not-listed');
  return conditions;
}

/** By its own token alone: which application got a person's token (`azp`) says nothing about who sends it. */
const isApplication = ({ tenant, app }: NonNullable<ResourceRule['via']>, caller: PrincipalId | undefined): boolean =>
  caller?.kind === 'app' && caller.oid === app && (tenant === undefined || caller.tid === tenant);

const levels: readonly PodSecurityLevel[] = ['restricted', 'baseline', 'privileged'];

/** Whether every condition of a rule is met where those of another are: it allows at least what the other does, where it contains it. */
export function isAsWide(rule: ResourceRule, other: ResourceRule): boolean {
  const { requireReason, requireRequester, via, podSecurity, serviceAccounts, charts } = rule;
  const accounts = [...other.serviceAccounts.literals, ...other.serviceAccounts.globs.map(({ pattern }) => pattern)];
  return (
    (!requireReason || other.requireReason) &&
    (!requireRequester || other.requireRequester) &&
    (!via || (via.app === other.via?.app && via.tenant === other.via.tenant)) &&
    levels.indexOf(podSecurity) >= levels.indexOf(other.podSecurity) &&
    (serviceAccounts.all ||
      (!other.serviceAccounts.all && accounts.every((name) => matchesWord(serviceAccounts, name)))) &&
    (!charts || (other.charts !== undefined && [...other.charts].every((digest) => charts.has(digest))))
  );
}

/** Why a level does not cover the pods of a command. */
export function beyond(level: PodSecurityLevel, { beyondBaseline, beyondRestricted }: PodSecurity): readonly string[] {
  if (level === 'privileged') return [];
  return level === 'baseline' ? beyondBaseline : [...beyondBaseline, ...beyondRestricted];
}

/** The service accounts that a rule does not let pods name; only `*` covers one that is not known. */
export const foreignAccounts = (
  { serviceAccounts: allowed }: Pick<ResourceRule, 'serviceAccounts'>,
  { serviceAccounts }: PodSecurity,
): readonly string[] => serviceAccounts.filter((name) => !(allowed.all || (name !== '' && matchesWord(allowed, name))));

/** Verbs that bring no pod into being, whatever the manifest says. */
const bringsNothing: ReadonlySet<string> = new Set(['get', 'list', 'watch', 'delete', 'deletecollection']);

function chartsListed(listed: ReadonlySet<string>, verb: string, charts: readonly ChartDigest[]): boolean {
  if (charts.length === 0) return verb !== 'install' && verb !== 'upgrade';
  return charts.every(({ digest }) => listed.has(digest));
}
