import type { FastifyInstance, RouteOptions } from 'fastify';
import { Problem } from '../../errors.ts';

/**
 * A known address, asked in a method that it does not have: 405 with Allow (RFC 9110, section 15.5.6), before a token is looked at or a body
 * read. Call it before any route is registered; what it returns is called after the last.
 */
export function otherMethods(app: FastifyInstance): () => void {
  const known = new Map<string, Set<string>>();
  const note = ({ url, method }: RouteOptions): void => {
    const methods = known.get(url) ?? new Set();
    for (const one of [method].flat()) methods.add(one);
    known.set(url, methods);
  };
  let closed = false;
  app.addHook('onRoute', (route) => {
    if (!closed) note(route);
  });
  return () => {
    closed = true;
    for (const [url, methods] of known) {
      const allow = [...methods].sort().join(', ');
      const refuse = (): never => {
        throw new Problem('method-not-allowed', `This address takes ${allow}.`, { headers: { allow } });
      };
      app.route({
        url,
        method: app.supportedMethods.filter((method) => !methods.has(method)),
        config: { public: true },
        schema: { hide: true },
        onRequest: refuse,
        handler: refuse,
      });
    }
  };
}
