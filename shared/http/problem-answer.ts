import type { Problem } from '../errors.ts';
import { commonHeaders } from './common-headers.ts';
import { problemDocument } from './problem.ts';

/** A problem outside the app: its status, headers and body. */
export const problemAnswer = (problem: Problem, requestId: string) => ({
  status: problem.status,
  headers: {
    'content-type': 'application/problem+json; charset=utf-8',
    ...commonHeaders(requestId),
    ...(problem.options.retryAfter !== undefined && { 'retry-after': String(problem.options.retryAfter) }),
  },
  body: JSON.stringify(problemDocument(problem, requestId)),
});
