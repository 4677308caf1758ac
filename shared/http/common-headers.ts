/** What every answer has, wherever it is made: a route, fastify itself, the socket before there is a request, the Functions entrance. */
export const commonHeaders = (requestId: string): Readonly<Record<string, string>> => ({
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-request-id': requestId,
});
