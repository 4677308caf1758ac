import type { FastifyRequest } from 'fastify';
import { Problem } from '../errors.ts';

const WELL_KNOWN = '/.well-known/oauth-protected-resource';

/**
 * The address by which callers know the gateway: the configured one; else that by which this caller reached it, which is only ever shown
 * back to that caller. No trailing slash.
 */
export function addressOf(request: FastifyRequest, publicUrl: string | undefined): string {
  if (publicUrl !== undefined) return publicUrl;
  const proto = request.headers['x-forwarded-proto'];
  const scheme = proto === 'https' || request.protocol === 'https' ? 'https' : 'http';
  return `${scheme}://${request.headers.host ?? 'localhost'}`;
}

/** A Host that names no host goes into no address (RFC 9112, section 3.2, asks for a 400). Throws Problem `request-invalid`. */
export function checkHost({ headers: { host } }: FastifyRequest): void {
  if (host === undefined) return; // HTTP/1.0
  const isHost = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?$/i.test(host) && URL.canParse(`http://${host}`);
  if (!isHost) throw new Problem('request-invalid', 'The Host header does not name a host.');
}

/** The path of the configured address, which a proxy in front takes off and which Location needs; '' without one. */
export const prefixOf = (publicUrl: string | undefined): string =>
  publicUrl === undefined ? '' : new URL(publicUrl).pathname.replace(/^\/$/, '');

/** RFC 9728, section 3.1: the well-known part stands before the resource's own path. */
export function metadataAddress(address: string): string {
  const { origin, pathname } = new URL(address);
  return `${origin}${WELL_KNOWN}${pathname === '/' ? '' : pathname}`;
}
