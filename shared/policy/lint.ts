import { isDeepStrictEqual } from 'node:util';
import { isBuiltInRole, NAMESPACES_MISSING, roleOf } from '../config/built-in-roles.ts';
import type { Config } from '../config/config.ts';
import { compileGlob } from '../config/glob.ts';
import type { Path } from '../config/problem.ts';
import { fillText } from '../config/role-parameters.ts';
import type { BindingFile, SubjectFile } from '../config/schema.ts';
import { describeAttributes } from '../kubernetes/attributes.ts';
import { jobPrincipal } from '../identity/principal.ts';
import { ANY, askables } from './askable.ts';
import {
  collectFindings,
  firstUndone,
  judgeRole,
  lintRole,
  type JudgedRole,
  type LintFinding,
  type ReportFinding,
} from './lint-rules.ts';
import { boundRoles, compilePolicy } from './policy.ts';
import { nameSubject } from './subject.ts';

interface Lint {
  readonly config: Config;
  readonly all: ReturnType<typeof askables>;
  readonly roles: ReadonlyMap<string, JudgedRole>;
  readonly report: ReportFinding;
}

/** What is probably not meant in a policy that is in order: all findings, by their place in the file. */
export function lintPolicy(config: Config): readonly LintFinding[] {
  const { findings, report } = collectFindings();
  const all = askables([...config.clusters.values()], Object.values(config.policy.roles));
  const roles = new Map(
    Object.entries(config.policy.roles).map(([name, role]) => [name, judgeRole(name, role, all)] as const),
  );
  const lint: Lint = { config, all, roles, report };
  for (const role of roles.values()) lintRole(role, all, report);
  lintWidth(lint);
  lintBindings(lint);
  lintDenies(lint);
  lintBound(lint);
  return findings;
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
    const judged = roles.get(name);
    allow.forEach((rule, index) => {
      const path = ['policy', 'roles', name, 'allow', index];
      rule.namespaces?.forEach((text, place) => glob(text, [...path, 'namespaces', place]));
      const secrets = {
        verb: 'get',
        group: '',
        resource: 'secrets',
        subresource: '',
        namespace: ANY,
        name: '',
        listed: true,
      };
      if (!rule.resources?.includes('*') || !judged?.allow[index]?.takes(secrets)) return;
      if (judged.deny.some((deny) => deny.takes(secrets))) return;
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

/** Where the cluster's own machinery runs: who may write there has the cluster. */
const KUBE_SYSTEM = 'kube-system';

/** A built-in role everywhere because a line was left out, and a parameter that makes kube-system of a team's word. */
function lintBindings({ config, report }: Lint): void {
  const { bindings, roles } = config.policy;
  bindings.forEach((binding, index) => {
    const path = ['policy', 'bindings', index];
    const { role, namespaces, with: values = {} } = binding;
    if (isBuiltInRole(role) && namespaces === undefined)
      report(path, 'wider-than-meant', `holds in every namespace and for what is in none: ${NAMESPACES_MISSING}`);
    const rules = [...(roles[role]?.allow ?? []), ...(roles[role]?.deny ?? [])];
    for (const text of new Set(namespaces ?? rules.flatMap((rule) => rule.namespaces ?? []))) {
      const filled = fillText(text, values);
      const told = filled === text || Object.values(values).includes(KUBE_SYSTEM);
      if (!told && compileGlob(filled).matches(KUBE_SYSTEM))
        report(
          [...path, 'with'],
          'wider-than-meant',
          `makes "${filled}" of "${text}", which takes in ${KUBE_SYSTEM}: the cluster's own machinery runs there`,
        );
    }
  });
}

interface Bound {
  readonly binding: BindingFile;
  readonly clusters: ReadonlySet<string>;
  readonly role: JudgedRole;
}

/** A deny stops everybody who holds its role, whatever their other roles allow. */
function lintDenies({ config, all, report }: Lint): void {
  const bound = config.policy.bindings.flatMap((binding): Bound[] => {
    const role = roleOf(binding, config.policy.roles);
    const globs = binding.clusters.map(compileGlob);
    const clusters = new Set([...config.clusters.keys()].filter((name) => globs.some((glob) => glob.matches(name))));
    return role ? [{ binding, clusters, role: judgeRole(binding.role, role, all) }] : [];
  });
  const told = new Set<string>();
  for (const denying of bound)
    for (const deny of denying.role.deny)
      for (const other of bound) {
        const key = JSON.stringify([deny.path, other.binding.role]);
        if (told.has(key) || other.binding.role === denying.binding.role) continue;
        const both = sharedHolder(config, denying, other);
        const undone = both && firstUndone(deny, other.role);
        if (!both || !undone) continue;
        told.add(key);
        report(
          deny.path,
          'undoes',
          `takes "${describeAttributes(undone)}" from ${both} too, which role ${other.binding.role} allows: if only this role is meant, leave it out of its allow rules with except`,
        );
      }
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
