import { reconcile } from '../controllers.ts';
import { at, text, type KubeObject } from '../json.ts';
import { groupVersion } from '../kinds.ts';
import type { ApiRequest } from '../api-request.ts';
import { StatusError } from '../status.ts';
import type { ApiContext, Reply } from './context.ts';
import { matching } from './read.ts';

/** `delete`. */
export function remove(context: ApiContext, request: ApiRequest): Reply {
  const { storage, clock } = context;
  const { kind, record, body, query } = request;
  const current = storage.get(kind, record.info.namespace, record.name);
  const uid = text(at(body, 'preconditions', 'uid'));
  if (uid !== '' && uid !== current.metadata.uid)
    throw new StatusError(
      409,
      'Conflict',
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid ?? ''}`,
    );
  if (!record.dryRun) {
    const policy = query.get('propagationPolicy') ?? text(at(body, 'propagationPolicy'));
    if (policy === 'Orphan' || at(body, 'orphanDependents') === true) orphan(context, current);
    storage.remove(kind, record.info.namespace, record.name);
    reconcile(storage, clock);
  }
  const details = {
    name: record.name,
    ...(kind.group && { group: kind.group }),
    kind: kind.resource,
    uid: current.metadata.uid ?? '',
  };
  return { status: 200, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details } };
}

/** `deletecollection`. */
export function removeAll({ storage, clock }: ApiContext, request: ApiRequest): Reply {
  const { kind, record } = request;
  const doomed = matching(request, storage.list(kind));
  if (!record.dryRun) {
    for (const { metadata } of doomed) storage.remove(kind, metadata.namespace ?? '', metadata.name);
    reconcile(storage, clock);
  }
  return {
    status: 200,
    body: { kind: `${kind.kind}List`, apiVersion: groupVersion(kind), metadata: {}, items: doomed },
  };
}

function orphan({ kinds, storage }: ApiContext, owner: KubeObject): void {
  for (const kind of kinds().filter((kind) => kind.verbs.includes('delete')))
    for (const object of storage.list(kind, owner.metadata.namespace)) {
      const left = object.metadata.ownerReferences?.filter(({ uid }) => uid !== owner.metadata.uid);
      if (left && left.length !== object.metadata.ownerReferences?.length)
        storage.update(kind, { ...object, metadata: { ...object.metadata, ownerReferences: left } });
    }
}
