import type { FastifyInstance } from 'fastify';
import { json } from '../answers.ts';
import type { AppOptions } from '../options.ts';
import { MetadataBody } from '../schemas.ts';
import { originOf } from '../identify.ts';

/** RFC 9728: all a client needs besides the URL. `tenants`, `audience` and `scope` are this gateway's own members (§2, "additional parameters"). */
export async function metadataRoutes(app: FastifyInstance, { config }: AppOptions): Promise<void> {
  app.get(
    '/.well-known/oauth-protected-resource',
    {
      config: { public: true },
      schema: {
        summary: 'Where and for what to get a token',
        security: [],
        response: { 200: json('Protected resource metadata.', MetadataBody) },
      },
    },
    async (request) => {
      const { authority, tenants, audience, scopes } = config().identity;
      return {
        resource: originOf(request),
        resource_name: 'aks-access-gateway',
        authorization_servers: tenants.map((tenant) => `${authority}/${tenant}/v2.0`),
        scopes_supported: scopes.map((scope) => `${audience}/${scope}`),
        bearer_methods_supported: ['header'],
        tenants,
        audience,
        scope: `${audience}/.default`,
      };
    },
  );
}
