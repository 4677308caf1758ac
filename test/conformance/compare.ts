import { ALL_NAMESPACES, describeAttributes, type ResourceAttributes } from '../../shared/kubernetes/attributes.ts';
import type { RecordedRequest } from './recordings.ts';

/** Requests of one command that no attribute covers, in the words of describeAttributes. */
export function unsaid(attributes: readonly ResourceAttributes[], requests: readonly RecordedRequest[]): string[] {
  const missing = requests
    .filter((request, at) => !isForgiven(request, requests.slice(0, at)))
    .map(asAuthorised)
    .filter((asked) => !attributes.some((one) => covers(one, asked)))
    .map(describeAttributes);
  return [...new Set(missing)];
}

/** What the API server's own admission asks for, so that no request shows it. */
const ADMISSION_VERBS = new Set(['bind', 'escalate', 'approve']);

/** Attributes that none of the requests asks for. */
export const unasked = (
  attributes: readonly ResourceAttributes[],
  requests: readonly RecordedRequest[],
): ResourceAttributes[] =>
  attributes.filter(
    (one) => !ADMISSION_VERBS.has(one.verb) && !requests.some((request) => covers(one, asAuthorised(request))),
  );

/**
 * Requests whose refusal kubectl takes without a word, so that nobody needs the right:
 * after a 404 it asks whether the namespace exists, to word its error (cli-runtime, Info.Get);
 * after the deletion of what a query found it reads each object, to wait for its end (kubectl delete, "forbidden from waiting").
 */
function isForgiven({ asked }: RecordedRequest, before: readonly RecordedRequest[]): boolean {
  if (asked.verb === 'get' && asked.group === '' && asked.resource === 'namespaces') {
    return before.some((one) => one.failed === 404 && one.asked.namespace === asked.name);
  }
  const same = ({ asked: one }: RecordedRequest): boolean =>
    one.resource === asked.resource && one.group === asked.group;
  return (
    ['get', 'list', 'watch'].includes(asked.verb) &&
    before.some(
      (one, at) =>
        one.asked.verb === 'delete' &&
        one.asked.name === asked.name &&
        same(one) &&
        before.slice(0, at).some((earlier) => earlier.asked.verb === 'list' && same(earlier)),
    )
  );
}

/**
 * A request as our attributes put it. exec and attach are first tried as a WebSocket, a GET; the permission is `create` all the
 * same (as it was for every kubectl before).
 */
function asAuthorised({ asked }: RecordedRequest): ResourceAttributes {
  const { verb, resource, subresource } = asked;
  const upgraded = verb === 'get' && resource === 'pods' && (subresource === 'exec' || subresource === 'attach');
  return upgraded ? { ...asked, verb: 'create' } : asked;
}

export const covers = (ours: ResourceAttributes, request: ResourceAttributes): boolean =>
  ours.verb === request.verb &&
  ours.group === request.group &&
  ours.resource === request.resource &&
  ours.subresource === request.subresource &&
  (ours.namespace === request.namespace || ours.namespace === ALL_NAMESPACES) &&
  // A POST has no name in its path; ours is the one in its body.
  (ours.name === '' || ours.name === request.name || (ours.verb === 'create' && request.name === ''));
