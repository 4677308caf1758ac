import { app, type HttpRequest, type HttpResponseInit, type InvocationContext } from '@azure/functions';
import { Problem } from '../shared/errors.ts';
import { commonHeaders } from '../shared/http/common-headers.ts';
import { problemAnswer } from '../shared/http/problem-answer.ts';
import { closeGateway, gateway, preloadGateway, startGateway } from './gateway.ts';
import { missingSettings } from './settings.ts';
import { version } from './version.ts';

/** Connection-level headers belong to the host (RFC 9110, section 7.6.1); inject adds some, the host sets its own. */
const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'date', 'content-length']);

/** Every address of the gateway: the Functions host hands over the request, fastify does the rest. */
app.http('http', {
  route: '{*path}',
  methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
  authLevel: 'anonymous', // callers bring Entra tokens; a shared function key would name nobody
  handler: async (request: HttpRequest, context: InvocationContext): Promise<HttpResponseInit> => {
    const { pathname, search } = new URL(request.url);
    // Told without waiting for anything else: this is about the process (/readyz is about what it needs).
    if (pathname === '/healthz' && ['GET', 'HEAD'].includes(request.method)) {
      startGateway();
      return { jsonBody: { status: 'ok', version }, headers: { ...commonHeaders(context.invocationId) } };
    }
    // The host hands a body over only with its length: one that came chunked arrives empty (functions-host#4926).
    if (request.headers.has('transfer-encoding') && !request.body)
      return answerOf(new Problem('length-required', 'The body came in chunks.'), context);
    const started = await gateway().catch((error: unknown) => error as Error);
    if (started instanceof Error) return notStarted(started, context);
    const { app } = started;
    const response = await app.inject({
      method: request.method as 'GET',
      url: pathname + search,
      headers: { ...Object.fromEntries(request.headers.entries()), ...traceOf(context) },
      ...(request.body && { payload: Buffer.from(await request.arrayBuffer()) }),
    });
    const headers: [string, string][] = [];
    for (const [name, value] of Object.entries(response.headers)) {
      if (value === undefined || hopByHop.has(name)) continue;
      for (const one of Array.isArray(value) ? value : [value]) headers.push([name, String(one)]);
    }
    return { status: response.statusCode, headers, body: new Uint8Array(response.rawPayload) };
  },
});

app.hook.appTerminate(() => closeGateway());
preloadGateway();

/** The host goes on with the caller's trace (www.w3.org/TR/trace-context), and its span is the one that called this code. */
const traceOf = ({ traceContext }: InvocationContext): Readonly<Record<string, string>> =>
  traceContext?.traceParent ? { traceparent: traceContext.traceParent } : {};

/** What is wrong is for the operator, in the log; the caller hears that nothing was run, and by name which setting is missing. */
function notStarted(error: Error, context: InvocationContext): HttpResponseInit {
  context.error(`the gateway did not start: ${error.message}`);
  const settings = missingSettings(error);
  const why = settings.length > 0 ? `: ${settings.join(', ')} missing` : '';
  return answerOf(
    new Problem('gateway-busy', `The gateway could not start${why}; the log of the Functions app says why.`, {
      retryAfter: 30,
      ...(settings.length > 0 && { members: { settings } }),
    }),
    context,
  );
}

const answerOf = (problem: Problem, { invocationId }: InvocationContext): HttpResponseInit =>
  problemAnswer(problem, invocationId);
