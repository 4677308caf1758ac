import type { Cluster } from '../config/config.ts';
import { globsOverlap } from '../config/glob.ts';
import type { RoleFile } from '../config/schema.ts';
import { ALL_NAMESPACES, urlAttributes, type ResourceAttributes } from '../kubernetes/attributes.ts';
import { virtualResources } from '../kubernetes/resource-table.ts';
import { isOthersGroup } from '../kubernetes/known-kinds.ts';
import { builtInTypes } from '../kubernetes/resources.ts';
import { parseResourcePattern } from '../kubernetes/resource-pattern.ts';
import { wellKnownCustomResources } from '../kubernetes/well-known-custom-resources.ts';
import { contains, intersects, matchesWord, type ResourceRule, type UrlRule } from './rule.ts';
import { namingWhere } from './sensitive.ts';

/** One resource, and what can be asked of it. */
export interface Askable {
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  /** Whether a cluster's configuration names it, which decides what `*` grants of it: both, where one does and another does not. */
  readonly listed: readonly boolean[];
}

/** A question, on a cluster whose configuration names the resource, or does not. */
export interface Probe extends ResourceAttributes {
  readonly listed: boolean;
}

const ordinary = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
const virtual: Readonly<Record<string, readonly string[]>> = {
  'releases.helm.sh': ['get', 'list', 'install', 'upgrade', 'rollback', 'uninstall', 'test'],
  'signers.certificates.k8s.io': ['approve', 'sign'],
  'jobs.aksgw': ['get', 'list', 'run'],
  'commands.aksgw': ['cancel'],
  'webhooks.aksgw': ['notify'],
};
const moreVerbs: Readonly<Record<string, readonly string[]>> = {
  serviceaccounts: ['impersonate'],
  'roles.rbac.authorization.k8s.io': ['bind', 'escalate'],
  'clusterroles.rbac.authorization.k8s.io': ['bind', 'escalate'],
};

/** Everything that can be asked of these clusters: the built-in table, their own resources, and what roles name besides. */
export function askables(
  clusters: readonly Pick<Cluster, 'resources' | 'discover' | 'discovered'>[],
  roles: readonly RoleFile[],
): readonly Askable[] {
  const named = roles
    .flatMap(({ allow = [], deny = [] }) => [...allow, ...deny])
    .flatMap(({ resources = [], except = [] }) => [...resources, ...except])
    .flatMap((text) => parseResourcePattern(text) ?? []);
  const wellKnown = [...wellKnownCustomResources.values()].filter(({ resource, group }) =>
    named.some((one) => one.group === group && (one.resource === '*' || one.resource === resource)),
  );
  const listings = clusters.map(({ resources }) => new Set(resources.map(resourceName)));
  const spelt = clusters.flatMap(({ resources, discovered }) => [...resources, ...(discovered?.resources ?? [])]);
  const known = new Map([...wellKnown, ...spelt].map((one) => [resourceName(one), one] as const));
  // Of what a cluster's own definitions hold nobody knows here, unless it was handed in, whether it is in namespaces: both are asked.
  const found = clusters.some(({ discover, discovered }) => discover && !discovered)
    ? named
        .filter((one) => isOthersGroup(one.group) && !known.has(resourceName(one)))
        .map(({ resource, group }) => ({ resource: resource === '*' ? ANY : resource, group }))
    : [];
  const unknown = [...new Map(found.map((one) => [resourceName(one), one] as const)).values()];
  const custom = [
    ...known.values(),
    ...unknown.flatMap((one) => [true, false].map((namespaced) => ({ ...one, namespaced }))),
  ];
  const states = (name: string): readonly boolean[] =>
    listings.length === 0 ? [false] : [...new Set(listings.map((listing) => listing.has(name)))];
  const types = [
    ...builtInTypes.map((one) => ({ ...one, listed: [true] })),
    ...custom.map((one) => ({ ...one, subresources: ['status', 'scale'], listed: states(resourceName(one)) })),
  ];
  return [
    ...types.flatMap(({ group, resource, namespaced, subresources, listed }) =>
      ['', ...subresources].map((subresource): Askable => {
        const more = subresource === '' ? (moreVerbs[group === '' ? resource : `${resource}.${group}`] ?? []) : [];
        return { group, resource, subresource, namespaced, verbs: [...ordinary, ...more], listed };
      }),
    ),
    ...virtualResources.map((name): Askable => {
      const { resource, group } = parseResourcePattern(name) ?? { resource: name, group: '' };
      const namespaced = name === 'releases.helm.sh';
      return { group, resource, subresource: '', namespaced, verbs: virtual[name] ?? [], listed: [true] };
    }),
  ];
}

const resourceName = ({ resource, group }: { readonly resource: string; readonly group: string }): string =>
  `${resource}.${group}`;

/**
 * Stands for any namespace or name that nobody wrote down, and for what a glob leaves open. No word of a policy can hold it: a
 * glob that takes in `team-…` takes in all that `team-*` does, and `team-q*` is none.
 */
export const ANY = '…';

/** What the words of a rule mean: each word itself, each glob once. */
export const samples = ({ literals, globs }: ResourceRule['names']): readonly string[] => [
  ...literals,
  ...globs.map(({ pattern }) => pattern.replaceAll('*', ANY)),
];

/**
 * Questions that a rule answers, one of each kind: what it says is true of all of them, or of none. Of an allow those that it contains, of a
 * deny those that it touches.
 */
export function* probes(rule: ResourceRule, all: readonly Askable[], side: 'allow' | 'deny'): Generator<Probe> {
  const { namespaces, names } = rule;
  const where = [...samples(namespaces), ...(namespaces.all ? [ANY, ALL_NAMESPACES] : [])];
  const called = [...samples(names), ...(names.all ? ['', ANY] : [])];
  for (const { group, resource, subresource, namespaced, verbs, listed } of all) {
    for (const verb of verbs)
      for (const namespace of namespaced ? where : ['']) {
        for (const name of called) {
          for (const isListed of listed) {
            const asked = { verb, group, resource, subresource, namespace, name, listed: isListed };
            if (side === 'allow' ? contains(rule, asked, namingWhere(asked, isListed)) : intersects(rule, asked))
              yield asked;
          }
        }
      }
  }
}

/** Paths that a policy is asked about: who reads the trail, the results of others and the metrics; what the API server says of itself. */
export const askablePaths = [
  '/v1/audit/events',
  '/v1/audit/checkpoints',
  '/v1/commands/*',
  '/metrics',
  '/readyz',
  '/livez',
  '/healthz',
  '/version',
];

/** As `probes`, of a rule over paths. */
export function pathProbes({ verbs, paths }: UrlRule): readonly Probe[] {
  if (!matchesWord(verbs, 'get')) return [];
  const words = [...(paths.all ? [ANY] : []), ...samples(paths)];
  return words
    .filter((word) => askablePaths.some((path) => globsOverlap(path, word.replaceAll(ANY, '*'))))
    .map((path) => ({ ...urlAttributes('get', path), listed: true }));
}
