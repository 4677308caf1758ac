import { isDeepStrictEqual } from 'node:util';
import { isBuiltInRole, roleOf } from '../config/built-in-roles.ts';
import type { Config } from '../config/config.ts';
import { compileGlob } from '../config/glob.ts';
import { formatPath, type Path } from '../config/problem.ts';
import { fillRole, parametersOf } from '../config/role-parameters.ts';
import type { BindingFile, RoleFile, RuleFile, SubjectFile } from '../config/schema.ts';
import { describeAttributes } from '../kubernetes/attributes.ts';
import { jobPrincipal } from '../identity/principal.ts';
import { ANY_WORD, askables, probes } from './askable.ts';
import { boundRoles, compilePolicy } from './policy.ts';
import { compileDenyRule, compileResourceRule, intersects, isAsWide, contains, type ResourceRule } from './rule.ts';
import { needsNamedResource } from './sensitive.ts';
import { nameSubject } from './subject.ts';

interface LintFinding {
  /** `policy.roles.viewer.deny[0]` */
  readonly path: string;
  readonly kind: 'never-matches' | 'shadowed' | 'wider-than-meant' | 'undoes' | 'bound-nowhere';
  readonly message: string;
}

interface Lint {
  readonly config: Config;
  readonly all: ReturnType<typeof askables>;
  readonly roles: ReadonlyMap<string, CompiledRole>;
  report(path: Path, kind: LintFinding['kind'], message: string): void;
}

interface CompiledRole {
  readonly allow: readonly ResourceRule[];
  readonly deny: readonly ResourceRule[];
}

/** What is probably not meant in a policy that is in order: all findings, by their place in the file. */
export function lintPolicy(config: Config): readonly LintFinding[] {
  const findings: LintFinding[] = [];
  const report: Lint['report'] = (path, kind, message) => findings.push({ path: formatPath(path), kind, message });
  const roles = new Map(Object.entries(config.policy.roles).map(([name, role]) => [name, compileSample(name, role)]));
  const lint: Lint = { config, all: askables(config.clusters), roles, report };
  for (const role of roles.values()) lintRole(lint, role);
  lintWidth(lint);
  lintDenies(lint);
  lintBound(lint);
  return findings;
}

/** A role with each parameter filled by a word of its own. Rules about the gateway's paths are left out: their words are few and plain. */
function compileSample(name: string, role: RoleFile): CompiledRole {
  const filled = fillRole(role, Object.fromEntries(parametersOf(role).map((key) => [key, `${ANY_WORD}-${key}`])));
  const compile = (rules: readonly RuleFile[] = [], side: 'allow' | 'deny'): readonly ResourceRule[] =>
    rules.flatMap((rule, index) => {
      if (rule.nonResourceURLs) return [];
      const reference = { role: name, rule: `${side}[${index}]` };
      return [side === 'deny' ? compileDenyRule(rule, reference) : compileResourceRule(rule, reference)];
    });
  return { allow: compile(filled.allow, 'allow'), deny: compile(filled.deny, 'deny') };
}

const pathOf = ({ reference: { role, rule } }: ResourceRule): Path => ['policy', 'roles', role, rule];

/** Rules that never match, and those that say what others of the role say already. */
function lintRole({ all, report }: Lint, { allow, deny }: CompiledRole): void {
  const dead = new Set<ResourceRule>();
  for (const side of ['allow', 'deny'] as const) {
    const rules = side === 'allow' ? allow : deny;
    // The later of two that say the same is the one too many.
    for (const rule of rules.toReversed()) {
      const asked = [...probes(rule, all, side)];
      const others = rules.filter((other) => other !== rule && !dead.has(other) && isAsWide(other, rule));
      const covers = (other: ResourceRule, one: (typeof asked)[number]): boolean =>
        side === 'allow' ? contains(other, one, needsNamedResource(one)) : intersects(other, one);
      if (asked.length === 0) {
        report(
          pathOf(rule),
          'never-matches',
          'no command asks for any of this: hold verbs, resources and namespaces against each other',
        );
      } else if (asked.every((one) => others.some((other) => covers(other, one)))) {
        const by = others.filter((other) => asked.some((one) => covers(other, one)));
        report(
          pathOf(rule),
          'shadowed',
          `says nothing that ${by.map(({ reference }) => reference.rule).join(', ')} does not say`,
        );
      } else if (side === 'allow' && asked.every((one) => deny.some((other) => intersects(other, one)))) {
        report(pathOf(rule), 'never-matches', 'a deny of the same role takes all of it away');
      } else continue;
      dead.add(rule);
    }
  }
}

/** `shop*` is also shopping; `*` is also secrets. */
function lintWidth({ config, roles, report }: Lint): void {
  const glob = (text: string, path: Path): void => {
    const stem = /^(.*[a-z0-9}])\*$/.exec(text)?.[1];
    if (stem !== undefined)
      report(
        path,
        'wider-than-meant',
        `"${text}" also takes in ${stem}ping: "${stem}" and "${stem}-*" are probably meant`,
      );
  };
  for (const [name, { allow = [] }] of Object.entries(config.policy.roles)) {
    const denies = roles.get(name)?.deny ?? [];
    allow.forEach((rule, index) => {
      const path = ['policy', 'roles', name, 'allow', index];
      rule.namespaces?.forEach((text, place) => glob(text, [...path, 'namespaces', place]));
      const secrets = { verb: 'get', group: '', resource: 'secrets', subresource: '', namespace: ANY_WORD, name: '' };
      const compiled = roles.get(name)?.allow.find(({ reference }) => reference.rule === `allow[${index}]`);
      if (!rule.resources?.includes('*') || !compiled) return;
      if (contains(compiled, secrets, false) && !denies.some((deny) => intersects(deny, secrets)))
        report(
          path,
          'wider-than-meant',
          'resources: ["*"] reads secrets too: if that is not meant, add except: [secrets]',
        );
    });
  }
  config.policy.bindings.forEach((binding, index) => {
    for (const key of ['clusters', 'namespaces'] as const)
      binding[key]?.forEach((text, place) => glob(text, ['policy', 'bindings', index, key, place]));
  });
}

interface Bound {
  readonly binding: BindingFile;
  readonly clusters: ReadonlySet<string>;
  readonly role: CompiledRole;
}

/** A deny stops everybody who holds its role, whatever their other roles allow. */
function lintDenies({ config, all, report }: Lint): void {
  const bound = config.policy.bindings.flatMap((binding): Bound[] => {
    const role = roleOf(binding, config.policy.roles);
    const globs = binding.clusters.map(compileGlob);
    const clusters = new Set([...config.clusters.keys()].filter((name) => globs.some((glob) => glob.matches(name))));
    return role ? [{ binding, clusters, role: compileSample(binding.role, role) }] : [];
  });
  const told = new Set<string>();
  for (const denying of bound)
    for (const deny of denying.role.deny)
      for (const other of bound) {
        const key = JSON.stringify([deny.reference, other.binding.role]);
        if (told.has(key) || other.binding.role === denying.binding.role) continue;
        const both = sharedHolder(config, denying, other);
        const undone = both && firstUndone(deny, other.role, all);
        if (!both || !undone) continue;
        told.add(key);
        report(
          pathOf(deny),
          'undoes',
          `takes "${describeAttributes(undone)}" from ${both} too, which role ${other.binding.role} allows: if only this role is meant, leave it out of its allow rules with except`,
        );
      }
}

function firstUndone(deny: ResourceRule, { allow }: CompiledRole, all: Lint['all']) {
  for (const rule of allow) for (const asked of probes(rule, all, 'allow')) if (intersects(deny, asked)) return asked;
  return undefined;
}

/** Who holds both roles on one cluster: certainly, or because nothing keeps a person from being in both. Undefined: nobody. */
function sharedHolder(config: Config, one: Bound, other: Bound): string | undefined {
  if (![...one.clusters].some((name) => other.clusters.has(name))) return undefined;
  const pairs = one.binding.subjects.flatMap((a) => other.binding.subjects.map((b) => [a, b] as const));
  const same = pairs.find(([a, b]) => isDeepStrictEqual(a, b));
  if (same) return nameSubject(same[0], config);
  const possible = pairs.find(([a, b]) => canBeBoth(a, b));
  return possible && `somebody who is ${nameSubject(possible[0], config)} and ${nameSubject(possible[1], config)}`;
}

/** Two ids of one kind are two callers; groups and app roles are held beside anything but a job's name. */
function canBeBoth(a: SubjectFile, b: SubjectFile): boolean {
  const isMany = (subject: SubjectFile): boolean => 'group' in subject || 'appRole' in subject;
  if ('job' in a || 'job' in b || a.tenant !== b.tenant) return false;
  return isMany(a) || isMany(b);
}

/** Roles that nobody holds, bindings that reach no cluster, jobs that may do nothing. */
function lintBound({ config, report }: Lint): void {
  const policy = compilePolicy(config);
  for (const name of Object.keys(config.policy.roles))
    if (!config.policy.bindings.some(({ role }) => role === name))
      report(['policy', 'roles', name], 'bound-nowhere', 'is bound to nobody');
  config.policy.bindings.forEach(({ clusters, role }, index) => {
    const globs = clusters.map(compileGlob);
    if (![...config.clusters.keys()].some((name) => globs.some((glob) => glob.matches(name))))
      report(
        ['policy', 'bindings', index],
        'bound-nowhere',
        `gives ${isBuiltInRole(role) ? 'the built-in role ' : ''}${role} on no cluster that there is`,
      );
  });
  config.jobs.forEach(({ name, cluster }, index) => {
    const here = policy.clusters.get(cluster);
    if (here && boundRoles(here, jobPrincipal(name)).length === 0)
      report(
        ['jobs', index],
        'bound-nowhere',
        `job ${name} has no role on ${cluster}: every run of it would be denied`,
      );
  });
}
