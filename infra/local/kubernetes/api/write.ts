import { admit } from '../admit.ts';
import { reconcile } from '../controllers.ts';
import { isObject, object, text, type KubeObject } from '../json.ts';
import { groupVersion } from '../kinds.ts';
import { applyPatch } from '../patch.ts';
import { runPod } from '../pods.ts';
import type { ApiRequest } from '../api-request.ts';
import { badRequest, notFound } from '../status.ts';
import type { ApiContext, Reply } from './context.ts';
import { shaped } from './read.ts';

/** Creates the object in the body; a pod runs at once. */
export function create(context: ApiContext, request: ApiRequest): Reply {
  const { storage, clock } = context;
  const { kind, record } = request;
  const asked = admit(kind, given(request), storage.version());
  const { namespace } = record.info;
  if (kind.namespaced) requireNamespace(context, namespace);
  const { resourceVersion: _, uid: __, creationTimestamp: ___, ...metadata } = asked.metadata;
  const fresh = { ...asked, metadata: { ...metadata, name: asked.metadata.name } };
  const started = kind.kind === 'Pod' ? runPod(storage, clock, fresh) : fresh;
  const created = storage.create(kind, started, { dryRun: record.dryRun });
  if (!record.dryRun) reconcile(storage, clock);
  return { status: 201, body: shaped(context, request, [created], created, {}) };
}

/** Writes over the object of the path. */
export function write(
  context: ApiContext,
  request: ApiRequest,
  status: number,
  next: KubeObject,
  options: { status?: boolean } = {},
): Reply {
  const { storage, clock } = context;
  const { kind, record } = request;
  const current = storage.get(kind, record.info.namespace, record.name);
  // A write to the object leaves its status alone, and the other way round; kinds without that sub-resource have one part only.
  const split = kind.subresources.includes('status') && kind.kind !== 'Node';
  const merged = !split
    ? next
    : options.status
      ? { ...current, status: next['status'] }
      : { ...next, status: current['status'] };
  const written = storage.update(kind, merged, { dryRun: record.dryRun, ...options });
  if (!record.dryRun) reconcile(storage, clock);
  const fresh = record.dryRun ? written : (storage.find(kind, record.info.namespace, record.name) ?? written);
  return { status, body: shaped(context, request, [fresh], fresh, {}) };
}

/** All four kinds of patch. */
export function patch(context: ApiContext, request: ApiRequest): Reply {
  const { storage } = context;
  const { kind, record, body, contentType } = request;
  if (body === undefined) throw badRequest('a patch needs a body');
  const current = storage.find(kind, record.info.namespace, record.name);
  if (contentType === 'application/apply-patch+yaml') {
    if (!request.query.get('fieldManager')) throw badRequest('fieldManager is required for apply patch');
    if (!current) return create(context, request);
  }
  if (!current) throw notFound(kind.resource, kind.group, record.name);
  return write(context, request, 200, admit(kind, applyPatch(current, body, contentType), storage.version()));
}

/** The object in the body, put into the namespace of the path. */
export function given({ kind, record, body }: ApiRequest): KubeObject {
  if (!isObject(body)) throw badRequest('the body is not an object');
  const metadata = object(body['metadata']);
  const namespace = record.info.namespace;
  if (text(body['kind'], kind.kind) !== kind.kind)
    throw badRequest(
      `${text(body['kind'])} in version "${text(body['apiVersion'])}" cannot be handled as a ${kind.kind}`,
    );
  if (kind.namespaced && text(metadata['namespace'], namespace) !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  const name = text(metadata['name'], record.name);
  if (record.name !== '' && name !== record.name)
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${record.name})`);
  const { namespace: _, ...rest } = metadata;
  return {
    ...body,
    apiVersion: groupVersion(kind),
    kind: kind.kind,
    metadata: { ...rest, name, ...(kind.namespaced && { namespace }) },
  };
}

function requireNamespace({ kinds, storage }: ApiContext, namespace: string): void {
  const namespaces = kinds().find((kind) => kind.kind === 'Namespace');
  if (namespaces && !storage.find(namespaces, '', namespace)) throw notFound('namespaces', '', namespace);
}
