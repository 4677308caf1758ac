import { admit } from './admit.ts';
import type { Clock } from '../../../shared/clock.ts';
import { reconcile } from './controllers.ts';
import { at, count, isObject, object, text, type Json, type JsonObject, type KubeObject } from './json.ts';
import { groupVersion, type Kind } from './kinds.ts';
import { podLog } from './logs.ts';
import { applyPatch } from './patch.ts';
import { runPod } from './pods.ts';
import type { ApiRequest } from './api-request.ts';
import { answerReview, isReview, metrics } from './reviews.ts';
import { asScale } from './scale.ts';
import { fieldSelector, labelSelector } from './selectors.ts';
import type { RecordedRequest } from './recorded-request.ts';
import { badRequest, invalid, methodNotAllowed, notFound, noSuchResource, StatusError } from './status.ts';
import { timestamp, type Storage, type WatchEvent } from './storage.ts';
import { tableOf } from './table.ts';

export type Reply =
  | { readonly status: number; readonly body: Json }
  | { readonly status: number; readonly text: string }
  | {
      readonly status: number;
      /** Starts the stream; the answer stops it. */
      readonly stream: (write: (event: JsonObject) => void, end: () => void) => () => void;
    };

export type Api = (request: ApiRequest) => Reply;

interface ApiOptions {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly kinds: () => readonly Kind[];
  readonly allows: (request: RecordedRequest) => boolean;
}

/** The resource half of the API server: verbs on objects. Throws StatusError for every refusal. */
export function createApi({ storage, clock, kinds, allows }: ApiOptions): Api {
  return (request) => {
    const { kind, record } = request;
    if (isReview(kind)) {
      if (record.verb !== 'create') throw methodNotAllowed();
      return { status: 201, body: answerReview(request, allows) };
    }
    if (kind.group === 'metrics.k8s.io') return read(request, metrics(kind, storage, clock));
    if (record.subresource !== '') return subresource(request);
    switch (record.verb) {
      case 'get':
        return read(request, undefined);
      case 'list':
        return read(request, undefined);
      case 'watch':
        return watch(request);
      case 'create':
        return create(request);
      case 'update':
        return write(request, 200, admit(kind, given(request), storage.version()));
      case 'patch':
        return patch(request);
      case 'delete':
        return remove(request);
      case 'deletecollection':
        return removeAll(request);
      default:
        throw methodNotAllowed();
    }
  };

  function matching({ record, query }: ApiRequest, objects: KubeObject[]): KubeObject[] {
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

  function read(request: ApiRequest, computed: KubeObject[] | undefined): Reply {
    const { kind, record, query } = request;
    const metadata = { resourceVersion: String(storage.version()) };
    if (record.verb === 'get') {
      const found = computed
        ? computed.find(
            (object) =>
              object.metadata.name === record.name && text(object.metadata.namespace) === record.info.namespace,
          )
        : storage.find(kind, record.info.namespace, record.name);
      if (!found) throw notFound(kind.resource, kind.group, record.name);
      return { status: 200, body: shaped(request, [found], found, metadata) };
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
    return { status: 200, body: shaped(request, page, body, listMetadata) };
  }

  function shaped(request: ApiRequest, objects: KubeObject[], body: JsonObject, metadata: JsonObject): JsonObject {
    if (!request.accept.includes('as=Table')) return body;
    const wholeObjects = request.query.get('includeObject') === 'Object';
    return tableOf(request.kind, objects, { now: clock.now(), metadata, wholeObjects });
  }

  function watch(request: ApiRequest): Reply {
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
              object: shaped(request, [object], object, { resourceVersion: object.metadata.resourceVersion ?? '' }),
            });
        };
        // Without a version, or with 0, a watch begins with what there is.
        const fromNow = version === null || version === '' || version === '0';
        if (fromNow) for (const object of storage.list(kind)) emit('ADDED', object);
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

  /** The object in the body, put into the namespace of the path. */
  function given({ kind, record, body }: ApiRequest): KubeObject {
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

  function create(request: ApiRequest): Reply {
    const { kind, record } = request;
    const asked = admit(kind, given(request), storage.version());
    const { namespace } = record.info;
    if (kind.namespaced) requireNamespace(namespace);
    const { resourceVersion: _, uid: __, creationTimestamp: ___, ...metadata } = asked.metadata;
    const fresh = { ...asked, metadata: { ...metadata, name: asked.metadata.name } };
    const started = kind.kind === 'Pod' ? runPod(storage, clock, fresh) : fresh;
    const created = storage.create(kind, started, { dryRun: record.dryRun });
    if (!record.dryRun) reconcile(storage, clock);
    return { status: 201, body: shaped(request, [created], created, {}) };
  }

  function requireNamespace(namespace: string): void {
    const namespaces = kinds().find((kind) => kind.kind === 'Namespace');
    if (namespaces && !storage.find(namespaces, '', namespace)) throw notFound('namespaces', '', namespace);
  }

  function write(request: ApiRequest, status: number, next: KubeObject, options: { status?: boolean } = {}): Reply {
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
    return { status, body: shaped(request, [fresh], fresh, {}) };
  }

  function patch(request: ApiRequest): Reply {
    const { kind, record, body, contentType } = request;
    if (body === undefined) throw badRequest('a patch needs a body');
    const current = storage.find(kind, record.info.namespace, record.name);
    if (contentType === 'application/apply-patch+yaml') {
      if (!request.query.get('fieldManager')) throw badRequest('fieldManager is required for apply patch');
      if (!current) return create(request);
    }
    if (!current) throw notFound(kind.resource, kind.group, record.name);
    return write(request, 200, admit(kind, applyPatch(current, body, contentType), storage.version()));
  }

  function remove(request: ApiRequest): Reply {
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
      if (policy === 'Orphan' || at(body, 'orphanDependents') === true) orphan(current);
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

  function orphan(owner: KubeObject): void {
    for (const kind of kinds().filter((kind) => kind.verbs.includes('delete')))
      for (const object of storage.list(kind, owner.metadata.namespace)) {
        const left = object.metadata.ownerReferences?.filter(({ uid }) => uid !== owner.metadata.uid);
        if (left && left.length !== object.metadata.ownerReferences?.length)
          storage.update(kind, { ...object, metadata: { ...object.metadata, ownerReferences: left } });
      }
  }

  function removeAll(request: ApiRequest): Reply {
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

  function subresource(request: ApiRequest): Reply {
    const { kind, record, body } = request;
    const { namespace } = record.info;
    if (!kind.subresources.includes(record.subresource)) throw noSuchResource();
    const target = storage.get(kind, namespace, record.name);
    switch (record.subresource) {
      case 'log':
        if (record.verb !== 'get') throw methodNotAllowed();
        return { status: 200, text: podLog(target, request.query, clock) };
      case 'scale':
        return scale(request, target);
      case 'eviction': {
        if (record.verb !== 'create') throw methodNotAllowed();
        const dryRun = record.dryRun || at(body, 'deleteOptions', 'dryRun', 0) === 'All';
        if (!dryRun) {
          storage.remove(kind, namespace, record.name);
          reconcile(storage, clock);
        }
        return { status: 201, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } };
      }
      case 'token': {
        if (record.verb !== 'create') throw methodNotAllowed();
        const seconds = count(at(body, 'spec', 'expirationSeconds'), 3600);
        const status = {
          token: `emulated.${record.name}.token`,
          expirationTimestamp: timestamp(clock.now() + seconds * 1000),
        };
        return {
          status: 201,
          body: {
            kind: 'TokenRequest',
            apiVersion: 'authentication.k8s.io/v1',
            metadata: { name: record.name, namespace },
            spec: at(body, 'spec') ?? {},
            status,
          },
        };
      }
      case 'exec':
      case 'attach':
      case 'portforward':
      case 'proxy':
        throw new StatusError(501, 'NotImplemented', `the emulated cluster does not run ${record.subresource}`);
      default:
        return statusLike(request, target);
    }
  }

  /** status, approval, ephemeralcontainers, resize, finalize, binding: the object itself, a part of it written. */
  function statusLike(request: ApiRequest, target: KubeObject): Reply {
    const { record, body, contentType } = request;
    const options = { status: record.subresource === 'status' || record.subresource === 'approval' };
    switch (record.verb) {
      case 'get':
        return { status: 200, body: shaped(request, [target], target, {}) };
      case 'update':
        return write(request, 200, given(request), options);
      case 'patch':
        if (body === undefined) throw badRequest('a patch needs a body');
        return write(request, 200, applyPatch(target, body, contentType), options);
      default:
        throw methodNotAllowed();
    }
  }

  function scale(request: ApiRequest, target: KubeObject): Reply {
    const { kind, record, body, contentType } = request;
    if (record.verb === 'get') return { status: 200, body: asScale(target) };
    if (record.verb !== 'patch' && record.verb !== 'update') throw methodNotAllowed();
    const wish = record.verb === 'patch' ? applyPatch(asScale(target), body ?? null, contentType) : object(body);
    const replicas = at(wish, 'spec', 'replicas');
    if (typeof replicas !== 'number' || replicas < 0)
      throw invalid(
        'Scale',
        'autoscaling',
        record.name,
        'spec.replicas',
        'Invalid value: must be greater than or equal to 0',
      );
    const resourceVersion = text(at(wish, 'metadata', 'resourceVersion'));
    const next: KubeObject = { ...target, spec: { ...object(target['spec']), replicas } };
    if (resourceVersion !== '') next.metadata = { ...next.metadata, resourceVersion };
    const written = storage.update(kind, next, { dryRun: record.dryRun });
    if (!record.dryRun) reconcile(storage, clock);
    return { status: 200, body: asScale(written) };
  }
}
