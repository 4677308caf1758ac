import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { Problem, problems, type ProblemCode } from '../errors.ts';
import { commonHeaders } from './common-headers.ts';
import { problemMessage } from '../chat/messages.ts';
import { recordsUnavailable } from '../gateway/deny.ts';
import { StorageUnavailable } from '../store/append-log.ts';
import { profileForProblem, sendMessage } from './markdown.ts';
import type { ProblemDocument } from './schemas.ts';

/** RFC 9457, section 3.1: `type` is this project's own name for the code; `instance` names this one request, as the logs do. */
export function problemDocument(problem: Problem, requestId: string): ProblemDocument & Record<string, unknown> {
  const { status, title, retryable, next } = problems[problem.code];
  return {
    ...problem.options.members,
    type: `urn:aksgw:problem:${problem.code}`,
    title,
    status,
    detail: problem.message,
    instance: `urn:uuid:${requestId}`,
    code: problem.code,
    retryable,
    next,
  };
}

/** Where nobody knows how long it takes. */
const LATER_SECONDS = 5;

/** Whole seconds. A dependency that does not answer now may do so soon (RFC 9110, section 15.6.4). */
export function retryAfterOf({ options, status, retryable }: Problem): string | undefined {
  const seconds = options.retryAfter ?? (status === 503 && retryable ? LATER_SECONDS : undefined);
  return seconds === undefined ? undefined : String(Math.max(1, Math.ceil(seconds)));
}

/** Sends a problem. Everything that goes wrong in the app ends here. */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): FastifyReply {
  const { headers } = problem.options;
  const retryAfter = retryAfterOf(problem);
  request.problemCode = problem.code;
  reply.headers(commonHeaders(request.id)); // fastify's own refusals pass no hook
  if (headers) reply.headers(headers);
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter);
  const profile = profileForProblem(request);
  reply.code(problem.status);
  if (profile) return sendMessage(reply, problemMessage(problem.code, problem.message), profile);
  return reply
    .header('content-type', 'application/problem+json; charset=utf-8')
    .send(JSON.stringify(problemDocument(problem, request.id)));
}

/** Fastify's own refusals, which would otherwise bypass the table (fastify docs, "Errors", FST_ codes). */
const foreign: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload-too-large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'media-type-unsupported',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'request-invalid',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'request-invalid',
  FST_ERR_CTP_INVALID_JSON_BODY: 'request-invalid',
  FST_ERR_VALIDATION: 'request-invalid',
  FST_ERR_NOT_FOUND: 'route-not-found',
  FST_ERR_BAD_URL: 'route-not-found',
  FST_ERR_MAX_LIMIT: 'route-not-found',
};

/** Where fastify's words say less than the gateway knows. */
const ownWords: Partial<Record<ProblemCode, string>> = {
  'payload-too-large': 'The body is larger than this gateway takes (limits.bodyBytes). Nothing was started.',
  'media-type-unsupported': "The body's Content-Type is not application/json. Nothing was started.",
};

/** Any error as a problem. What was not foreseen is `internal-error` and says nothing about itself. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof StorageUnavailable) return recordsUnavailable(error);
  const { code, statusCode, message } = error as Partial<FastifyError>;
  const known = code === undefined ? undefined : foreign[code];
  if (known) return new Problem(known, ownWords[known] ?? message ?? problems[known].title);
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new Problem('request-invalid', message ?? 'The request is not well-formed.');
  }
  return new Problem(
    'internal-error',
    'Something unexpected went wrong; the log has the cause under the instance id.',
    { cause: error },
  );
}
