import type { FastifyInstance } from 'fastify';
import * as Type from 'typebox';
import { json } from '../answers.ts';
import type { AppOptions } from '../options.ts';
import { docsPage, type Description } from '../docs-page.ts';

/** Nothing from anywhere else: the page works in a network without a way out. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** The API's own description: for programs, and for people on one page. */
export async function docsRoutes(app: FastifyInstance, { config }: AppOptions): Promise<void> {
  // Made once and sent as the same bytes: anybody may ask, as often as a connection takes.
  const document = kept((url) => JSON.stringify({ ...app.swagger(), servers: [{ url }] }));
  const page = kept(() => docsPage(app.swagger() as unknown as Description));
  const address = (): string => config().publicUrl ?? '/';
  app.get(
    '/openapi.json',
    {
      config: { public: true },
      schema: {
        operationId: 'getOpenApi',
        tags: ['service'],
        summary: 'This API for programs',
        security: [],
        response: { 200: json('OpenAPI 3.1.', Type.Object({ openapi: Type.String() })) },
      },
    },
    async (_request, reply) => reply.type('application/json; charset=utf-8').send(document(address())),
  );
  app.get(
    '/docs',
    {
      config: { public: true },
      schema: {
        operationId: 'getDocs',
        tags: ['service'],
        summary: 'This API for people',
        security: [],
        response: { 200: { description: 'A page of HTML.', content: { 'text/html': { schema: Type.String() } } } },
      },
    },
    async (_request, reply) =>
      reply
        .header('content-type', 'text/html; charset=utf-8')
        .header('content-security-policy', POLICY)
        .send(page(address())),
  );
}

/** Makes it again only for another address, which a configuration that is read again may bring. */
function kept(make: (address: string) => string): (address: string) => Buffer {
  let last: { readonly address: string; readonly bytes: Buffer } | undefined;
  return (address) => {
    if (last?.address !== address) last = { address, bytes: Buffer.from(make(address)) };
    return last.bytes;
  };
}
