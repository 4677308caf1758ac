import { reconcile } from '../controllers.ts';
import { at, count, object, text, type KubeObject } from '../json.ts';
import { podLog } from '../logs.ts';
import { applyPatch } from '../patch.ts';
import type { ApiRequest } from '../api-request.ts';
import { asScale } from '../scale.ts';
import { badRequest, invalid, methodNotAllowed, noSuchResource, StatusError } from '../status.ts';
import { timestamp } from '../storage.ts';
import type { ApiContext, Reply } from './context.ts';
import { shaped } from './read.ts';
import { given, write } from './write.ts';

/** log, scale, eviction, token, and those that are a part of the object itself. */
export function subresource(context: ApiContext, request: ApiRequest): Reply {
  const { storage, clock } = context;
  const { kind, record, body } = request;
  const { namespace } = record.info;
  if (!kind.subresources.includes(record.subresource)) throw noSuchResource();
  const target = storage.get(kind, namespace, record.name);
  switch (record.subresource) {
    case 'log':
      if (record.verb !== 'get') throw methodNotAllowed();
      return { status: 200, text: podLog(target, request.query, clock) };
    case 'scale':
      return scale(context, request, target);
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
      return statusLike(context, request, target);
  }
}

/** status, approval, ephemeralcontainers, resize, finalize, binding: the object itself, a part of it written. */
function statusLike(context: ApiContext, request: ApiRequest, target: KubeObject): Reply {
  const { record, body, contentType } = request;
  const options = { status: record.subresource === 'status' || record.subresource === 'approval' };
  switch (record.verb) {
    case 'get':
      return { status: 200, body: shaped(context, request, [target], target, {}) };
    case 'update':
      return write(context, request, 200, given(request), options);
    case 'patch':
      if (body === undefined) throw badRequest('a patch needs a body');
      return write(context, request, 200, applyPatch(target, body, contentType), options);
    default:
      throw methodNotAllowed();
  }
}

function scale({ storage, clock }: ApiContext, request: ApiRequest, target: KubeObject): Reply {
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
