import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/config.ts';
import { ruleName } from '../config/rule-reference.ts';
import type { RoleFile } from '../config/schema.ts';
import { noPods } from '../command/pod-security/findings.ts';
import type { Principal } from '../identity/principal.ts';
import {
  ALL_NAMESPACES,
  isUrl,
  resourceName,
  urlAttributes,
  type ResourceAttributes,
} from '../kubernetes/attributes.ts';
import { ANY, askables, askablePaths, samples } from './askable.ts';
import { decide } from './decide.ts';
import { decideForBoth, type Asker } from './decide-both.ts';
import { frozenFor } from './frozen.ts';
import { boundRoles, compilePolicy, isBlocked, type Policy } from './policy.ts';
import { compileResourceRule } from './rule.ts';
import { nameSubject, subjectPrincipal, subjectsOf } from './subject.ts';
import { outcomeOf } from './who-can.ts';

/** Verdicts of one subject that two policies do not share. */
export interface PolicyChange {
  readonly subject: string;
  readonly cluster: string;
  readonly before: string;
  readonly after: string;
  /** ANY (askable.ts) stands for any namespace or name that neither file mentions. */
  readonly namespace: string;
  readonly name: string;
  /** `deployments.apps`, or a path, with its verbs. */
  readonly resources: ReadonlyMap<string, readonly string[]>;
}

interface Side {
  readonly config: Config;
  readonly policy: Policy;
}

const compileSide = (config: Config): Side => ({ config, policy: compilePolicy(config) });

/**
 * What each subject of a binding, being nothing else, may do under one configuration and not under the other: every verb on every resource
 * that is known, in every namespace and by every name that its roles mention, and in one that they do not.
 */
export function comparePolicies(before: Config, after: Config): readonly PolicyChange[] {
  const [old, next] = [compileSide(before), compileSide(after)];
  const subjects = new Map(
    [...subjectsOf(before), ...subjectsOf(after)].map((subject) => [JSON.stringify(subject), subject] as const),
  );
  const both = [before, after];
  const all = askables(
    both.flatMap(({ clusters }) => [...clusters.values()]),
    both.flatMap(({ policy }) => Object.values(policy.roles)),
  );
  const changes = new Map<string, PolicyChange & { readonly resources: Map<string, string[]> }>();
  for (const cluster of new Set([...before.clusters.keys(), ...after.clusters.keys()]))
    for (const file of subjects.values()) {
      const subject = nameSubject(file, after);
      const one = { old: subjectPrincipal(file, before), next: subjectPrincipal(file, after) };
      const held = { old: rolesOf(old, cluster, one.old), next: rolesOf(next, cluster, one.next) };
      const frozen = { old: isFrozen(before, cluster), next: isFrozen(after, cluster) };
      // What `*` grants of a custom resource hangs on whether the cluster names it.
      const isListedAlike = isDeepStrictEqual(old.policy.listed.get(cluster), next.policy.listed.get(cluster));
      if (isDeepStrictEqual(held.old, held.next) && frozen.old === frozen.next && isListedAlike) continue;
      // Asked without a name first, then by one that nobody wrote down, then by each that somebody did: what comes of them alike is told once.
      let told: { readonly was: string; readonly is: string }[] = [];
      for (const asked of questionsOf(all, wordsOf([...held.old, ...held.next]))) {
        const was = outcome(old, one.old, cluster, asked);
        const is = outcome(next, one.next, cluster, asked);
        const { namespace, verb } = asked;
        const name = isUrl(asked) ? '' : asked.name;
        const isTold = name !== '' && told.every((one) => one.was === was && one.is === is);
        if (name === '') told = [{ was, is }];
        else if (name === ANY) told.push({ was, is });
        if (was === is || isTold) continue;
        const key = JSON.stringify([subject, cluster, was, is, namespace, name]);
        const change = changes.get(key) ?? {
          subject,
          cluster,
          before: was,
          after: is,
          namespace,
          name,
          resources: new Map(),
        };
        changes.set(key, change);
        const resource = isUrl(asked) ? asked.name : resourceName(asked);
        change.resources.set(resource, [...(change.resources.get(resource) ?? []), verb]);
      }
    }
  return [...changes.values()];
}

/** What the roles of a principal on a cluster say; nothing of who is blocked. */
function rolesOf({ policy }: Side, cluster: string, principal: Principal): readonly RoleFile[] {
  const here = policy.clusters.get(cluster);
  return here && !isBlocked(policy, principal) ? boundRoles(here, principal).map(({ says }) => says) : [];
}

const isFrozen = ({ clusters }: Config, cluster: string): boolean => clusters.get(cluster)?.frozen !== undefined;

function outcome({ config, policy }: Side, principal: Principal, cluster: string, asked: ResourceAttributes): string {
  const { verdict, explanation } = outcomeOf(policy, principal, cluster, asked);
  if (verdict === 'allow' && frozenFor(config.clusters.get(cluster), [asked]) !== undefined) return 'deny, frozen';
  return verdict === 'allow' && explanation !== undefined ? `allow, ${explanation}` : verdict;
}

/** The namespaces, names and paths that roles mention. */
function wordsOf(roles: readonly RoleFile[]): {
  readonly namespaces: readonly string[];
  readonly names: readonly string[];
  readonly paths: readonly string[];
} {
  const rules = roles.flatMap(({ allow = [], deny = [] }) => [...allow, ...deny]);
  const compiled = rules
    .filter((rule) => !rule.nonResourceURLs)
    .map((rule) => compileResourceRule(rule, { role: '', rule: '' }));
  return {
    namespaces: [...new Set([ALL_NAMESPACES, ANY, ...compiled.flatMap(({ namespaces }) => samples(namespaces))])],
    names: [...new Set(['', ANY, ...compiled.flatMap(({ names }) => samples(names))])],
    paths: [...new Set([...askablePaths, ...rules.flatMap((rule) => rule.nonResourceURLs ?? [])])].map((path) =>
      path.replaceAll('*', ANY),
    ),
  };
}

function* questionsOf(
  all: ReturnType<typeof askables>,
  { namespaces, names, paths }: ReturnType<typeof wordsOf>,
): Generator<ResourceAttributes> {
  for (const { group, resource, subresource, namespaced, verbs } of all)
    for (const verb of verbs)
      for (const namespace of namespaced ? namespaces : [''])
        for (const name of names) yield { verb, group, resource, subresource, namespace, name };
  for (const path of paths) yield urlAttributes('get', path);
}

/** What was asked once: an event of the audit trail, as far as a decision goes by it. */
export interface AskedBefore extends Asker {
  readonly cluster: string;
  readonly attributes: readonly ResourceAttributes[];
  readonly reason?: string | undefined;
  /** As the trail has it. */
  readonly decision: 'allow' | 'deny';
}

interface Verdict {
  readonly verdict: 'allow' | 'deny';
  readonly rule?: string | undefined;
  readonly explanation?: string | undefined;
}

export interface Replayed {
  readonly before: Verdict;
  readonly after: Verdict;
  /** Whether the first configuration decides as the trail says it was decided. */
  readonly faithful: boolean;
}

/** Puts what was asked to both configurations. Pods and charts are taken as allowed by both: the trail keeps no files. */
export function createReplay(before: Config, after: Config): (asked: AskedBefore) => Replayed {
  const [old, next] = [compileSide(before), compileSide(after)];
  const verdict = ({ config, policy }: Side, { cluster, attributes, reason, ...asker }: AskedBefore): Verdict => {
    const frozen = frozenFor(config.clusters.get(cluster), attributes);
    if (frozen !== undefined) return { verdict: 'deny', explanation: frozen };
    const asked = { cluster, attributes, reason, podSecurity: noPods, charts: [] };
    const decision = decideForBoth(asker, (principal, parties) => decide(policy, { principal, ...parties, ...asked }));
    const rule = decision.rule && ruleName(decision.rule);
    return decision.verdict === 'allow'
      ? { verdict: 'allow', rule }
      : { verdict: 'deny', rule, explanation: decision.explanation };
  };
  return (asked) => {
    const was = verdict(old, asked);
    return { before: was, after: verdict(next, asked), faithful: was.verdict === asked.decision };
  };
}
