import { canonicalJson } from '../lib/canonical-json.ts';
import { sha256 } from '../lib/digest.ts';
import { isBuiltInRole, roleOf } from '../config/built-in-roles.ts';
import { compileGlob } from '../config/glob.ts';
import type { ExtraResource } from '../kubernetes/extra-resource.ts';
import { clusterRolesFrom } from '../kubernetes/cluster-roles.ts';
import type { BindingFile, BlockedFile, PolicyFile, RoleFile, SubjectFile } from '../config/schema.ts';
import { NO_TENANT, type Principal } from '../identity/principal.ts';
import { compileDenyRule, compileResourceRule, compileUrlRule, type ResourceRule, type UrlRule } from './rule.ts';

/** The part of a Config that decides. */
interface PolicySource {
  readonly policy: PolicyFile;
  readonly clusters: ReadonlyMap<string, { readonly resources?: readonly ExtraResource[] }>;
  readonly identity: { readonly tenants: readonly string[] };
}

/** A policy made ready: who is bound where, and each role's rules. */
export interface Policy {
  /** SHA-256, hex, of the canonical JSON of {policy, clusters, tenants}, and of which API server's roles are built in: what was in force when a decision was taken. */
  readonly digest: string;
  readonly clusters: ReadonlyMap<string, ClusterPolicy>;
  /** `tenant:oid`. */
  readonly blocked: ReadonlySet<string>;
  /** `resource.group` of the custom resources that the operator named for a cluster. */
  readonly listed: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Who is bound on a cluster, by tenant: ids of one tenant mean nothing in another. */
export type ClusterPolicy = ReadonlyMap<string, Subjects>;

/** Roles by kind of subject and id. `user` matches only users' tokens, `app` only service principals'. */
type Subjects = Readonly<Record<SubjectKind, ReadonlyMap<string, readonly Role[]>>>;
type SubjectKind = 'user' | 'app' | 'job' | 'group' | 'appRole';

export interface Role {
  readonly name: string;
  /** What its binding fills its parameters with. */
  readonly values: NonNullable<BindingFile['with']>;
  /** Its rules as they are in force: parameters filled in, a built-in role spelt out. */
  readonly says: RoleFile;
  readonly allow: RuleIndex;
  readonly deny: RuleIndex;
  readonly urls: { readonly allow: readonly UrlRule[]; readonly deny: readonly UrlRule[] };
}

/**
 * Rules by verb and resource, whatever its group, that they can be about; each list in the order of the file. Verbs and resources that no rule
 * names are under `*`.
 */
type RuleIndex = ReadonlyMap<string, ReadonlyMap<string, readonly ResourceRule[]>>;

/** Compiles a checked configuration (parseConfig). Throws TypeError for one that was not. */
export function compilePolicy({ policy, clusters, identity }: PolicySource): Policy {
  const compiled = new Map<string, Role>();
  // Bindings that say the same share one role, so that nobody holds it twice.
  const compileBound = (binding: BindingFile): Role => {
    const { role: name, with: values = {}, namespaces = [] } = binding;
    const key = canonicalJson({ name, values, namespaces });
    const file = roleOf(binding, policy.roles);
    if (!file) throw new TypeError(`no role is called ${name}`);
    const role = compiled.get(key) ?? compileRole(name, values, file);
    compiled.set(key, role);
    return role;
  };
  const tenantOf = ({ tenant }: { tenant?: string | undefined }): string => {
    const [only, ...others] = identity.tenants;
    if (tenant !== undefined) return tenant.toLowerCase();
    if (only === undefined || others.length > 0)
      throw new TypeError('a subject names no tenant, and there are several');
    return only;
  };
  const bindings = policy.bindings.map((binding) => {
    return { ...binding, role: compileBound(binding), globs: binding.clusters.map(compileGlob) };
  });
  const compileCluster = (cluster: string): ClusterPolicy => {
    const tenants = new Map<string, Record<SubjectKind, Map<string, Role[]>>>();
    for (const { role, globs, subjects } of bindings) {
      if (!globs.some((glob) => glob.matches(cluster))) continue;
      for (const subject of subjects) {
        const tenant = 'job' in subject ? NO_TENANT : tenantOf(subject);
        const here = tenants.get(tenant) ?? {
          user: new Map(),
          app: new Map(),
          job: new Map(),
          group: new Map(),
          appRole: new Map(),
        };
        tenants.set(tenant, here);
        const [kind, id] = identify(subject);
        here[kind].set(id, [...new Set([...(here[kind].get(id) ?? []), role])]);
      }
    }
    return tenants;
  };
  const names = [...clusters.keys()];
  // What a built-in role means comes with the gateway, not with the file.
  const builtIn = policy.bindings.some(({ role }) => isBuiltInRole(role)) && { builtIn: clusterRolesFrom };
  return {
    digest: sha256(
      canonicalJson({ policy, clusters: names.toSorted(), tenants: identity.tenants.toSorted(), ...builtIn }),
    ),
    clusters: new Map(names.map((name) => [name, compileCluster(name)])),
    listed: new Map(
      [...clusters].map(([name, { resources = [] }]) => [
        name,
        new Set(resources.map(({ resource, group }) => resourceKey(resource, group))),
      ]),
    ),
    blocked: new Set((policy.blocked ?? []).map((entry) => blockedKey(tenantOf(entry), blockedId(entry)))),
  };
}

function compileRole(name: string, values: Role['values'], role: RoleFile): Role {
  const side = (which: 'allow' | 'deny') =>
    (role[which] ?? []).map((rule, index) => ({ rule, reference: { role: name, rule: `${which}[${index}]` } }));
  const resources = (which: 'allow' | 'deny'): RuleIndex =>
    indexRules(
      side(which)
        .filter(({ rule }) => !rule.nonResourceURLs)
        .map(({ rule, reference }) => (which === 'deny' ? compileDenyRule : compileResourceRule)(rule, reference)),
    );
  const urls = (which: 'allow' | 'deny'): readonly UrlRule[] =>
    side(which)
      .filter(({ rule }) => rule.nonResourceURLs)
      .map(({ rule, reference }) => compileUrlRule(rule, reference));
  return {
    name,
    values,
    says: role,
    allow: resources('allow'),
    deny: resources('deny'),
    urls: { allow: urls('allow'), deny: urls('deny') },
  };
}

const resourceKey = (resource: string, group: string): string => (group === '' ? resource : `${resource}.${group}`);

function indexRules(rules: readonly ResourceRule[]): RuleIndex {
  const resources = new Set(['*', ...rules.flatMap((rule) => rule.resources.map((pattern) => pattern.resource))]);
  const verbs = new Set(['*', ...rules.flatMap((rule) => [...rule.verbs.literals])]);
  const about = (verb: string, resource: string): readonly ResourceRule[] =>
    rules.filter(
      (rule) =>
        (rule.verbs.all || rule.verbs.literals.has(verb)) &&
        rule.resources.some((pattern) => pattern.resource === '*' || pattern.resource === resource),
    );
  const byResource = (verb: string) => new Map([...resources].map((resource) => [resource, about(verb, resource)]));
  return new Map([...verbs].map((verb) => [verb, byResource(verb)]));
}

const noRules: readonly ResourceRule[] = [];

/** The rules that can be about a verb on a resource. */
export function rulesFor(index: RuleIndex, verb: string, resource: string): readonly ResourceRule[] {
  const byResource = index.get(verb) ?? index.get('*');
  return byResource?.get(resource) ?? byResource?.get('*') ?? noRules;
}

function identify(subject: SubjectFile): readonly [SubjectKind, string] {
  if ('job' in subject) return ['job', subject.job];
  if ('user' in subject) return ['user', subject.user.toLowerCase()];
  if ('app' in subject) return ['app', subject.app.toLowerCase()];
  if ('group' in subject) return ['group', subject.group.toLowerCase()];
  return ['appRole', subject.appRole];
}

/** Every role that is bound to a principal on a cluster, as far as its token tells: see `isOverage`. */
export function boundRoles(cluster: ClusterPolicy, { kind, tid, oid, roles, groups }: Principal): readonly Role[] {
  const subjects = cluster.get(tid);
  if (!subjects) return [];
  const found = new Set(subjects[kind].get(oid));
  for (const role of roles) for (const each of subjects.appRole.get(role) ?? []) found.add(each);
  for (const id of groups.ids) {
    for (const each of subjects.group.get(id.toLowerCase()) ?? []) found.add(each);
  }
  return [...found];
}

/** The app roles and groups of a principal that a binding on the cluster names, and whether there may be more: with its id, all that a decision goes by. */
export function countedMemberships(cluster: ClusterPolicy | undefined, { tid, roles, groups }: Principal) {
  const here = cluster?.get(tid);
  return {
    appRoles: roles.filter((role) => here?.appRole.has(role)),
    groups: groups.ids.filter((id) => here?.group.has(id.toLowerCase())),
    groupsUnknown: !groups.known,
  };
}

/** A deny that is bound through a group must never get lost, so that unknown membership decides nothing where there is one. */
export const isOverage = (cluster: ClusterPolicy, { groups, tid }: Principal): boolean =>
  !groups.known && [...(cluster.get(tid)?.group.values() ?? [])].some((roles) => roles.some(denies));

/** Whether membership that is not known may cost the principal something here: worth a word to it. */
export const mayLackRoles = (cluster: ClusterPolicy, { groups, tid }: Principal): boolean =>
  !groups.known && (cluster.get(tid)?.group.size ?? 0) > 0;

const denies = ({ deny, urls }: Role): boolean =>
  urls.deny.length > 0 ||
  [...deny.values()].some((byResource) => [...byResource.values()].some((rules) => rules.length > 0));

// An oid is one object of its tenant, user or service principal: blocking goes by it alone, so that an entry under the wrong
// word still blocks in an emergency.
const blockedId = (entry: BlockedFile): string => ('user' in entry ? entry.user : entry.app);
const blockedKey = (tid: string, oid: string): string => `${tid}:${oid.toLowerCase()}`;

/** Asked on every call, replay and read: the emergency brake. */
export const isBlocked = (policy: Policy, { tid, oid }: Pick<Principal, 'tid' | 'oid'>): boolean =>
  policy.blocked.has(blockedKey(tid, oid));
