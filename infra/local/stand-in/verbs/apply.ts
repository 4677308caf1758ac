import {
  at,
  isObject,
  stable,
  strings,
  text,
  type Json,
  type JsonObject,
  type KubeObject,
} from '../../kubernetes/json.ts';
import { pathOf, ServerError, type Resource } from '../client.ts';
import { writing, MERGE, type VerbContext } from '../verb-context.ts';
import { title } from '../targets.ts';

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** `apply`, on the client's side or the server's. */
export async function apply(context: VerbContext, manifest: KubeObject, resource: Resource): Promise<void> {
  const { client, out, namespace, on } = context;
  const { name } = manifest.metadata;
  const where = manifest.metadata.namespace ?? namespace;
  const path = pathOf(resource, where, name);
  if (on('server-side')) {
    await client.json('PATCH', `${path}${writing(context)}`, {
      type: 'application/apply-patch+yaml',
      body: manifest,
    });
    out(`${title(resource)}/${name} serverside-applied\n`);
    return;
  }
  const marked: KubeObject = {
    ...manifest,
    metadata: {
      ...manifest.metadata,
      annotations: { ...manifest.metadata.annotations, [LAST_APPLIED]: `${stable(manifest)}\n` },
    },
  };
  let current: JsonObject;
  try {
    current = await client.json('GET', path);
  } catch (error) {
    if (!(error instanceof ServerError && error.status === 404)) throw error;
    await client.json('POST', `${pathOf(resource, where)}${writing(context)}`, { body: marked });
    out(`${title(resource)}/${name} created\n`);
    return;
  }
  const before = text(strings(at(current, 'metadata', 'annotations'))[LAST_APPLIED]);
  const previous: Json = before === '' ? {} : (JSON.parse(before) as Json);
  const patched = await client.json('PATCH', `${path}${writing(context)}`, {
    type: MERGE,
    body: overlay(removed(previous, manifest), marked),
  });
  const same = at(patched, 'metadata', 'resourceVersion') === at(current, 'metadata', 'resourceVersion');
  out(`${title(resource)}/${name} ${same ? 'unchanged' : 'configured'}\n`);
}

/** What was applied before and is not asked for any more, as a merge patch of nulls. */
function removed(previous: Json | undefined, wanted: Json | undefined): JsonObject {
  if (!isObject(previous) || !isObject(wanted)) return {};
  const entries = Object.keys(previous).flatMap((key): [string, Json][] => {
    if (!(key in wanted)) return [[key, null]];
    const below = removed(previous[key], wanted[key]);
    return Object.keys(below).length > 0 ? [[key, below]] : [];
  });
  return Object.fromEntries(entries);
}

function overlay(below: JsonObject, above: JsonObject): JsonObject {
  const result: JsonObject = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const under = result[key];
    result[key] = isObject(under) && isObject(value) ? overlay(under, value) : value;
  }
  return result;
}
