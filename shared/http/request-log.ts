import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../clock.ts';
import type { Problem, ProblemCode } from '../errors.ts';
import { ownerKey } from '../gateway/request.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The code of the problem that it was answered with. */
    problemCode: ProblemCode | undefined;
  }
}

/** Lines in a window; those beyond are counted, so that a flood costs neither disk nor time. */
const WINDOW_MS = 1_000;
const REQUESTS_A_WINDOW = 100;
const FAILURES_A_WINDOW = 5;

/**
 * One line a request, of what the gateway knows and nothing that a caller wrote: not the address with its ids, no header, no detail. The
 * trail has those.
 */
export function logRequests(app: FastifyInstance, clock: Clock): void {
  app.decorateRequest('problemCode', undefined);
  const lines = createLineLimit(clock, app.log, REQUESTS_A_WINDOW);
  app.addHook('onResponse', async (request, reply) => {
    const line = lineOf(request, reply);
    if (lines.admits(line.status)) request.log.info(line, 'request');
  });
}

function lineOf(request: FastifyRequest, reply: FastifyReply) {
  const { authenticated, problemCode, method } = request;
  return {
    route: request.is404 ? 'none' : request.routeOptions.url,
    method,
    status: reply.statusCode,
    ...(authenticated && { principal: ownerKey(authenticated) }),
    ms: Math.round(reply.elapsedTime),
    ...(problemCode !== undefined && { code: problemCode }),
  };
}

/** Why requests failed that the gateway is to blame for, each with its cause. */
export function logFailures(app: FastifyInstance, clock: Clock): (request: FastifyRequest, problem: Problem) => void {
  const lines = createLineLimit(clock, app.log, FAILURES_A_WINDOW);
  return (request, problem) => {
    if (problem.status < 500 || !lines.admits(problem.status)) return;
    request.log.error({ err: problem.options.cause ?? problem, code: problem.code }, problem.message);
  };
}

/** Tells, with the first line of a window, what the window before it left out. */
function createLineLimit(clock: Clock, log: FastifyBaseLogger, most: number) {
  let from = Number.NEGATIVE_INFINITY;
  let lines = 0;
  const leftOut = new Map<number, number>();
  return {
    admits(status: number): boolean {
      const now = clock.monotonic();
      if (now - from >= WINDOW_MS) {
        if (leftOut.size > 0)
          log.warn({ status: Object.fromEntries(leftOut), spanMs: Math.round(now - from) }, 'more than is logged');
        leftOut.clear();
        from = now;
        lines = 0;
      }
      if (++lines <= most) return true;
      leftOut.set(status, (leftOut.get(status) ?? 0) + 1);
      return false;
    },
  };
}
