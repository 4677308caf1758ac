import { compileGlob } from './glob.ts';
import type { Path, Report } from './problem.ts';
import { builtInRoleNames, isBuiltInRole, NAMESPACES_MISSING } from './built-in-roles.ts';
import { fillText, parametersOf, placeholdersOf } from './role-parameters.ts';
import { isNamespacePattern } from './roles.ts';
import type { BindingFile, BlockedFile, PolicyFile, SubjectFile } from './schema.ts';
import { didYouMean } from '../lib/suggest.ts';
import { isDnsLabel, readAppRole, readGuid } from './values.ts';

interface Known {
  readonly clusters: readonly string[];
  /** Lower-case GUIDs. */
  readonly tenants: readonly string[];
  readonly jobs: readonly string[] | undefined;
}

/** What is read, what it may name, and who is told. */
interface Context {
  readonly policy: PolicyFile;
  readonly known: Known;
  readonly report: Report;
}

/**
 * Checks who is bound to what, and gives the policy with every subject spelled out: ids in lower case, its tenant named. With
 * one tenant it may be left out; with several it may not, since an app role is assigned by each tenant's own administrator.
 */
export function readPolicy(policy: PolicyFile, known: Known, report: Report): PolicyFile {
  const context: Context = { policy, known, report };
  const bindings = policy.bindings.map((binding, index) =>
    readBinding(context, binding, ['policy', 'bindings', index]),
  );
  checkVia(context);
  for (const role of Object.keys(policy.roles))
    if (!bindings.some((binding) => binding.role === role))
      report.warning(['policy', 'roles', role], 'is bound to nobody');
  const blocked = policy.blocked?.map((entry, index) =>
    readBlocked(entry, ['policy', 'blocked', index], known.tenants, report),
  );
  return { ...policy, bindings, ...(blocked && { blocked }) };
}

function readBinding(context: Context, binding: BindingFile, path: Path): BindingFile {
  checkRoleOf(context, binding, path);
  binding.clusters.forEach((pattern, place) => checkCluster(context, pattern, [...path, 'clusters', place]));
  const subjects = binding.subjects.map((subject, place) =>
    readSubject(context, subject, [...path, 'subjects', place]),
  );
  return { ...binding, subjects };
}

/** Ids of one tenant mean nothing in another. */
function checkVia({ policy, known, report }: Context): void {
  for (const [name, { allow = [] }] of Object.entries(policy.roles))
    for (const [index, { via }] of allow.entries()) {
      if (!via) continue;
      const path = ['policy', 'roles', name, 'allow', index, 'via'];
      readTenant(via.tenant, path, known.tenants, report);
      readId(via.app, [...path, 'app'], report);
    }
}

function checkRoleOf({ policy, report }: Context, binding: BindingFile, path: Path): void {
  const { role: name, with: values = {}, namespaces } = binding;
  const role = Object.hasOwn(policy.roles, name) ? policy.roles[name] : undefined;
  if (!role && !isBuiltInRole(name)) {
    const guess = didYouMean(name, [...Object.keys(policy.roles), ...builtInRoleNames]);
    return report.problem([...path, 'role'], `no role is called "${name}".${guess}`);
  }
  const parameters = isBuiltInRole(name) ? placeholdersOf(namespaces ?? []) : role ? parametersOf(role) : [];
  checkValues(report, name, { parameters, values }, path);
  if (namespaces && !isBuiltInRole(name))
    report.problem(
      [...path, 'namespaces'],
      `is for the built-in roles ${builtInRoleNames.join(', ')}: the rules of ${name} say their namespaces themselves, with {parameters} if need be`,
    );
  if (isBuiltInRole(name) && namespaces === undefined)
    report.warning(path, `${name} holds in every namespace and for what is in none: ${NAMESPACES_MISSING}`);
  checkNamespaces(report, binding, role, path);
}

/** Of the binding of a built-in role, or as the rules of another have them, with the parameters filled in. */
function checkNamespaces(
  report: Report,
  { with: values = {}, namespaces }: BindingFile,
  role: PolicyFile['roles'][string] | undefined,
  path: Path,
): void {
  const texts = (role ? [...(role.allow ?? []), ...(role.deny ?? [])] : []).flatMap((rule) => rule.namespaces ?? []);
  for (const text of namespaces ?? texts) {
    const filled = fillText(text, values);
    if (filled === 'aks-command' && filled !== text)
      report.problem(
        [...path, 'with'],
        `makes "${text}" the namespace of run command's own pods: only a rule that spells it out may name it`,
      );
    else if (placeholdersOf([filled]).length === 0 && !isNamespacePattern(filled) && (namespaces || filled !== text))
      report.problem(
        [...path, namespaces ? 'namespaces' : 'with'],
        `"${filled}" is neither a namespace nor a glob of one`,
      );
  }
}

function checkValues(
  report: Report,
  role: string,
  { parameters, values }: { readonly parameters: readonly string[]; readonly values: NonNullable<BindingFile['with']> },
  path: Path,
): void {
  for (const [key, value] of Object.entries(values)) {
    const at = [...path, 'with', key];
    if (!parameters.includes(key))
      report.problem(at, `role ${role} has no parameter "${key}".${didYouMean(key, parameters)}`);
    // A value with a glob in it would make the role wider than it reads.
    else if (!isDnsLabel(value)) report.problem(at, `"${value}" is not letters, digits and "-", in lower case`);
  }
  const missing = parameters.filter((key) => !Object.hasOwn(values, key));
  if (missing.length > 0) report.problem(path, `needs with: role ${role} has the parameter ${missing.join(', ')}`);
}

function checkCluster({ known, report }: Context, pattern: string, path: Path): void {
  const glob = compileGlob(pattern);
  if (glob.literal && !known.clusters.includes(pattern)) {
    report.problem(path, `no cluster is called "${pattern}".${didYouMean(pattern, known.clusters)}`);
  } else if (!/^[A-Za-z0-9._*-]+$/.test(pattern) || pattern.includes('**')) {
    report.problem(path, `"${pattern}" is neither a cluster nor a glob of one`);
  } else if (!known.clusters.some((name) => glob.matches(name)))
    report.warning(path, `"${pattern}" matches no cluster yet`);
}

function readSubject({ known, report }: Context, subject: SubjectFile, path: Path): SubjectFile {
  if ('job' in subject) {
    if (known.jobs && !known.jobs.includes(subject.job)) {
      report.problem([...path, 'job'], `no job is called "${subject.job}".${didYouMean(subject.job, known.jobs)}`);
    }
    return subject;
  }
  const tenant = readTenant(subject.tenant, path, known.tenants, report);
  if ('user' in subject) return { user: readId(subject.user, [...path, 'user'], report), tenant };
  if ('app' in subject) return { app: readId(subject.app, [...path, 'app'], report), tenant };
  if ('group' in subject) return { group: readId(subject.group, [...path, 'group'], report), tenant };
  const appRole = readAppRole(subject.appRole);
  if (!appRole.ok) report.problem([...path, 'appRole'], appRole.problem);
  return { appRole: subject.appRole, tenant };
}

/** One of the blocked, its id in lower case, its tenant named. */
export function readBlocked(entry: BlockedFile, path: Path, tenants: readonly string[], report: Report): BlockedFile {
  const tenant = readTenant(entry.tenant, path, tenants, report);
  return 'user' in entry
    ? { user: readId(entry.user, [...path, 'user'], report), tenant }
    : { app: readId(entry.app, [...path, 'app'], report), tenant };
}

function readTenant(text: string | undefined, path: Path, tenants: readonly string[], report: Report): string {
  const [only = '', ...others] = tenants;
  if (text === undefined) {
    if (others.length > 0)
      report.problem(path, 'needs tenant: the gateway serves several, and each assigns its own ids');
    return only;
  }
  const tenant = readId(text, [...path, 'tenant'], report);
  if (tenant !== '' && !tenants.includes(tenant)) {
    report.problem([...path, 'tenant'], 'is not one of identity.tenants');
  }
  return tenant;
}

function readId(text: string, path: Path, report: Report): string {
  const guid = readGuid(text);
  if (guid.ok) return guid.value;
  report.problem(path, `${guid.problem}: Entra's object ids only, since names and addresses change hands`);
  return '';
}
