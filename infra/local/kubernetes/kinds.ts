import { categoryAll } from '../../../shared/kubernetes/resource-table.ts';
import { builtInTypes, groupName, type ResourceType } from '../../../shared/kubernetes/resources.ts';
import { at, list, object, text, type KubeObject } from './json.ts';

/** One resource type that the API serves. */
export interface Kind {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly subresources: readonly string[];
  /** `create` alone for reviews, `get list` for metrics; otherwise every verb. */
  readonly verbs: readonly string[];
}

const everyVerb = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** What the table has and the emulation does not serve: nothing here asks for it. */
const notServed = new Set(['bindings', 'componentstatuses', 'ipaddresses', 'servicecidrs', 'volumeattributesclasses']);
const isServed = ({ group, resource }: ResourceType): boolean =>
  group !== 'resource.k8s.io' && !notServed.has(resource);
/** Of a group with a stable version the others are read in manifests only. */
const versionsOf = ({ versions }: ResourceType): readonly string[] => {
  const stable = versions.filter((version) => /^v\d+$/.test(version));
  return stable.length > 0 ? stable : versions;
};

const restrictedVerbs: Readonly<Record<string, readonly string[]>> = {
  'authentication.k8s.io': ['create'],
  'authorization.k8s.io': ['create'],
  'metrics.k8s.io': ['get', 'list'],
};

const inAll = new Set(categoryAll);

/** Group by group, the resources of each by name. */
function inDiscoveryOrder(types: readonly ResourceType[]): readonly ResourceType[] {
  const groups = Map.groupBy(types, ({ group }) => group).values();
  return [...groups].flatMap((group) => group.toSorted((a, b) => (a.resource < b.resource ? -1 : 1)));
}

/** The gateway's own table, as an API server serves it. */
export const builtInKinds: readonly Kind[] = inDiscoveryOrder(builtInTypes.filter(isServed)).flatMap((type) =>
  versionsOf(type).map((version) => ({
    group: type.group,
    version,
    resource: type.resource,
    kind: type.kind,
    namespaced: type.namespaced,
    shortNames: type.shortNames,
    categories: inAll.has(groupName(type)) ? ['all'] : [],
    subresources: type.subresources,
    verbs: restrictedVerbs[type.group] ?? everyVerb,
  })),
);

/** Throws Error for a kind that is not built in. */
export function kindNamed(name: string): Kind {
  const found = builtInKinds.find((kind) => kind.kind === name);
  if (!found) throw new Error(`no built-in kind ${name}`);
  return found;
}

/** `apps/v1` → ['apps', 'v1']; `v1` → ['', 'v1']. */
export function splitGroupVersion(groupVersion: string): [group: string, version: string] {
  const [first = '', second] = groupVersion.split('/');
  return second === undefined ? ['', first] : [first, second];
}

export const groupVersion = ({ group, version }: Pick<Kind, 'group' | 'version'>): string =>
  group === '' ? version : `${group}/${version}`;

/** The kinds that a CustomResourceDefinition adds, one for each served version. */
export function customKinds(definition: KubeObject): Kind[] {
  const names = at(definition, 'spec', 'names');
  const words = (key: string) => list(at(names, key)).map((word) => text(word));
  return list(at(definition, 'spec', 'versions'))
    .filter((version) => at(version, 'served') !== false)
    .map((version) => ({
      group: text(at(definition, 'spec', 'group')),
      version: text(at(version, 'name')),
      resource: text(at(names, 'plural')),
      kind: text(at(names, 'kind')),
      namespaced: at(definition, 'spec', 'scope') === 'Namespaced',
      shortNames: words('shortNames'),
      categories: words('categories'),
      subresources: Object.keys(object(at(version, 'subresources'))),
      verbs: everyVerb,
    }));
}
