import { admit } from './admit.ts';
import type { ApiRequest } from './api-request.ts';
import { answerReview, isReview, metrics } from './reviews.ts';
import { methodNotAllowed } from './status.ts';
import type { ApiContext, Reply } from './api/context.ts';
import { read, watch } from './api/read.ts';
import { remove, removeAll } from './api/remove.ts';
import { subresource } from './api/subresource.ts';
import { create, given, patch, write } from './api/write.ts';

/** The resource half of the API server: verbs on objects. Throws StatusError for every refusal. */
export function answerResource(context: ApiContext, request: ApiRequest): Reply {
  const { storage, clock, allows } = context;
  const { kind, record } = request;
  if (isReview(kind)) {
    if (record.verb !== 'create') throw methodNotAllowed();
    return { status: 201, body: answerReview(request, allows) };
  }
  if (kind.group === 'metrics.k8s.io') return read(context, request, metrics(kind, storage, clock));
  if (record.subresource !== '') return subresource(context, request);
  switch (record.verb) {
    case 'get':
    case 'list':
      return read(context, request, undefined);
    case 'watch':
      return watch(context, request);
    case 'create':
      return create(context, request);
    case 'update':
      return write(context, request, 200, admit(kind, given(request), storage.version()));
    case 'patch':
      return patch(context, request);
    case 'delete':
      return remove(context, request);
    case 'deletecollection':
      return removeAll(context, request);
    default:
      throw methodNotAllowed();
  }
}
