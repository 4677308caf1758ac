import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../shared/clock.ts';
import { issueApp, issueUser, type Claims, type Issuer } from './issue.ts';
import { publicJwk, type SigningKey } from './keys.ts';
import type { PublicClients } from './public-clients.ts';
import { answerTokenRequest, type EntraApp } from './token-endpoint.ts';

export interface EntraRequest {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly kind: 'configuration' | 'keys' | 'token' | 'devicecode' | 'authorize' | 'other';
  /** The grant type of a token request. */
  readonly grant?: string;
  readonly clientId?: string;
}

export type EntraFault = 'down' | 'slow' | 'malformed';

/** What answers requests, and where it notes them. */
export interface EntraContext {
  readonly clock: Clock;
  readonly tenants: readonly string[];
  readonly audience: string;
  readonly apps: readonly EntraApp[];
  readonly issuer: Issuer;
  /** The key set: the key that signs is among them. */
  published: readonly SigningKey[];
  fault: EntraFault | undefined;
  /** Claims that a user must first satisfy, by oid. */
  readonly interaction: Map<string, string>;
  readonly people: PublicClients;
  readonly requests: EntraRequest[];
  /** This server's own address. */
  readonly authority: () => string;
  /** Aborts when the server closes. */
  readonly closing: AbortSignal;
}

const SLOW_MS = 30_000;
const BODY_LIMIT = 64 * 1024;

/** Answers one request; never rejects. */
export async function answer(context: EntraContext, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const { method = 'GET' } = request;
    const url = new URL(request.url ?? '/', 'http://emulated');
    const [tenant = '', ...rest] = url.pathname.slice(1).split('/');
    const kind = kindOf(method, rest.join('/'));
    const form = method === 'POST' ? await readForm(request) : new URLSearchParams();
    if (method !== 'POST') request.resume();
    record(context, { method, path: url.pathname, kind, form });
    if (await failed(context, request, response)) return;
    if (!context.tenants.includes(tenant)) respond(response, 400, unknownTenant(tenant));
    else answerTenant(context, { kind, tenant, url, form, request, response });
  } catch (error) {
    if (response.headersSent || response.destroyed) response.destroy();
    else respond(response, 500, { error: 'server_error', error_description: `emulation failed: ${String(error)}` });
  }
}

function record(
  { clock, requests }: EntraContext,
  { form, ...request }: Pick<EntraRequest, 'method' | 'path' | 'kind'> & { readonly form: URLSearchParams },
): void {
  const [grant, clientId] = [form.get('grant_type'), form.get('client_id')];
  requests.push({
    at: clock.now(),
    ...request,
    ...(grant !== null && { grant }),
    ...(clientId !== null && { clientId }),
  });
}

/** True when the fault that is on has answered in place of the authority. */
async function failed(
  { clock, closing, fault }: EntraContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  if (fault === 'slow') await clock.sleep(SLOW_MS, { signal: closing, unref: true });
  if (fault === 'down') request.socket.destroy();
  if (fault === 'malformed') {
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' });
    response.end('{"keys":"<html>');
  }
  return fault === 'down' || fault === 'malformed';
}

const unknownTenant = (tenant: string) => ({
  error: 'invalid_tenant',
  error_description: `AADSTS90002: Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.`,
  error_codes: [90002],
});

interface TenantExchange {
  readonly kind: EntraRequest['kind'];
  readonly tenant: string;
  readonly url: URL;
  readonly form: URLSearchParams;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

function answerTenant(context: EntraContext, { kind, tenant, url, form, request, response }: TenantExchange): void {
  const { authority, issuer, people, published } = context;
  const iss = issuer.issuerOf(tenant);
  switch (kind) {
    case 'configuration':
      respond(response, 200, configuration(addressFor(request) ?? authority(), tenant, iss));
      return;
    case 'keys':
      respond(response, 200, { keys: published.map((key) => publicJwk(key, iss)) });
      return;
    case 'devicecode': {
      const { status, body } = people.startDevice(form, authority());
      respond(response, status, body);
      return;
    }
    case 'authorize': {
      const location = people.authorize(url.searchParams);
      if (location === undefined) respond(response, 400, { error: 'invalid_request' });
      else response.writeHead(302, { location }).end();
      return;
    }
    case 'token': {
      const { status, body } = token(context, tenant, form);
      respond(response, status, body);
      return;
    }
    case 'other':
      respond(response, 404, { error: 'not_found' });
  }
}

/** By a person's public client, or else by an application of the tenant. */
function token(context: EntraContext, tenant: string, form: URLSearchParams) {
  const { apps, audience, interaction, issuer, people, published } = context;
  const toUser = (claims: Claims): string => issueUser(issuer, { ...claims, tid: tenant });
  return (
    people.answerToken(form, toUser) ??
    answerTokenRequest(form, {
      audience,
      issuer: issuer.issuerOf(tenant),
      tenant,
      apps,
      now: issuer.now(),
      keys: published,
      interaction,
      issueApp: (claims) => issueApp(issuer, { ...claims, tid: tenant }),
      issueUser: toUser,
    })
  );
}

/** Where something that speaks TLS stands before this, its address: MSAL asks nothing else. */
const addressFor = ({ headers }: IncomingMessage): string | undefined =>
  headers['x-forwarded-proto'] === 'https' ? `https://${headers.host ?? ''}` : undefined;

function kindOf(method: string, path: string): EntraRequest['kind'] {
  if (method === 'GET' && path === 'v2.0/.well-known/openid-configuration') return 'configuration';
  if (method === 'GET' && path === 'discovery/v2.0/keys') return 'keys';
  if (method === 'POST' && path === 'oauth2/v2.0/token') return 'token';
  if (method === 'POST' && path === 'oauth2/v2.0/devicecode') return 'devicecode';
  if (method === 'GET' && path === 'oauth2/v2.0/authorize') return 'authorize';
  return 'other';
}

const configuration = (authority: string, tenant: string, issuer: string) => ({
  token_endpoint: `${authority}/${tenant}/oauth2/v2.0/token`,
  token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
  jwks_uri: `${authority}/${tenant}/discovery/v2.0/keys`,
  response_modes_supported: ['query', 'fragment', 'form_post'],
  subject_types_supported: ['pairwise'],
  id_token_signing_alg_values_supported: ['RS256'],
  response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
  scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
  issuer,
  device_authorization_endpoint: `${authority}/${tenant}/oauth2/v2.0/devicecode`,
  authorization_endpoint: `${authority}/${tenant}/oauth2/v2.0/authorize`,
  tenant_region_scope: 'EU',
  cloud_instance_name: 'microsoftonline.com',
});

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw new Error('the form is too large');
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

function respond(response: ServerResponse, status: number, body: unknown): void {
  const payload = JSON.stringify(body);
  response.writeHead(status, {
    'cache-control': 'no-store, no-cache',
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(payload),
  });
  response.end(payload);
}
