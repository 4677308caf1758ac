import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { json } from '../answers.ts';
import { docsPage, type Description } from '../docs-page.ts';

/** Nothing from anywhere else: the page works in a network without a way out. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** The API's own description: for programs, and for people on one page. */
export async function docsRoutes(app: FastifyInstance): Promise<void> {
  app.get(
    '/openapi.json',
    {
      config: { public: true },
      schema: {
        summary: 'This API for programs',
        security: [],
        response: { 200: json('OpenAPI 3.1.', Type.Object({ openapi: Type.String() })) },
      },
    },
    async () => app.swagger(),
  );
  app.get(
    '/docs',
    {
      config: { public: true },
      schema: {
        summary: 'This API for people',
        security: [],
        response: { 200: { description: 'A page of HTML.', content: { 'text/html': { schema: Type.String() } } } },
      },
    },
    async (_request, reply) =>
      reply
        .header('content-type', 'text/html; charset=utf-8')
        .header('content-security-policy', POLICY)
        .send(docsPage(app.swagger() as unknown as Description)),
  );
}
