import type { SentFile } from './invocation.ts';
import type { JsonObject, Json } from './json.ts';
import { isList, isObject, writeJson } from './json.ts';
import { checkName, checkNamespace } from './names.ts';
import { refuse } from '../lib/refuse.ts';
import type { Catalog, ResourceType } from '../kubernetes/resources.ts';
import { decodeText, readYaml, type YamlBudget } from './yaml.ts';

/** One object of a manifest: read, understood, and written anew with its namespace in it. */
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

export interface ManifestOptions {
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
  if (!isObject(document)) throw refuse(source, 'holds something that is no Kubernetes object');
  const { kind, items } = document;
  if (typeof kind === 'string' && kind.endsWith('List') && items !== undefined && !knownKind(document, options)) {
    if (depth > 3) throw refuse(source, 'has Lists within Lists within Lists');
    if (items !== null && !isList(items)) throw refuse(source, `the items of a ${kind} are not a list`);
    for (const item of items ?? []) flatten(withKind(item, document), source, options, into, depth + 1);
    return;
  }
  if (into.length >= MOST_OBJECTS) throw refuse(source, `has more than ${MOST_OBJECTS} objects`);
  into.push(readObject(document, source, options));
}

const knownKind = ({ apiVersion, kind }: JsonObject, { catalog }: ManifestOptions): boolean =>
  typeof apiVersion === 'string' && typeof kind === 'string' && catalog.ofKind(apiVersion, kind) !== undefined;

/** In a typed list (`PodList`) the items may leave out what the list says already. */
function withKind(item: Json, list: JsonObject): Json {
  const { apiVersion, kind } = list;
  if (!isObject(item) || typeof kind !== 'string' || kind === 'List' || item.kind !== undefined) return item;
  return { ...item, apiVersion: apiVersion ?? '', kind: kind.replace(/List$/u, '') };
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
