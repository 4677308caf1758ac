import { trimEnd } from '../../lib/trim-end.ts';
import { NotRun, UsageError } from '../exits.ts';
import { readText, reasonOf, send as sendByNode, type Send } from '../transport.ts';
import { assertOwnApplication, guid, type Pin } from './pin.ts';

/** What /.well-known/oauth-protected-resource tells (RFC 9728), as far as it may be believed. */
interface Discovered {
  readonly application: string;
  readonly authority: string;
  readonly tenants: readonly string[];
}

/** Entra's addresses in the clouds there are (learn.microsoft.com/entra/identity-platform/authentication-national-cloud). */
const entraHosts: ReadonlySet<string> = new Set([
  'https://login.microsoftonline.com',
  'https://login.microsoftonline.us',
  'https://login.partner.microsoftonline.cn',
]);
const MOST_BYTES = 64 * 1024;

/** True for an address of this machine, where plain http shows nothing to anybody. */
const isLoopback = ({ hostname }: URL): boolean => /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname);

/** A gateway's address in one spelling. Throws UsageError for what is none, NotRun for what no token may be sent to. */
export function gatewayAddress(text: string): string {
  if (!URL.canParse(text) || !/^https?:\/\//i.test(text))
    throw new UsageError(`${text} is not an address such as https://gateway.example.com`);
  const url = new URL(text);
  if (url.username || url.password || url.search || url.hash)
    throw new NotRun(`${url.origin}${url.pathname}: an address of a gateway has no user, query or fragment`);
  if (url.protocol !== 'https:' && !isLoopback(url))
    throw new NotRun(`${text} is not https: a token would be readable on its way`);
  return `${url.origin}${trimEnd(url.pathname, '/')}`;
}

/** Asks a gateway what to sign in for. Throws NotRun when it does not say, or says what it has no right to. */
export async function discover(address: string, send: Send = sendByNode, signal?: AbortSignal): Promise<Discovered> {
  const body = await ask(address, send, signal);
  const { resource, audience, scope, authorization_servers: servers } = body;
  // RFC 9728, section 3.3: metadata of another resource must not be used.
  if (typeof resource !== 'string' || !URL.canParse(resource) || gatewayAddress(resource) !== address)
    throw new NotRun(`${address} says that it is ${String(resource)}: use that address, if you trust it`);
  const application = String(audience).toLowerCase();
  if (!guid.test(application)) throw new NotRun(`${address} does not name its application in Entra by its id`);
  assertOwnApplication(application);
  if (typeof scope !== 'string' || !isOwnScope(scope, application))
    throw new NotRun(`${address} asks for ${String(scope)}, which is not a scope of its own application`);
  if (!Array.isArray(servers) || servers.length === 0) throw new NotRun(`${address} names no Entra tenant`);
  const issuers = servers.map((server) => issuerOf(String(server), address));
  const [authority = ''] = issuers.map((issuer) => issuer.authority);
  if (issuers.some((issuer) => issuer.authority !== authority)) throw new NotRun(`${address} names several clouds`);
  return { application, authority, tenants: issuers.map(({ tenant }) => tenant) };
}

async function ask(address: string, send: Send, signal: AbortSignal | undefined): Promise<Record<string, unknown>> {
  const { origin, pathname } = new URL(address);
  // RFC 9728, section 3.1: the well-known part stands before the resource's own path.
  const url = `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}`;
  try {
    const answer = await send(url, {
      method: 'GET',
      headers: { accept: 'application/json' },
      ...(signal && { signal }),
    });
    if (answer.status !== 200) throw new Error(`answers ${answer.status}`);
    const body: unknown = JSON.parse(await readText(answer, MOST_BYTES));
    if (typeof body !== 'object' || body === null) throw new Error('does not answer with a JSON object');
    return Object.fromEntries(Object.entries(body));
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw new NotRun(`no gateway says here where to get a token: ${reasonOf(error, url)}`, { cause: error });
  }
}

/** `GUID/.default`, `api://GUID/.default`, or a URI that the application's tenant gave it, `api://name/.default`. */
const isOwnScope = (scope: string, application: string): boolean =>
  scope.toLowerCase() === `${application}/.default` || /^api:\/\/[\w.~/-]{1,200}\/\.default$/.test(scope);

/** Whether an authority is Entra's for a gateway: one on this machine may have an Entra of this machine, an emulation. */
export const isEntra = (authority: string, address: string): boolean =>
  entraHosts.has(authority) ||
  (/^https?:\/\/[^/?#@]+$/.test(authority) &&
    URL.canParse(authority) &&
    isLoopback(new URL(authority)) &&
    isLoopback(new URL(address)));

/** The authority and the tenant of an issuer. */
function issuerOf(server: string, address: string): Pick<Pin, 'authority' | 'tenant'> {
  const [, authority = '', tenant = ''] = /^(https?:\/\/[^/]+)\/([^/]+)\/v2\.0\/?$/.exec(server) ?? [];
  if (isEntra(authority, address) && guid.test(tenant)) return { authority, tenant };
  throw new NotRun(`${address} names ${server}, which is not a tenant of Entra`);
}
