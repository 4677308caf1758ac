import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock, type Clock } from '../../shared/clock.ts';
import {
  compactJws,
  createSigningKey,
  createSigningKeyNow,
  publicJwk,
  type SigningKey,
  type SigningMaterial,
} from './entra/keys.ts';
import { createPublicClients, type Device } from './entra/public-clients.ts';
import { answerTokenRequest, TOKEN_LIFE, type EntraApp } from './entra/token-endpoint.ts';

export type { EntraApp } from './entra/token-endpoint.ts';

/** Claims to set; one that is undefined is left out of the token. */
type Claims = Readonly<Record<string, unknown>>;

interface EntraRequest {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly kind: 'configuration' | 'keys' | 'token' | 'devicecode' | 'authorize' | 'other';
  /** The grant type of a token request. */
  readonly grant?: string;
  readonly clientId?: string;
}

type EntraFault = 'down' | 'slow' | 'malformed';

export interface EmulatedEntra {
  /** `http://127.0.0.1:PORT`, in place of https://login.microsoftonline.com. */
  readonly authority: string;
  readonly tenants: readonly string[];
  /** The gateway's client id, the audience of the tokens below. */
  readonly audience: string;
  readonly requests: EntraRequest[];
  /** A good v2.0 access token of a user; claims replace the usual ones. */
  userToken(claims?: Claims): Promise<string>;
  /** A good v2.0 access token of an application for itself. */
  appToken(claims?: Claims): Promise<string>;
  /** A v1.0 access token of a user, as Entra gives when the API's manifest does not ask for version 2. */
  v1Token(claims?: Claims): Promise<string>;
  /** An ID token: same signer, same audience, but no access token. */
  idToken(claims?: Claims): Promise<string>;
  /**
   * A JWS of any shape. The header is RS256 with the current kid unless replaced (undefined leaves a member out); without a
   * key the current private key signs, and HS… uses the public key's PEM as the secret.
   */
  sign(payload: Claims | string, header?: Claims, key?: SigningMaterial): Promise<string>;
  /** A key that the key set does not hold. */
  strangeKey(): SigningMaterial;
  /** A new key signs from now on; the old one stays in the set, as Entra does it, unless it is withdrawn. */
  rotateKeys(options?: { withdraw?: boolean }): void;
  /** 'down' resets connections; 'slow' answers after 30 s of the clock; 'malformed' answers 200 with what is no JSON. undefined ends it. */
  fault(kind: EntraFault | undefined): void;
  /** On-behalf-of for this user answers interaction_required with these claims, until called with undefined. */
  requireInteraction(oid: string, claims: string | undefined): void;
  /** What the person does at the page of the device code: signs in as this user, or says no. */
  decideDevice(userCode: string, decision: { readonly oid: string } | 'declined'): void;
  /** Device codes that were given out. */
  readonly devices: readonly Device[];
  /** Who the browser is signed in as; undefined: nobody, who then says no. */
  signInBrowser(oid: string | undefined): void;
  /** Ends every sign-in: refresh tokens are refused from now on. */
  revoke(): void;
  close(): Promise<void>;
}

export interface EntraOptions {
  readonly port?: number;
  readonly tenants?: readonly string[];
  readonly audience?: string;
  readonly clock?: Clock;
  readonly apps?: readonly EntraApp[];
}

export const DEMO_TENANT = '11111111-1111-4111-8111-111111111111';
const DEMO_AUDIENCE = '22222222-2222-4222-8222-222222222222';
const DEMO_APP = '33333333-3333-4333-8333-333333333333';
const DEMO_JOB = '44444444-4444-4444-8444-444444444444';
const DEMO_USER = '55555555-5555-4555-8555-555555555555';
const SLOW_MS = 30_000;
const BODY_LIMIT = 64 * 1024;

/**
 * An Entra authority on loopback: discovery, keys and the token endpoint per tenant, and methods that mint what a real sign-in
 * would. It issues a token for anyone the caller of the method names, so it is for tests and the demo only.
 */
export async function startEntra(options: EntraOptions = {}): Promise<EmulatedEntra> {
  const clock = options.clock ?? systemClock;
  const tenants = options.tenants ?? [DEMO_TENANT];
  const audience = options.audience ?? DEMO_AUDIENCE;
  const apps = options.apps ?? [
    { clientId: audience, secret: 'emulated-gateway-secret', oid: audience },
    { clientId: DEMO_APP, secret: 'emulated-bot-secret', oid: DEMO_APP, roles: ['Commands.Run'] },
    { clientId: DEMO_JOB, secret: 'emulated-job-secret', oid: DEMO_JOB, roles: ['Commands.Run'] },
  ];
  const [first, next, stranger] = await Promise.all([createSigningKey(), createSigningKey(), createSigningKey()]);
  let current: SigningKey = first;
  let published: SigningKey[] = [first];
  let spare: SigningKey | undefined = next;
  let serial = 0;
  let fault: EntraFault | undefined;
  const interaction = new Map<string, string>();
  const people = createPublicClients();
  const closing = new AbortController();

  const now = (): number => Math.floor(clock.now() / 1000);
  const issuerOf = (tid: string): string => `${emulated.authority}/${tid}/v2.0`;
  const without = (claims: Claims): Claims =>
    Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));

  const issue = (usual: Claims, claims: Claims): string => {
    serial += 1;
    const tid = typeof claims['tid'] === 'string' ? claims['tid'] : (tenants[0] ?? DEMO_TENANT);
    const oid = String(claims['oid'] ?? usual['oid']);
    const payload = without({
      aud: audience,
      iss: issuerOf(tid),
      // Entra dates its tokens five minutes back.
      iat: now() - 300,
      nbf: now() - 300,
      exp: now() + TOKEN_LIFE,
      aio: unique(`aio ${serial}`),
      oid,
      rh: '1.emulated.',
      sid: unique(`sid ${oid}`),
      sub: unique(`sub ${oid} ${audience}`),
      tid,
      uti: unique(`uti ${serial} ${current.kid}`),
      ver: '2.0',
      ...usual,
      ...claims,
    });
    return compactJws({ typ: 'JWT', alg: 'RS256', kid: current.kid }, payload, current.privateKey);
  };
  const userClaims: Claims = {
    azp: '14d82eec-204b-4c2f-b7e8-296a70dab67e',
    azpacr: '0',
    idtyp: 'user',
    name: 'Sam Rivera',
    oid: DEMO_USER,
    preferred_username: 'sam@example.com',
    scp: 'Commands.Run',
  };
  const appClaims: Claims = { azp: DEMO_APP, azpacr: '1', idtyp: 'app', oid: DEMO_APP, sub: DEMO_APP, sid: undefined };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (response.headersSent || response.destroyed) response.destroy();
      else respond(response, 500, { error: 'server_error', error_description: `emulation failed: ${String(error)}` });
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://emulated');
    const [tenant = '', ...rest] = url.pathname.slice(1).split('/');
    const path = rest.join('/');
    const kind = kindOf(request.method ?? 'GET', path);
    const form = request.method === 'POST' ? await readForm(request) : undefined;
    if (form === undefined) request.resume();
    const [grant, clientId] = [form?.get('grant_type'), form?.get('client_id')];
    emulated.requests.push({
      at: clock.now(),
      method: request.method ?? 'GET',
      path: url.pathname,
      kind,
      ...(typeof grant === 'string' && { grant }),
      ...(typeof clientId === 'string' && { clientId }),
    });
    if (fault === 'down') {
      request.socket.destroy();
      return;
    }
    if (fault === 'slow') await clock.sleep(SLOW_MS, { signal: closing.signal, unref: true });
    if (fault === 'malformed') {
      response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' });
      response.end('{"keys":"<html>');
      return;
    }
    if (!tenants.includes(tenant)) {
      const text = `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.`;
      respond(response, 400, {
        error: 'invalid_tenant',
        error_description: `AADSTS90002: ${text}`,
        error_codes: [90002],
      });
      return;
    }
    switch (kind) {
      case 'configuration':
        respond(response, 200, configuration(addressFor(request) ?? emulated.authority, tenant, issuerOf(tenant)));
        return;
      case 'keys':
        respond(response, 200, { keys: published.map((key) => publicJwk(key, issuerOf(tenant))) });
        return;
      case 'devicecode': {
        const { status, body } = people.startDevice(form ?? new URLSearchParams(), emulated.authority);
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
        const issueTo = (claims: Claims) => issue(userClaims, { ...claims, tid: tenant });
        const own = people.answerToken(form ?? new URLSearchParams(), issueTo);
        if (own) {
          respond(response, own.status, own.body);
          return;
        }
        const { status, body } = answerTokenRequest(form ?? new URLSearchParams(), {
          audience,
          issuer: issuerOf(tenant),
          tenant,
          apps,
          now: now(),
          keys: published,
          interaction,
          issueApp: (claims) => issue(appClaims, { ...claims, tid: tenant }),
          issueUser: (claims) => issue(userClaims, { ...claims, tid: tenant }),
        });
        respond(response, status, body);
        return;
      }
      case 'other':
        respond(response, 404, { error: 'not_found' });
    }
  }

  const emulated: EmulatedEntra = {
    authority: '',
    tenants,
    audience,
    requests: [],
    userToken: async (claims = {}) => issue(userClaims, claims),
    appToken: async (claims = {}) => issue(appClaims, claims),
    v1Token: async (claims = {}) => {
      const { azp, azpacr, preferred_username, ...rest } = userClaims;
      const tid = typeof claims['tid'] === 'string' ? claims['tid'] : (tenants[0] ?? DEMO_TENANT);
      const usual = {
        ...rest,
        appid: azp,
        appidacr: azpacr,
        upn: preferred_username,
        iss: `https://sts.windows.net/${tid}/`,
        ver: '1.0',
      };
      return issue(usual, claims);
    },
    idToken: async (claims = {}) => {
      const usual = {
        ...userClaims,
        azp: undefined,
        azpacr: undefined,
        scp: undefined,
        idtyp: undefined,
        nonce: 'n-0S6_WzA2Mj',
      };
      return issue(usual, claims);
    },
    sign: async (payload, header = {}, key = current.privateKey) => {
      const merged = without({ typ: 'JWT', alg: 'RS256', kid: current.kid, ...header });
      return compactJws(merged, typeof payload === 'string' ? payload : without(payload), key);
    },
    strangeKey: () => stranger.privateKey,
    rotateKeys: ({ withdraw = false } = {}) => {
      current = spare ?? createSigningKeyNow();
      published = withdraw ? [current] : [...published, current];
      spare = undefined;
    },
    fault: (kind) => {
      fault = kind;
    },
    requireInteraction: (oid, claims) => {
      if (claims === undefined) interaction.delete(oid);
      else interaction.set(oid, claims);
    },
    decideDevice: people.decideDevice,
    devices: people.devices,
    signInBrowser: people.signInBrowser,
    revoke: people.revoke,
    close: () => {
      closing.abort(new Error('the emulated Entra was closed'));
      return new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      });
    },
  };
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', () => resolve());
  });
  return Object.assign(emulated, { authority: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
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

const unique = (seed: string): string => createHash('sha256').update(seed).digest('base64url').slice(0, 22);

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
