import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RequestSpan, Telemetry } from '../telemetry/telemetry.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Its place in a trace, from its first hook on. */
    trace: RequestSpan | undefined;
  }
}

/** Others count as one (opentelemetry.io/docs/specs/semconv/http/http-spans, "http.request.method"). */
const methods: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Each request as a span and in the metrics: by its route, never by its address. The first hooks of the app. */
export function observeRequests(app: FastifyInstance, telemetry: Telemetry): void {
  app.decorateRequest('trace', undefined);
  app.addHook('onRequest', (request, _reply, done) => {
    const { traceparent } = request.headers;
    // Sent twice it comes as one text with a comma, which is malformed.
    request.trace = telemetry.request(typeof traceparent === 'string' ? traceparent : undefined);
    request.trace.within(done); // fastify keeps it over the events by which a body comes
  });
  if (!telemetry.enabled) return;
  app.addHook('onResponse', async (request, reply) => measure(telemetry, request, reply));
}

function measure(telemetry: Telemetry, request: FastifyRequest, reply: FastifyReply): void {
  const { id, is404, problemCode, routeOptions, trace } = request;
  const { statusCode } = reply;
  const method = methods.includes(request.method) ? request.method : '_OTHER';
  const route = is404 ? 'none' : (routeOptions.url ?? 'none');
  const labels = { 'http.request.method': method, 'http.route': route, 'http.response.status_code': statusCode };
  telemetry.time('http.server.request.duration', labels, reply.elapsedTime);
  const failed = statusCode >= 500;
  trace?.end(`${method} ${route}`, { ...labels, 'aksgw.request.id': id, 'error.type': problemCode }, failed);
}
