import { at, isObject, stable, text, type Json, type JsonObject, type KubeObject } from './json.ts';
import { badRequest, StatusError } from './status.ts';

/**
 * The three kinds of PATCH and, in its simplest form, server-side apply (kubernetes.io/docs/tasks/manage-kubernetes-objects/
 * update-api-object-kubectl-patch). Server-side apply merges and never removes: field ownership is not emulated.
 */
export function applyPatch(current: KubeObject, patch: Json, contentType: string): KubeObject {
  const merged = ((): Json | undefined => {
    switch (contentType) {
      case 'application/json-patch+json':
        return jsonPatch(structuredClone(current), patch);
      case 'application/merge-patch+json':
        return mergePatch(current, patch);
      case 'application/strategic-merge-patch+json':
      case 'application/apply-patch+yaml':
        return strategicMerge(current, patch);
      default:
        throw new StatusError(
          415,
          'UnsupportedMediaType',
          `the body of the request was in an unknown format - ${contentType}`,
        );
    }
  })();
  if (!isObject(merged) || !isObject(merged['metadata'])) throw badRequest('the patch leaves no object');
  return merged as KubeObject;
}

/** RFC 7386. */
function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else if (value !== undefined) result[key] = mergePatch(result[key], value);
  }
  return result;
}

/** RFC 6902, without `copy` of large parts being anything special. */
function jsonPatch(document: Json, operations: Json): Json {
  if (!Array.isArray(operations)) throw badRequest('a JSON patch is a list of operations');
  let result = document;
  for (const operation of operations) {
    const path = pointer(at(operation, 'path'));
    const value = at(operation, 'value') ?? null;
    switch (text(at(operation, 'op'))) {
      case 'add':
        result = put(result, path, value, 'insert');
        break;
      case 'replace':
        if (read(result, path) === undefined)
          throw unprocessable(`replace operation does not apply: doc is missing path: ${path.join('/')}`);
        result = put(result, path, value, 'set');
        break;
      case 'remove':
        if (read(result, path) === undefined)
          throw unprocessable(`remove operation does not apply: doc is missing path: ${path.join('/')}`);
        result = drop(result, path);
        break;
      case 'test':
        if (stable(read(result, path)) !== stable(value)) throw unprocessable(`testing path ${path.join('/')} failed`);
        break;
      case 'move':
      case 'copy': {
        const from = pointer(at(operation, 'from'));
        const moved = read(result, from);
        if (moved === undefined) throw unprocessable(`doc is missing path: ${from.join('/')}`);
        if (at(operation, 'op') === 'move') result = drop(result, from);
        result = put(result, path, structuredClone(moved), 'insert');
        break;
      }
      default:
        throw badRequest('unknown operation in a JSON patch');
    }
  }
  return result;
}

const unprocessable = (message: string): StatusError =>
  new StatusError(422, 'Invalid', `the server rejected our request due to an error in our request: ${message}`);

function pointer(value: Json | undefined): string[] {
  if (typeof value !== 'string' || (value !== '' && !value.startsWith('/')))
    throw badRequest('a JSON patch path starts with /');
  return value
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

const read = (document: Json, path: readonly string[]): Json | undefined =>
  path.reduce<Json | undefined>((here, key) => at(here, Array.isArray(here) ? Number(key) : key), document);

function put(document: Json, [key, ...rest]: readonly string[], value: Json, mode: 'insert' | 'set'): Json {
  if (key === undefined) return value;
  if (Array.isArray(document)) {
    const index = key === '-' ? document.length : Number(key);
    if (!Number.isInteger(index) || index < 0 || index > document.length) throw unprocessable(`no index ${key}`);
    if (rest.length > 0) return document.with(index, put(document[index] ?? null, rest, value, mode));
    return mode === 'insert' ? document.toSpliced(index, 0, value) : document.with(index, value);
  }
  if (!isObject(document)) throw unprocessable(`doc is missing path: ${key}`);
  return { ...document, [key]: rest.length > 0 ? put(document[key] ?? null, rest, value, mode) : value };
}

function drop(document: Json, [key, ...rest]: readonly string[]): Json {
  if (key === undefined) return null;
  if (Array.isArray(document))
    return rest.length > 0
      ? document.with(Number(key), drop(document[Number(key)] ?? null, rest))
      : document.toSpliced(Number(key), 1);
  if (!isObject(document)) return document;
  if (rest.length > 0) return { ...document, [key]: drop(document[key] ?? null, rest) };
  const { [key]: _, ...others } = document;
  return others;
}

/** `patchMergeKey` of the built-in types (k8s.io/api); lists named otherwise are replaced whole. */
const mergeKeys: Readonly<Record<string, readonly string[]>> = {
  addresses: ['type'],
  conditions: ['type'],
  containers: ['name'],
  env: ['name'],
  ephemeralContainers: ['name'],
  hostAliases: ['ip'],
  imagePullSecrets: ['name'],
  initContainers: ['name'],
  ownerReferences: ['uid'],
  ports: ['containerPort', 'port'],
  secrets: ['name'],
  topologySpreadConstraints: ['topologyKey'],
  volumeDevices: ['devicePath'],
  volumeMounts: ['mountPath'],
  volumes: ['name'],
};

/** Strategic merge with its directives (community/contributors/devel/sig-api-machinery/strategic-merge-patch.md). */
function strategicMerge(target: Json | undefined, patch: Json | undefined): Json | undefined {
  if (!isObject(patch)) return patch;
  const { $patch: directive, ...replacement } = patch;
  if (directive === 'replace') return replacement;
  if (directive === 'delete') return undefined;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  const retained = patch['$retainKeys'];
  if (Array.isArray(retained)) for (const key of Object.keys(result)) if (!retained.includes(key)) delete result[key];
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$setElementOrder/') || key === '$retainKeys' || key === '$patch') continue;
    if (key.startsWith('$deleteFromPrimitiveList/')) {
      const field = key.slice(key.indexOf('/') + 1);
      const current = result[field];
      if (Array.isArray(current) && Array.isArray(value))
        result[field] = current.filter((entry) => !value.includes(entry));
    } else if (value === null) delete result[key];
    else if (Array.isArray(value)) result[key] = mergeList(key, result[key], value, patch[`$setElementOrder/${key}`]);
    else result[key] = strategicMerge(result[key], value);
  }
  return result;
}

function mergeList(field: string, target: Json | undefined, patch: Json[], order: Json | undefined): Json[] {
  const current = Array.isArray(target) ? target : [];
  if (field === 'finalizers') return [...new Set([...current, ...patch])];
  if (patch.some((entry) => at(entry, '$patch') === 'replace'))
    return patch.filter((entry) => at(entry, '$patch') === undefined);
  const sample = [...patch, ...current];
  const key = mergeKeys[field]?.find((name) => sample.every((entry) => at(entry, name) !== undefined));
  if (key === undefined) return patch;
  let result = [...current];
  for (const entry of patch) {
    const index = result.findIndex((other) => at(other, key) === at(entry, key));
    if (at(entry, '$patch') === 'delete') {
      if (index !== -1) result = result.toSpliced(index, 1);
      continue;
    }
    const merged = strategicMerge(result[index], entry) ?? null;
    result = index === -1 ? [...result, merged] : result.with(index, merged);
  }
  if (!Array.isArray(order)) return result;
  const rank = (entry: Json): number => {
    const found = order.findIndex((wanted) => at(wanted, key) === at(entry, key));
    return found === -1 ? order.length : found;
  };
  return result.toSorted((a, b) => rank(a) - rank(b));
}
