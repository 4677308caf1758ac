import { parseResourcePattern, type ResourcePattern } from './resource-pattern.ts';
import { nearest } from '../lib/suggest.ts';
import { virtualResources } from './resource-table.ts';
import { builtInTypes, groupName } from './resources.ts';

/**
 * Sub-resources by `resource` or `resource.group`, of all that can be asked of a cluster by name. A rule that names anything else would
 * never match, and a deny that never matches is a hole: it is refused when the file is read.
 */
const builtIn: ReadonlyMap<string, readonly string[]> = new Map([
  ...builtInTypes.map((type): [string, readonly string[]] => [groupName(type), type.subresources]),
  ...virtualResources.map((name): [string, readonly string[]] => [name, []]),
]);

const groupOf = (name: string): string => (name.includes('.') ? name.slice(name.indexOf('.') + 1) : '');

/** What people write on the command line, and what a rule has to say. The first group that has a short name keeps it. */
const shortNames: ReadonlyMap<string, string> = new Map([
  ...builtInTypes
    .toReversed()
    .flatMap((type) => type.shortNames.map((word): [string, string] => [word, groupName(type)])),
  ['helm', 'releases.helm.sh'],
]);

/** Whether Kubernetes itself (or the gateway, for helm) has this `resource.group`. */
export const isBuiltIn = (name: string): boolean => builtIn.has(name);

/** Custom resources may have these (apiextensions.k8s.io/v1, CustomResourceSubresources). */
const customSubresources = ['status', 'scale'];

/** Custom resources that a rule may name. */
export interface CustomNames {
  /** `resource.group`: the well-known ones, and those of the clusters' `resources:`. */
  readonly names: ReadonlySet<string>;
  /** A cluster has its definitions read: then any name in a group of its own may be one of them. */
  readonly discovered: boolean;
}

/** Reads what a rule writes for a resource. Gives the pattern, or what is wrong with the spelling and what was probably meant. */
export function readResource(
  text: string,
  { names: custom, discovered }: CustomNames,
): { readonly pattern: ResourcePattern } | { readonly problem: string } {
  const pattern = parseResourcePattern(text);
  if (!pattern) {
    const advice = text.endsWith('/*')
      ? 'name each sub-resource (pods/exec); a deny on the resource includes them all'
      : 'write resource, resource.group, resource.group/subresource or *';
    return { problem: `"${text}" is not a resource: ${advice}` };
  }
  const { resource, group, subresource } = pattern;
  if (discovered && isOthersGroup(group)) {
    const known = ['', '*', ...customSubresources];
    return known.includes(subresource)
      ? { pattern }
      : { problem: `nothing custom has a sub-resource "${subresource}"` };
  }
  if (resource === '*') {
    const inGroup = [...builtIn.keys(), ...custom].filter((name) => group === '*' || groupOf(name) === group);
    if (inGroup.length === 0) return { problem: `no API group is called "${group}"` };
    const known = new Set([...inGroup.flatMap((name) => subresourcesOf(name, custom)), '*']);
    return known.has(subresource) ? { pattern } : { problem: `nothing has a sub-resource "${subresource}"` };
  }
  const name = group === '' ? resource : `${resource}.${group}`;
  if (!builtIn.has(name) && !custom.has(name)) {
    const guess = suggest(name, custom);
    return {
      problem: `no resource is called "${name}".${
        guess === undefined
          ? " A custom resource has to be listed in a cluster's resources: first"
          : ` Did you mean "${guess}"?`
      }`,
    };
  }
  const known = subresourcesOf(name, custom);
  if (subresource === '' || known.includes(subresource)) return { pattern };
  const guess = nearest(subresource, known);
  return {
    problem: `${name} has no sub-resource "${subresource}".${guess === undefined ? '' : ` Did you mean "${name}/${guess}"?`}`,
  };
}

/** A group of a custom resource has a dot (apiextensions.k8s.io/v1), and is none that Kubernetes itself serves. */
export const isOthersGroup = (group: string): boolean => group.includes('.') && !isBuiltInGroup(group);

const builtInGroups: ReadonlySet<string> = new Set([...builtIn.keys()].map((name) => groupOf(name)));

/** Whether Kubernetes itself serves resources in this group. */
export const isBuiltInGroup = (group: string): boolean => builtInGroups.has(group);

const subresourcesOf = (name: string, custom: ReadonlySet<string>): readonly string[] =>
  builtIn.get(name) ?? (custom.has(name) ? customSubresources : []);

/** Short names, singulars and kinds, a missing group, a slip of the finger: in that order. */
function suggest(name: string, custom: ReadonlySet<string>): string | undefined {
  const meant = shortNames.get(name);
  if (meant !== undefined) return meant;
  const all = [...builtIn.keys(), ...custom];
  const [word = ''] = name.split('.');
  return all.find((known) => plurals(word).includes(known.split('.')[0] ?? '')) ?? nearest(name, all);
}

/** What a word may be the singular of, and itself. */
const plurals = (word: string): readonly string[] => [word, `${word}s`, `${word}es`, word.replace(/y$/, 'ies')];

/** Whether the word alone means one of Kubernetes' own resources on the command line: no custom resource may take it. */
export const isBuiltInWord = (word: string): boolean =>
  shortNames.has(word) || [...builtIn.keys()].some((name) => plurals(word).includes(name.split('.')[0] ?? ''));

/** kubernetes.io/docs/reference/access-authn-authz/authorization ("Determine the Request Verb") and the RBAC page's special verbs. */
export const resourceVerbs = [
  'get',
  'list',
  'watch',
  'create',
  'update',
  'patch',
  'delete',
  'deletecollection',
  'bind',
  'escalate',
  'impersonate',
  'approve',
  'sign',
  // What helm does to a release, as the gateway names it.
  'install',
  'upgrade',
  'rollback',
  'uninstall',
  'test',
  // What people do with what is the gateway's own: run a job, cancel a command of somebody else's, send to a webhook.
  'run',
  'cancel',
  'notify',
] as const;

/** HTTP methods, lower case, as Kubernetes names the verbs of non-resource requests. */
export const nonResourceVerbs = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'] as const;
