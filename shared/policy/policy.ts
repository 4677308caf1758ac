import { canonicalJson, sha256 } from '../config/canonical.ts';
import { compileGlob } from '../config/glob.ts';
import type { BlockedFile, PolicyFile, RoleFile, SubjectFile } from '../config/schema.ts';
import type { Principal } from '../identity/principal.ts';
import { compileResourceRule, compileUrlRule, type ResourceRule, type UrlRule } from './rule.ts';

/** The part of a Config that decides. */
export interface PolicySource {
  readonly policy: PolicyFile;
  readonly clusters: ReadonlyMap<string, unknown>;
  readonly identity: { readonly tenants: readonly string[] };
}

/** A policy made ready: who is bound where, and each role's rules. */
export interface Policy {
  /** SHA-256, hex, of the canonical JSON of {policy, clusters, tenants}: what was in force when a decision was taken. */
  readonly digest: string;
  readonly clusters: ReadonlyMap<string, ClusterPolicy>;
  /** Subject keys. */
  readonly blocked: ReadonlySet<string>;
}

export interface ClusterPolicy {
  /** By subject key. */
  readonly roles: ReadonlyMap<string, ReadonlySet<Role>>;
  /** Tenants of whose groups one is bound here: whoever's membership is unknown cannot be judged. */
  readonly groupTenants: ReadonlySet<string>;
}

export interface Role {
  readonly name: string;
  readonly allow: RuleIndex;
  readonly deny: RuleIndex;
  readonly urls: { readonly allow: readonly UrlRule[]; readonly deny: readonly UrlRule[] };
}

/** Rules by what they can be about, in the order of the file. */
export interface RuleIndex {
  /** By `resource.group`: the rules that name it, and those with `*`. */
  readonly byResource: ReadonlyMap<string, readonly ResourceRule[]>;
  /** For every other resource: the rules with `*`. */
  readonly others: readonly ResourceRule[];
}

/** Compiles a checked configuration (parseConfig). Throws TypeError for one that was not. */
export function compilePolicy({ policy, clusters, identity }: PolicySource): Policy {
  const roles = new Map(Object.entries(policy.roles).map(([name, role]) => [name, compileRole(name, role)]));
  const tenantOf = ({ tenant }: { tenant?: string | undefined }): string => {
    const [only, ...others] = identity.tenants;
    if (tenant !== undefined) return tenant.toLowerCase();
    if (only === undefined || others.length > 0)
      throw new TypeError('a subject names no tenant, and there are several');
    return only;
  };
  const bindings = policy.bindings.map((binding) => {
    const role = roles.get(binding.role);
    if (!role) throw new TypeError(`no role is called ${binding.role}`);
    return { ...binding, role, globs: binding.clusters.map(compileGlob) };
  });
  const compileCluster = (cluster: string): ClusterPolicy => {
    const bySubject = new Map<string, Set<Role>>();
    const groupTenants = new Set<string>();
    for (const { role, globs, subjects } of bindings) {
      if (!globs.some((glob) => glob.matches(cluster))) continue;
      for (const subject of subjects) {
        // Jobs are nobody's token: parseConfig refuses them until there are any.
        if ('job' in subject) continue;
        const tenant = tenantOf(subject);
        const key = subjectKey(subject, tenant);
        bySubject.set(key, (bySubject.get(key) ?? new Set()).add(role));
        if ('group' in subject) groupTenants.add(tenant);
      }
    }
    return { roles: bySubject, groupTenants };
  };
  const names = [...clusters.keys()];
  return {
    digest: sha256(canonicalJson({ policy, clusters: names.toSorted(), tenants: identity.tenants.toSorted() })),
    clusters: new Map(names.map((name) => [name, compileCluster(name)])),
    blocked: new Set((policy.blocked ?? []).map((entry) => blockedKey(tenantOf(entry), blockedId(entry)))),
  };
}

function compileRole(name: string, role: RoleFile): Role {
  const side = (which: 'allow' | 'deny') =>
    (role[which] ?? []).map((rule, index) => ({ rule, reference: { role: name, rule: `${which}[${index}]` } }));
  const resources = (which: 'allow' | 'deny'): RuleIndex =>
    indexRules(
      side(which)
        .filter(({ rule }) => !rule.nonResourceURLs)
        .map(({ rule, reference }) => compileResourceRule(rule, reference)),
    );
  const urls = (which: 'allow' | 'deny'): readonly UrlRule[] =>
    side(which)
      .filter(({ rule }) => rule.nonResourceURLs)
      .map(({ rule, reference }) => compileUrlRule(rule, reference));
  return {
    name,
    allow: resources('allow'),
    deny: resources('deny'),
    urls: { allow: urls('allow'), deny: urls('deny') },
  };
}

export const resourceKey = (resource: string, group: string): string =>
  group === '' ? resource : `${resource}.${group}`;

function indexRules(rules: readonly ResourceRule[]): RuleIndex {
  const isWild = (rule: ResourceRule): boolean => rule.resources.some(({ resource }) => resource === '*');
  const keysOf = (rule: ResourceRule) => rule.resources.map(({ resource, group }) => resourceKey(resource, group));
  const named = new Set(rules.flatMap(keysOf));
  return {
    byResource: new Map(
      [...named].map((key) => [key, rules.filter((rule) => isWild(rule) || keysOf(rule).includes(key))]),
    ),
    others: rules.filter(isWild),
  };
}

/** The rules of a role that can be about a resource. */
export const rulesFor = (index: RuleIndex, key: string): readonly ResourceRule[] =>
  index.byResource.get(key) ?? index.others;

// `user` matches only users' tokens, `app` only service principals'; all with the token's own tenant (spec "Who is bound").
// Every key ends with what the file or the token holds, behind a fixed number of colons, so none can pass as another.

type Bindable = Exclude<SubjectFile, { job: string }>;

function subjectKey(subject: Bindable, tenant: string): string {
  if ('user' in subject) return `user:${tenant}:${subject.user.toLowerCase()}`;
  if ('app' in subject) return `app:${tenant}:${subject.app.toLowerCase()}`;
  if ('group' in subject) return `group:${tenant}:${subject.group.toLowerCase()}`;
  return `appRole:${tenant}:${subject.appRole}`;
}

/** Every subject that a principal is. */
export function subjectKeys(principal: Principal): readonly string[] {
  const { kind, tid, oid, roles, groups } = principal;
  return [
    `${kind}:${tid}:${oid}`,
    ...roles.map((role) => `appRole:${tid}:${role}`),
    ...(groups.known ? groups.ids.map((id) => `group:${tid}:${id.toLowerCase()}`) : []),
  ];
}

// An oid is one object of its tenant, user or service principal: blocking goes by it alone, so that an entry under the wrong
// word still blocks in an emergency (attacks 13).
const blockedId = (entry: BlockedFile): string => ('user' in entry ? entry.user : entry.app);
const blockedKey = (tid: string, oid: string): string => `${tid}:${oid.toLowerCase()}`;

/** Asked on every call, replay and read: the emergency brake. */
export const isBlocked = (policy: Policy, { tid, oid }: Principal): boolean => policy.blocked.has(blockedKey(tid, oid));
