import type { FastifyInstance, FastifyRequest } from 'fastify';
import { json } from '../answers.ts';
import type { AppOptions } from '../options.ts';
import { MetadataBody } from '../schemas.ts';
import { Problem } from '../../errors.ts';
import { addressOf, prefixOf } from '../address.ts';

/** RFC 9728: all a client needs besides the URL. `tenant` (where there is one alone), `tenants`, `audience` and `scope` are this gateway's own members (section 2, "additional parameters"). */
export async function metadataRoutes(app: FastifyInstance, { config }: AppOptions): Promise<void> {
  const metadata = (request: FastifyRequest) => {
    const { authority, tenants, audience, scopes } = config().identity;
    return {
      resource: addressOf(request, config().publicUrl),
      resource_name: 'aks-access-gateway',
      authorization_servers: tenants.map((tenant) => `${authority}/${tenant}/v2.0`),
      scopes_supported: scopes.map((scope) => `${audience}/${scope}`),
      bearer_methods_supported: ['header'],
      ...(tenants.length === 1 && { tenant: tenants[0] }),
      tenants,
      audience,
      scope: `${audience}/.default`,
    };
  };
  const schema = {
    operationId: 'getProtectedResourceMetadata',
    tags: ['service'],
    summary: 'Where and for what to get a token',
    security: [],
    response: { 200: json('Protected resource metadata.', MetadataBody) },
  };
  app.get('/.well-known/oauth-protected-resource', { config: { public: true }, schema }, async (request) =>
    metadata(request),
  );
  // Behind a path, clients look for it in front of that (RFC 9728, section 3.1), where a proxy may take nothing off.
  app.get<{ Params: { '*': string } }>(
    '/.well-known/oauth-protected-resource/*',
    { config: { public: true }, schema: { hide: true } },
    async (request) => {
      if (`/${request.params['*']}` === prefixOf(config().publicUrl)) return metadata(request);
      throw new Problem('route-not-found', 'There is no protected resource with this path here.');
    },
  );
}
