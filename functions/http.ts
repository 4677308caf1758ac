import { app, type HttpRequest, type HttpResponseInit } from '@azure/functions';
import { gateway } from './gateway.ts';

/** Connection-level headers belong to the host (RFC 9110 §7.6.1); inject adds some, the host sets its own. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'date', 'content-length']);

/** Every address of the gateway: the Functions host hands over the request, fastify does the rest. */
app.http('http', {
  route: '{*path}',
  methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
  authLevel: 'anonymous', // callers bring Entra tokens; a shared function key would name nobody
  handler: async (request: HttpRequest): Promise<HttpResponseInit> => {
    const { app } = await gateway();
    const { pathname, search } = new URL(request.url);
    const response = await app.inject({
      method: request.method as 'GET',
      url: pathname + search,
      headers: Object.fromEntries(request.headers.entries()),
      ...(request.body && { payload: Buffer.from(await request.arrayBuffer()) }),
    });
    const headers: [string, string][] = [];
    for (const [name, value] of Object.entries(response.headers)) {
      if (value === undefined || HOP_BY_HOP.has(name)) continue;
      for (const one of Array.isArray(value) ? value : [value]) headers.push([name, String(one)]);
    }
    return { status: response.statusCode, headers, body: new Uint8Array(response.rawPayload) };
  },
});
