import swagger from '@fastify/swagger';
import Fastify, { LogController, type FastifyHttpOptions, type FastifyInstance, type FastifyRequest } from 'fastify';
import type { Server } from 'node:http';
import { Problem } from '../errors.ts';
import { refuseCommand, refuseRequest } from '../gateway/deny.ts';
import { redactText } from '../lib/redact.ts';
import { checkHost } from './address.ts';
import { commonHeaders } from './common-headers.ts';
import { identify, identifyForTrail } from './identify.ts';
import { readStrictJson } from '../lib/strict-json.ts';
import { checkUtf8 } from './body-encoding.ts';
import { malformed } from './malformed.ts';
import { observeRequests } from './observe-requests.ts';
import { profileOf } from './markdown.ts';
import { openApi } from './open-api.ts';
import { sendProblem, toProblem } from './problem.ts';
import { logFailures, logRequests } from './request-log.ts';
import { auditRoutes } from './routes/audit.ts';
import { batchRoutes } from './routes/batches.ts';
import { clusterRoutes } from './routes/clusters.ts';
import { clusterHealthRoutes } from './routes/cluster-health.ts';
import { commandRoutes } from './routes/commands.ts';
import { docsRoutes } from './routes/docs.ts';
import { healthRoutes } from './routes/health.ts';
import { jobRoutes } from './routes/jobs.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { metadataRoutes } from './routes/metadata.ts';
import { otherMethods } from './routes/other-methods.ts';
import type { AppOptions } from './options.ts';
import { guardSockets, socketOptions } from './sockets.ts';
import { countTraffic } from './traffic.ts';
import { validatorCompiler } from './validator.ts';

/** The HTTP app. Knows no host: a plain port, Azure Functions and tests all speak to it through fastify. */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const server: FastifyHttpOptions<Server> = {
    logger: options.logger && { ...options.logger, serializers: { err: loggedError } },
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }), // the audit trail is the record; request lines would carry what callers sent
    bodyLimit: options.config().limits.bodyBytes,
    genReqId: () => options.entropy.uuid(),
    ...socketOptions(() => options.entropy.uuid()),
    routerOptions: { maxParamLength: 256 },
    // The app sets its own just below; without these fastify would load ajv and fast-json-stringify, which would cost time at a cold start.
    schemaController: { compilersFactory: { buildValidator: () => neverAsked, buildSerializer: () => neverAsked } },
    frameworkErrors: (error, request, reply) => {
      sendProblem(request, reply, toProblem(error));
    }, // before any route is found
    schemaErrorFormatter: malformed,
  };
  const app = Fastify(server);
  guardSockets(app.server, () => options.entropy.uuid());
  logRequests(app, options.clock);
  const logFailure = logFailures(app, options.clock);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => (body) => JSON.stringify(body)); // response schemas document; they must not drop members
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      checkUtf8(request.headers);
      if (request.headers['content-length'] === undefined) request.visit?.received(body.length);
      done(null, body.length === 0 ? undefined : readStrictJson(body as Buffer)); // of no chunk
    } catch (error) {
      done(error as Error);
    } finally {
      giveBack(body as Buffer);
    }
  });
  app.setErrorHandler(async (error, request, reply) => {
    const problem = await recorded(toProblem(error), request, options);
    logFailure(request, problem);
    return sendProblem(request, reply, problem);
  });
  app.setNotFoundHandler(async (request, reply) => {
    const address = request.url.split('?')[0]?.slice(0, 200);
    const problem = new Problem('route-not-found', redactText(`There is no ${request.method} ${address}.`));
    return sendProblem(request, reply, await recorded(problem, request, options));
  });
  observeRequests(app, options.telemetry);
  app.decorateRequest('authenticated', undefined);
  app.decorateRequest('handedOver', false);
  app.addHook('onRequest', async (request, reply) => {
    if (request.raw.socket.destroyed) return reply.hijack(); // nobody is there for an answer
    reply.headers(commonHeaders(request.id));
    refuseRepeated(request);
    checkHost(request);
    forgetTypeOfNothing(request);
  });
  app.addHook('onRequest', identify({ ...options, publicUrl: () => options.config().publicUrl }));
  app.addHook('onRequest', async (request) => void profileOf(request)); // before anything is done that could not be told
  countTraffic(app, { ...options, bodyLimit: options.config().limits.bodyBytes });

  const refuseOtherMethods = otherMethods(app);
  await app.register(swagger, openApi(options.version));
  await app.register(commandRoutes, options);
  await app.register(batchRoutes, options);
  await app.register(clusterRoutes, options);
  await app.register(clusterHealthRoutes, options);
  await app.register(jobRoutes, options);
  await app.register(auditRoutes, options);
  await app.register(healthRoutes, options);
  await app.register(metadataRoutes, options);
  await app.register(metricsRoutes, options);
  await app.register(docsRoutes, options);
  refuseOtherMethods();
  await app.ready();
  return app;
}

/** Problems that tell what a caller asked for, where no command and no route of the gateway records it. */
const askedWrongly: readonly string[] = ['route-not-found', 'method-not-allowed', 'request-invalid'];

/** What is refused before the gateway has it is in the trail too: a command that is not JSON, an address that there is not, a malformed query. */
async function recorded(
  problem: Problem,
  request: FastifyRequest,
  { trail, authenticate }: Pick<AppOptions, 'trail' | 'authenticate'>,
): Promise<Problem> {
  const { authenticated, handedOver, method, is404 } = request;
  if (handedOver) return problem;
  if (authenticated && method === 'POST' && !is404)
    return refuseCommand(trail, { ...authenticated.facts, argv: [] }, problem).catch(toProblem);
  if (!askedWrongly.includes(problem.code)) return problem;
  const facts = authenticated?.facts ?? (await identifyForTrail(request, authenticate));
  return facts ? refuseRequest(trail, facts, problem).catch(toProblem) : problem;
}

/**
 * Two readers may take different ones of two (RFC 9110, section 5.3, allows none of these to be there twice). Host is there exactly once
 * (RFC 9112, section 3.2).
 */
function refuseRepeated({ raw }: FastifyRequest): void {
  for (const name of ['authorization', 'requester-token', 'content-type', 'host']) {
    const times = raw.rawHeaders.filter((word, at) => at % 2 === 0 && word.toLowerCase() === name).length;
    if (times > 1) throw new Problem('request-invalid', `The request has ${times} ${name} headers.`);
  }
  if (raw.httpVersion === '1.1' && raw.headers.host === undefined)
    throw new Problem('request-invalid', 'The request has no host header.');
}

/** Memory that is of no more use, at once: V8 lets 64 MB of it gather before it looks. Small ones share theirs. */
function giveBack({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

/** Clients name a type of a body that they do not send (curl -d ''). Routes that need one say so. */
function forgetTypeOfNothing({ headers }: FastifyRequest): void {
  if (headers['content-length'] === '0') delete headers['content-type'];
}

const neverAsked = (): never => {
  throw new Error("fastify asked for a compiler before the app's own was set");
};

/** By an allow-list: an SDK's error carries the whole request, token and body included. */
const loggedError = ({ name, message, stack, code }: Error & { code?: unknown }) => ({
  type: name,
  message: redactText(message),
  stack: redactText(stack ?? ''),
  ...(typeof code === 'string' && { code }),
});
