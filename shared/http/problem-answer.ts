import type { Problem } from '../errors.ts';
import { commonHeaders } from './common-headers.ts';
import { problemDocument, retryAfterOf } from './problem.ts';

/** A problem outside the app: its status, headers and body. */
export function problemAnswer(problem: Problem, requestId: string) {
  const retryAfter = retryAfterOf(problem);
  return {
    status: problem.status,
    headers: {
      'content-type': 'application/problem+json; charset=utf-8',
      ...commonHeaders(requestId),
      ...(retryAfter !== undefined && { 'retry-after': retryAfter }),
    },
    body: JSON.stringify(problemDocument(problem, requestId)),
  };
}
