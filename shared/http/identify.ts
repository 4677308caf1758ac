import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RequestFacts } from '../audit/events.ts';
import type { AuditTrail } from '../audit/trail.ts';
import { Problem } from '../errors.ts';
import { deny } from '../gateway/deny.ts';
import { REQUESTER_TOKEN } from '../identity/authenticate.ts';
import type { AuthenticatedRequest } from '../gateway/request.ts';
import { withResourceMetadata } from '../identity/challenge.ts';
import type { Principal } from '../identity/principal.ts';
import { TokenRefusal } from '../identity/refusals.ts';
import { addressOf, metadataAddress } from './address.ts';
import { disconnectSignal } from './disconnect.ts';
import type { AppOptions } from './options.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the identify hook on every route but the public ones. */
    authenticated: AuthenticatedRequest | undefined;
    /** True once the gateway has the request: from then on it records what becomes of it. */
    handedOver: boolean;
  }
  interface FastifyContextConfig {
    /** Answers without a token: health, metadata, documentation. */
    public?: boolean;
    /** Takes a Requester-Token: whose rights count is not the caller's alone. */
    requester?: boolean;
  }
}

interface IdentifyOptions extends Pick<AppOptions, 'authenticate' | 'authenticateRequester'> {
  readonly trail: AuditTrail;
  /** The configured address, if there is one. */
  readonly publicUrl: () => string | undefined;
}

/**
 * The first hook of every request: who is it? Runs before the body is read, so that a stranger's bytes are never parsed. The
 * caller comes from the bearer token alone: headers such as `X-MS-CLIENT-PRINCIPAL` are ignored, since anyone can send them.
 */
export function identify({ authenticate, authenticateRequester, trail, publicUrl }: IdentifyOptions) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    if (request.routeOptions.config.public || request.is404) return;
    let facts = factsOf(request);
    try {
      const signal = disconnectSignal(reply);
      const caller = await authenticate(request.headers.authorization, signal);
      facts = { ...facts, principal: auditPrincipal(caller.principal) };
      const header = request.headers['requester-token']?.toString();
      if (header === undefined) {
        request.authenticated = { caller, facts };
        return;
      }
      if (!request.routeOptions.config.requester)
        throw new Problem(
          'request-invalid',
          `${request.method} ${request.routeOptions.url ?? ''} takes no ${REQUESTER_TOKEN}.`,
        );
      const requester = await authenticateRequester(header, caller.principal, signal);
      const { tid, oid, kind: idtyp } = requester.principal;
      request.authenticated = { caller, requester, facts: { ...facts, requester: { tid, oid, idtyp } } };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      reply.header('connection', 'close'); // the body will not be read: a client that still sends it should stop
      const { code, message } = error;
      const presented = error instanceof TokenRefusal ? error.presented : undefined;
      await deny(
        trail,
        { ...facts, event: 'auth.failed', problem: code, detail: message, presented },
        withMetadata(error, metadataAddress(addressOf(request, publicUrl()))),
      );
    }
  };
}

/**
 * The caller of a request that gets its answer without one, where its token is good: for the trail alone. Anything else than a good
 * token changes nothing: the answer is the same, and strangers are not told apart.
 */
export async function identifyForTrail(
  request: FastifyRequest,
  authenticate: IdentifyOptions['authenticate'],
): Promise<RequestFacts | undefined> {
  const { authorization } = request.headers;
  if (authorization === undefined) return undefined;
  try {
    const { principal } = await authenticate(authorization);
    return { ...factsOf(request), principal: auditPrincipal(principal) };
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

/** The request with its caller; a route that is not public always has one. */
export function authenticated(request: FastifyRequest): AuthenticatedRequest {
  if (request.authenticated) return request.authenticated;
  throw new Error(`${request.routeOptions.url ?? request.url} was reached without identification`);
}

/** What a request says about itself: recorded as a claim, believed nowhere. */
function factsOf(request: FastifyRequest): RequestFacts {
  const forwarded = request.headers['x-forwarded-for'];
  const first = typeof forwarded === 'string' ? forwarded.split(',')[0]?.trim() : undefined;
  // An address, with a port where a proxy adds one; anything else is not an address, and does not go into the trail.
  const ip = first !== undefined && /^[\da-f.:[\]]{2,64}$/i.test(first) ? first : request.ip;
  return {
    requestId: request.id,
    traceId: request.trace?.traceId,
    peer: request.socket.remoteAddress?.slice(0, 64),
    claimed: { ip: ip.slice(0, 64), userAgent: request.headers['user-agent']?.slice(0, 200) },
  };
}

const auditPrincipal = ({ tid, oid, kind, azp, uti }: Principal) => ({ tid, oid, idtyp: kind, azp, uti });

/** RFC 9728, section 5.1: the challenge tells where the metadata is, so that a client needs only the URL. */
function withMetadata(problem: Problem, metadata: string): Problem {
  const challenge = problem.options.headers?.['www-authenticate'];
  if (!challenge) return problem;
  return new Problem(problem.code, problem.message, {
    ...problem.options,
    headers: { ...problem.options.headers, 'www-authenticate': withResourceMetadata(challenge, metadata) },
  });
}
