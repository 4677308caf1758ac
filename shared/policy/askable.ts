import type { Config } from '../config/config.ts';
import { globsOverlap } from '../config/glob.ts';
import { ALL_NAMESPACES, urlAttributes, type ResourceAttributes } from '../kubernetes/attributes.ts';
import { virtualResources } from '../kubernetes/resource-table.ts';
import { builtInTypes } from '../kubernetes/resources.ts';
import { parseResourcePattern } from '../kubernetes/resource-pattern.ts';
import { wellKnownCustomResources } from '../kubernetes/well-known-custom-resources.ts';
import { contains, intersects, matchesWord, type ResourceRule, type UrlRule } from './rule.ts';
import { namingOfNamed } from './sensitive.ts';

/** One resource, and what can be asked of it. */
export interface Askable {
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
}

const ORDINARY = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
const VIRTUAL: Readonly<Record<string, readonly string[]>> = {
  'releases.helm.sh': ['get', 'list', 'install', 'upgrade', 'rollback', 'uninstall', 'test'],
  'signers.certificates.k8s.io': ['approve', 'sign'],
  'jobs.aksgw': ['get', 'list', 'run'],
  'commands.aksgw': ['cancel'],
  'webhooks.aksgw': ['notify'],
};
const MORE: Readonly<Record<string, readonly string[]>> = {
  serviceaccounts: ['impersonate'],
  'roles.rbac.authorization.k8s.io': ['bind', 'escalate'],
  'clusterroles.rbac.authorization.k8s.io': ['bind', 'escalate'],
};

/** Everything that can be asked of the clusters of a configuration: the built-in table, their own resources, and what roles name besides. */
export function askables(clusters: Config['clusters'], roles: Config['policy']['roles']): readonly Askable[] {
  const named = Object.values(roles)
    .flatMap(({ allow = [], deny = [] }) => [...allow, ...deny])
    .flatMap(({ resources = [], except = [] }) => [...resources, ...except])
    .flatMap((text) => parseResourcePattern(text) ?? []);
  const wellKnown = [...wellKnownCustomResources.values()].filter(({ resource, group }) =>
    named.some((one) => one.group === group && (one.resource === '*' || one.resource === resource)),
  );
  const listed = [...clusters.values()].flatMap(({ resources }) => resources);
  const custom = [...new Map([...wellKnown, ...listed].map((one) => [`${one.resource}.${one.group}`, one])).values()];
  const types = [...builtInTypes, ...custom.map((one) => ({ ...one, subresources: ['status', 'scale'] }))];
  return [
    ...types.flatMap(({ group, resource, namespaced, subresources }) =>
      ['', ...subresources].map((subresource): Askable => {
        const more = subresource === '' ? (MORE[group === '' ? resource : `${resource}.${group}`] ?? []) : [];
        return { group, resource, subresource, namespaced, verbs: [...ORDINARY, ...more] };
      }),
    ),
    ...virtualResources.map((name): Askable => {
      const { resource, group } = parseResourcePattern(name) ?? { resource: name, group: '' };
      return { group, resource, subresource: '', namespaced: name === 'releases.helm.sh', verbs: VIRTUAL[name] ?? [] };
    }),
  ];
}

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
export function* probes(
  rule: ResourceRule,
  all: readonly Askable[],
  side: 'allow' | 'deny',
): Generator<ResourceAttributes> {
  const { namespaces, names } = rule;
  const where = [...samples(namespaces), ...(namespaces.all ? [ANY, ALL_NAMESPACES] : [])];
  const called = [...samples(names), ...(names.all ? ['', ANY] : [])];
  for (const { group, resource, subresource, namespaced, verbs } of all) {
    for (const verb of verbs)
      for (const namespace of namespaced ? where : ['']) {
        for (const name of called) {
          const asked = { verb, group, resource, subresource, namespace, name };
          if (side === 'allow' ? contains(rule, asked, namingOfNamed(asked)) : intersects(rule, asked)) yield asked;
        }
      }
  }
}

/** Paths that a policy is asked about: who reads the trail, and the results of others; what the API server says of itself. */
export const PATHS = [
  '/v1/audit/events',
  '/v1/audit/checkpoints',
  '/v1/commands/*',
  '/readyz',
  '/livez',
  '/healthz',
  '/version',
];

/** As `probes`, of a rule over paths. */
export function pathProbes({ verbs, paths }: UrlRule): readonly ResourceAttributes[] {
  if (!matchesWord(verbs, 'get')) return [];
  const words = [...(paths.all ? [ANY] : []), ...samples(paths)];
  return words
    .filter((word) => PATHS.some((path) => globsOverlap(path, word.replaceAll(ANY, '*'))))
    .map((path) => urlAttributes('get', path));
}
