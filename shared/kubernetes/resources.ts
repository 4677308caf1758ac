import { refuse } from '../lib/refuse.ts';
import { categoryAll, groups } from './resource-table.ts';
import type { ExtraResource } from './extra-resource.ts';
import { wellKnownCustomResources } from './well-known-custom-resources.ts';

/** A kind of object: the table's, or one of the cluster's own (`resources:`). */
export interface ResourceType {
  readonly group: string;
  /** The version that is sent. */
  readonly version: string;
  /** Every version in which a manifest may be written. */
  readonly versions: readonly string[];
  /** Plural. */
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly subresources: readonly string[];
  /** The cluster's own: its objects may hold anything, pod templates too. */
  readonly custom: boolean;
}

/** The kinds known for one cluster. Nothing else is: a CRD can take the short name `deploy` or join `all` (measured). */
export interface Catalog {
  /**
   * A type as a caller writes it: `pods`, `pod`, `Pod`, `po`, `deployments.apps`, `deployments.v1.apps`, `secrets.v1.`. Kinds and
   * plurals in any case, short names only as they are (measured, both). Throws Problem `command-refused`.
   */
  resolve(word: string): ResourceType;
  /** The types a comma list and the category `all` stand for, each once. */
  resolveList(words: string): ResourceType[];
  /** By `apiVersion` and `kind` of a manifest. */
  ofKind(apiVersion: string, kind: string): ResourceType | undefined;
  /** A type of the built-in table: `deployments.apps`; for the gateway's own use. */
  builtIn(name: string): ResourceType;
}

/** `deployments.v1.apps`, `secrets.v1.`: the one spelling that no CRD, short name or category can redirect. */
export const qualifiedName = (type: ResourceType): string => `${type.resource}.${type.version}.${type.group}`;

/** `deployments.apps`, `secrets`. */
export const groupName = (type: ResourceType): string => `${type.resource}${type.group && `.${type.group}`}`;

function readTable(): ResourceType[] {
  const types: ResourceType[] = [];
  for (const { group, versions, namespaced = [], clusterScoped = [] } of groups) {
    const [version = ''] = versions;
    const row = (text: string, isNamespaced: boolean): ResourceType => {
      const [resource = '', kind = '', shortNames = '', subresources = ''] = text.split('|');
      const list = (joined: string): string[] => (joined === '' ? [] : joined.split(','));
      return {
        group,
        version,
        versions,
        resource,
        kind,
        namespaced: isNamespaced,
        shortNames: list(shortNames),
        subresources: list(subresources),
        custom: false,
      };
    };
    types.push(...namespaced.map((text) => row(text, true)), ...clusterScoped.map((text) => row(text, false)));
  }
  return types;
}

export const builtInTypes: readonly ResourceType[] = readTable();
const byGroupName: ReadonlyMap<string, ResourceType> = new Map(builtInTypes.map((type) => [groupName(type), type]));

function builtIn(name: string): ResourceType {
  const type = byGroupName.get(name);
  if (type === undefined) throw new TypeError(`no built-in resource ${name}`);
  return type;
}

const allTypes: readonly ResourceType[] = categoryAll.map(builtIn);

const customType = (one: ExtraResource): ResourceType => ({
  ...one,
  versions: [one.version],
  subresources: ['scale', 'status'],
  custom: true,
});

function createCatalog(extra: readonly ExtraResource[], { resources: discovered, disputed }: FromCluster): Catalog {
  const own = new Map([...discovered, ...extra].map((one) => [`${one.resource}.${one.group}`, customType(one)]));
  const wellKnown = [...wellKnownCustomResources].filter(([name]) => !own.has(name)).map(([, one]) => customType(one));
  // In this order nobody takes a word from who had it before: neither a definition of the cluster from Kubernetes, nor one that happens to be
  // there from what the operator named, or from a well-known one that is there too.
  const named = new Set(extra.map((one) => `${one.resource}.${one.group}`));
  const [listed, found] = [true, false].map((is) =>
    [...own].filter(([name]) => named.has(name) === is).map(([, type]) => type),
  );
  const isWellKnown = (type: ResourceType): boolean => wellKnownCustomResources.has(groupName(type));
  const wellKnownFirst = (found ?? []).toSorted((a, b) => Number(isWellKnown(b)) - Number(isWellKnown(a)));
  const types = [...builtInTypes, ...(listed ?? []), ...wellKnownFirst, ...wellKnown];
  // Two maps, since a short name is not folded in case. The built-in types come first and are never displaced.
  const folded = new Map<string, ResourceType>();
  const exact = new Map<string, ResourceType>();
  const kinds = new Map<string, ResourceType>();
  const put = (map: Map<string, ResourceType>, key: string, type: ResourceType): void => {
    if (!map.has(key)) map.set(key, type);
  };
  for (const type of types) {
    const kind = type.kind.toLowerCase();
    for (const word of [type.resource, kind]) {
      put(folded, word, type);
      put(folded, `${word}.${type.group}`, type);
      put(folded, `${word}.${type.version}.${type.group}`, type);
    }
    for (const word of type.shortNames) {
      put(exact, word, type);
      put(exact, `${word}.${type.group}`, type);
      put(exact, `${word}.${type.version}.${type.group}`, type);
    }
    // Another version that the server has too: `hpa.v1.autoscaling`. The same objects, and the same attributes.
    for (const version of type.versions.slice(1)) {
      const other = { ...type, version };
      for (const word of [type.resource, kind]) put(folded, `${word}.${version}.${type.group}`, other);
      for (const word of type.shortNames) put(exact, `${word}.${version}.${type.group}`, other);
    }
    for (const version of type.versions) put(kinds, `${type.group && `${type.group}/`}${version} ${type.kind}`, type);
  }

  const find = (word: string): ResourceType | undefined => {
    const dot = word.indexOf('.');
    const head = (dot === -1 ? word : word.slice(0, dot)).toLowerCase();
    return folded.get(dot === -1 ? head : head + word.slice(dot)) ?? exact.get(word);
  };

  const uncertain = new Set(disputed);
  const certain = (type: ResourceType, word: string): ResourceType => {
    if (!uncertain.has(groupName(type))) return type;
    throw refuse(
      word,
      'has another scope on this cluster than before: namespaced or not is what rules go by. The operator has to look, and to reload the configuration',
    );
  };

  const resolve = (word: string): ResourceType => {
    const type = find(word);
    if (type !== undefined) return certain(type, word);
    const dot = word.indexOf('.');
    const near = dot === -1 ? find(word.toLowerCase()) : find(word.slice(0, dot));
    const hint = near === undefined ? '' : `; ${groupName(near)} is known`;
    throw refuse(
      word,
      `is not a resource that the gateway knows for this cluster${hint}; the operator can add custom resources under clusters.<name>.resources`,
    );
  };

  return {
    resolve,
    resolveList: (words) => {
      const found = new Set<ResourceType>();
      for (const word of words.split(',')) {
        if (word === 'all') for (const type of allTypes) found.add(type);
        else found.add(resolve(word));
      }
      return [...found];
    },
    ofKind: (apiVersion, kind) => {
      const type = kinds.get(`${apiVersion} ${kind}`);
      return type && certain(type, `${kind}.${apiVersion}`);
    },
    builtIn,
  };
}

/** What a cluster's own definitions say. */
interface FromCluster {
  readonly resources: readonly ExtraResource[];
  /** `resource.group` of those whose scope is not certain: they are refused. */
  readonly disputed: readonly string[];
}

const catalogs = new WeakMap<readonly ExtraResource[], WeakMap<FromCluster, Catalog>>();
const none: FromCluster = { resources: [], disputed: [] };

/** The catalog of a cluster, built once for each list of extra resources, and of those that were read from the cluster itself. */
export function catalogOf(given: readonly ExtraResource[], discovered: FromCluster = none): Catalog {
  const extra = given.length > 0 ? given : none.resources; // one for all clusters without any: it takes 80 KB
  const known = catalogs.get(extra)?.get(discovered);
  if (known !== undefined) return known;
  const catalog = createCatalog(extra, discovered);
  const ofExtra = catalogs.get(extra) ?? new WeakMap<FromCluster, Catalog>();
  catalogs.set(extra, ofExtra.set(discovered, catalog));
  return catalog;
}
