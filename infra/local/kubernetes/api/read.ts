import { text, type JsonObject, type KubeObject } from '../json.ts';
import { groupVersion } from '../kinds.ts';
import type { ApiRequest } from '../api-request.ts';
import { fieldSelector, labelSelector } from '../selectors.ts';
import { methodNotAllowed, notFound } from '../status.ts';
import type { WatchEvent } from '../storage.ts';
import { tableOf } from '../table.ts';
import type { ApiContext, Reply } from './context.ts';

/** `get` and `list`; of `computed` objects where they are not in storage. */
export function read(context: ApiContext, request: ApiRequest, computed: KubeObject[] | undefined): Reply {
  const { storage } = context;
  const { kind, record, query } = request;
  const metadata = { resourceVersion: String(storage.version()) };
  if (record.verb === 'get') {
    const found = computed
      ? computed.find(
          (object) => object.metadata.name === record.name && text(object.metadata.namespace) === record.info.namespace,
        )
      : storage.find(kind, record.info.namespace, record.name);
    if (!found) throw notFound(kind.resource, kind.group, record.name);
    return { status: 200, body: shaped(context, request, [found], found, metadata) };
  }
  if (record.verb !== 'list') throw methodNotAllowed();
  const all = matching(
    request,
    computed ??
      storage.list(kind, record.info.namespace === '' || !kind.namespaced ? undefined : record.info.namespace),
  );
  const limit = Number(query.get('limit') ?? 0);
  const from = Number(query.get('continue') ?? 0);
  const page = limit > 0 ? all.slice(from, from + limit) : all.slice(from);
  const left = all.length - from - page.length;
  const listMetadata = {
    ...metadata,
    ...(left > 0 && { continue: String(from + page.length), remainingItemCount: left }),
  };
  const body = { kind: `${kind.kind}List`, apiVersion: groupVersion(kind), metadata: listMetadata, items: page };
  return { status: 200, body: shaped(context, request, page, body, listMetadata) };
}

/** A stream of changes. */
export function watch(context: ApiContext, request: ApiRequest): Reply {
  const { storage, clock } = context;
  const { kind, query } = request;
  const version = query.get('resourceVersion');
  const seconds = Number(query.get('timeoutSeconds') ?? 0) || 1800;
  return {
    status: 200,
    stream: (write, end) => {
      const emit = (type: WatchEvent['type'], object: KubeObject): void => {
        if (matching(request, [object]).length > 0)
          write({
            type,
            object: shaped(context, request, [object], object, {
              resourceVersion: object.metadata.resourceVersion ?? '',
            }),
          });
      };
      // Without a version, or with 0, a watch begins with what there is. So it does when asked to be a list too.
      const isList = query.get('sendInitialEvents') === 'true';
      const fromNow = isList || version === null || version === '' || version === '0';
      if (fromNow) for (const object of storage.list(kind)) emit('ADDED', object);
      if (isList) write({ type: 'BOOKMARK', object: endOfList(context, request) });
      const since = fromNow ? storage.version() : Number(version);
      const unsubscribe = storage.watch(kind, since, ({ type, object }) => emit(type, object));
      const timer = new AbortController();
      clock.sleep(seconds * 1000, { signal: timer.signal, unref: true }).then(end, () => undefined);
      return () => {
        unsubscribe();
        timer.abort();
      };
    },
  };
}

/** What comes between what there is and what comes (kubernetes.io/docs/reference/using-api/api-concepts, "Streaming lists"). */
function endOfList(context: ApiContext, request: ApiRequest): JsonObject {
  const { kind } = request;
  const resourceVersion = String(context.storage.version());
  const metadata = { name: '', resourceVersion, annotations: { 'k8s.io/initial-events-end': 'true' } };
  const body = { apiVersion: groupVersion(kind), kind: kind.kind, metadata };
  return shaped(context, request, [], body, { resourceVersion });
}

/** Of these objects, those in the namespace of the path that the selectors take. */
export function matching({ record, query }: ApiRequest, objects: KubeObject[]): KubeObject[] {
  const labels = labelSelector(query.get('labelSelector'));
  const fields = fieldSelector(query.get('fieldSelector'));
  const namespace = record.info.namespace;
  return objects.filter(
    (object) =>
      (namespace === '' || object.metadata.namespace === namespace || object.kind === 'Namespace') &&
      labels(object) &&
      fields(object),
  );
}

/** An answer as it was asked for: the object or list itself, or a table of its rows. */
export function shaped(
  { clock }: ApiContext,
  request: ApiRequest,
  objects: KubeObject[],
  body: JsonObject,
  metadata: JsonObject,
): JsonObject {
  if (!request.accept.includes('as=Table')) return body;
  const wholeObjects = request.query.get('includeObject') === 'Object';
  return tableOf(request.kind, objects, { now: clock.now(), metadata, wholeObjects });
}
