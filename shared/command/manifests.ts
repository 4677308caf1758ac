import type { SentFile } from './invocation.ts';
import type { JsonObject, Json } from './json.ts';
import { isList, isObject, writeJson } from './json.ts';
import { checkName, checkNamespace } from './names.ts';
import { refuse } from '../lib/refuse.ts';
import type { Catalog, ResourceType } from '../kubernetes/resources.ts';
import { decodeText, readYaml, type YamlBudget } from './yaml.ts';

/** One object of a manifest: read, understood, and rewritten with its namespace in it. */
export interface ManifestObject {
  readonly type: ResourceType;
  /** '' for what the server names itself (generateName). */
  readonly name: string;
  /** '' for cluster-scoped kinds. */
  readonly namespace: string;
  readonly body: JsonObject;
}

export interface ManifestFile {
  /** The caller's name for it; undefined for stdin. */
  readonly path: string | undefined;
  readonly objects: readonly ManifestObject[];
}

interface ManifestOptions {
  readonly catalog: Catalog;
  /** For objects that name none. */
  readonly namespace: string;
  /** `-n` was given: kubectl then refuses objects of another namespace. */
  readonly namespaceGiven: boolean;
  /** `metadata.generateName` makes sense (create). */
  readonly generateName: boolean;
  readonly budget: YamlBudget;
}

const MOST_OBJECTS = 5000;

/** Reads one manifest. Throws Problem `command-refused` naming the source, the line or the object. */
export function readManifest(path: string | undefined, bytes: Uint8Array, options: ManifestOptions): ManifestFile {
  const name = path ?? 'stdin';
  const objects: ManifestObject[] = [];
  for (const document of readYaml({ name, text: decodeText(name, bytes), budget: options.budget }))
    flatten(document, name, options, objects, 0);
  return { path, objects };
}

/** Lists within lists are flattened by kubectl too; each object is judged on its own. */
function flatten(
  document: Json,
  source: string,
  options: ManifestOptions,
  into: ManifestObject[],
  depth: number,
): void {
  if (!isObject(document)) throw refuse(source, 'holds something that is not a Kubernetes object');
  checkSpelling(document, TOP_LEVEL_KEYS, source);
  if (Object.hasOwn(document, 'items')) {
    if (depth > 3) throw refuse(source, 'has Lists within Lists within Lists');
    for (const item of itemsOf(document, source, options)) flatten(item, source, options, into, depth + 1);
    return;
  }
  if (into.length >= MOST_OBJECTS) throw refuse(source, `has more than ${MOST_OBJECTS} objects`);
  into.push(readObject(document, source, options));
}

/**
 * kubectl takes any object with a key `items` for a list of other objects, whatever its kind says (apimachinery,
 * unstructuredJSONScheme). The gateway takes only the kinds that nothing but a list can have, and drops every other key of it.
 */
function itemsOf(list: JsonObject, source: string, { catalog }: ManifestOptions): readonly Json[] {
  const { apiVersion, kind, items } = list;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string')
    throw refuse(source, 'an object has no apiVersion or kind');
  if (!kind.endsWith('List') || catalog.ofKind(apiVersion, kind) !== undefined) {
    throw refuse(source, `a ${kind} has the key "items", for which kubectl would take it for a list of other objects`);
  }
  if (items === null) return [];
  if (!isList(items)) throw refuse(source, `the items of a ${kind} are not a list`);
  return items.map((item) => withKind(item, apiVersion, kind));
}

/** An item that says neither apiVersion nor kind has those of its list (`PodList`), as kubectl has it. */
function withKind(item: Json, apiVersion: string, kind: string): Json {
  const said = isObject(item) && [item.apiVersion, item.kind].some((one) => typeof one === 'string' && one !== '');
  return isObject(item) && !said ? { ...item, apiVersion, kind: kind.replace(/List$/u, '') } : item;
}

/** Keys by their spelling without regard to case. */
const spellings = (keys: readonly string[]): ReadonlyMap<string, string> =>
  new Map(keys.map((key) => [key.toLowerCase(), key]));
const TOP_LEVEL_KEYS = spellings(['apiVersion', 'kind', 'metadata', 'items']);
const METADATA_KEYS = spellings(['name', 'namespace', 'generateName', 'labels', 'annotations']);

/** Some of Go's JSON decoders match keys without regard to case (encoding/json): to them `Items` and `item\u017f` are `items`. */
function checkSpelling(object: JsonObject, keys: ReadonlyMap<string, string>, source: string): void {
  for (const key of Object.keys(object)) {
    const proper = keys.get(key.toLowerCase()) ?? keys.get(key.normalize('NFKC').toLowerCase());
    if (proper !== undefined && proper !== key) throw refuse(source, `the key ${key} is spelt ${proper}`);
  }
}

function readObject(object: JsonObject, source: string, options: ManifestOptions): ManifestObject {
  const { apiVersion, kind } = object;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string')
    throw refuse(source, 'an object has no apiVersion or kind');
  const type = options.catalog.ofKind(apiVersion, kind);
  if (type === undefined) {
    throw refuse(
      `${kind}.${apiVersion}`,
      `in ${source}: is not a kind that the gateway knows for this cluster; the operator can add custom resources under clusters.<name>.resources`,
    );
  }
  const { metadata } = object;
  if (!isObject(metadata)) throw refuse(source, `a ${kind} has no metadata`);
  checkSpelling(metadata, METADATA_KEYS, source);
  const name = nameOf(type, metadata, source, options);
  const own = metadata.namespace ?? undefined;
  if (own !== undefined && typeof own !== 'string')
    throw refuse(source, `the namespace of ${kind} ${name} is not text`);
  if (!type.namespaced) {
    // The API server drops a namespace from what is cluster-scoped; charts write it often.
    const { namespace: _dropped, ...rest } = metadata;
    return { type, name, namespace: '', body: { ...object, metadata: rest } };
  }
  const namespace = own === undefined || own === '' ? options.namespace : checkNamespace(own);
  if (options.namespaceGiven && namespace !== options.namespace) {
    throw refuse(source, `${kind} ${name} is of the namespace ${namespace}, and -n says ${options.namespace}`);
  }
  return { type, name, namespace, body: { ...object, metadata: { ...metadata, namespace } } };
}

function nameOf(type: ResourceType, metadata: JsonObject, source: string, { generateName }: ManifestOptions): string {
  const { name, generateName: prefix } = metadata;
  if (typeof name === 'string' && name !== '') return checkName(type, name);
  if (name !== undefined && name !== null && name !== '')
    throw refuse(source, `the name of a ${type.kind} is not text`);
  if (typeof prefix !== 'string' || prefix === '') throw refuse(source, `a ${type.kind} has no name`);
  if (!generateName) throw refuse(source, `a ${type.kind} with generateName can only be created`);
  // The server appends five characters, so that the prefix may end in what a name may not.
  checkName(type, `${prefix}x`);
  return '';
}

const encoder = new TextEncoder();

/**
 * The bytes that are sent: JSON. Several objects are YAML documents, each of them JSON: they begin with `---`, since a text that
 * begins as JSON may not have several for kubectl up to 1.30 (measured), which does not take a List on servers without OpenAPI 2
 * either.
 */
export function writeManifest(objects: readonly ManifestObject[]): Uint8Array {
  const documents = objects.map(({ body }) => writeJson(body));
  return encoder.encode(
    documents.length === 1 ? `${documents[0]}\n` : documents.map((text) => `---\n${text}\n`).join(''),
  );
}

export const sentManifest = (path: string, objects: readonly ManifestObject[]): SentFile => ({
  path,
  bytes: writeManifest(objects),
});
