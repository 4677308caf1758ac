import type { FastifyRequest } from 'fastify';

const WELL_KNOWN = '/.well-known/oauth-protected-resource';

/**
 * The address by which callers know the gateway: the configured one; else that by which this caller reached it, which is only ever shown
 * back to that caller. No trailing slash.
 */
export function addressOf(request: FastifyRequest, publicUrl: string | undefined): string {
  if (publicUrl !== undefined) return publicUrl;
  const proto = request.headers['x-forwarded-proto'];
  const scheme = proto === 'https' || request.protocol === 'https' ? 'https' : 'http';
  return `${scheme}://${(request.headers.host ?? 'localhost').replace(/[^\w.:[\]-]/g, '')}`;
}

/** The path of the configured address, which a proxy in front takes off and which Location needs; '' without one. */
export const prefixOf = (publicUrl: string | undefined): string =>
  publicUrl === undefined ? '' : new URL(publicUrl).pathname.replace(/^\/$/, '');

/** RFC 9728, section 3.1: the well-known part stands before the resource's own path. */
export function metadataAddress(address: string): string {
  const { origin, pathname } = new URL(address);
  return `${origin}${WELL_KNOWN}${pathname === '/' ? '' : pathname}`;
}
