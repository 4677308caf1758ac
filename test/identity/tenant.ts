import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { CryptoKey, JWK, JWTHeaderParameters } from 'jose';

import type { Clock } from '../../shared/clock.ts';
import type { IdentityConfig } from '../../shared/config/config.ts';
import { createAuthenticator } from '../../shared/identity/authenticate.ts';
import { createManualClock } from '../support/manual-clock.ts';

/** A tenant that signs whatever a test asks for, and an authority over an injected fetch that publishes its keys. */
export const authority = 'https://login.example.test';
export const tenantId = 'aaaaaaaa-0000-4000-8000-000000000001';
export const otherTenantId = 'bbbbbbbb-0000-4000-8000-000000000002';
export const audience = 'cccccccc-0000-4000-8000-000000000003';
export const userOid = 'dddddddd-0000-4000-8000-000000000004';
export const appOid = 'eeeeeeee-0000-4000-8000-000000000005';
export const clientId = 'ffffffff-0000-4000-8000-000000000006';

export const identity: IdentityConfig = {
  authority,
  tenants: [tenantId],
  audience,
  scopes: ['Commands.Run'],
  groupsClaim: 'emitted',
};

export interface Signer {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
}

export async function createSigner(kid: string): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { modulusLength: 2048, extractable: true });
  return { kid, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' } };
}

export type Claims = Record<string, unknown>;

/** A user's claims as Entra writes them; `undefined` in `changes` takes a claim away. */
export function userClaims(clock: Clock, changes: Claims = {}): Claims {
  const now = Math.floor(clock.now() / 1000);
  return {
    aud: audience,
    iss: `${authority}/${tenantId}/v2.0`,
    iat: now,
    nbf: now,
    exp: now + 3600,
    azp: clientId,
    azpacr: '0',
    idtyp: 'user',
    name: 'Some One',
    oid: userOid,
    preferred_username: 'some.one@example.test',
    scp: 'Commands.Run',
    sub: 'pairwise',
    tid: tenantId,
    uti: 'uti-1',
    ver: '2.0',
    ...changes,
  };
}

export function appClaims(clock: Clock, changes: Claims = {}): Claims {
  return userClaims(clock, {
    idtyp: 'app',
    name: undefined,
    preferred_username: undefined,
    scp: undefined,
    oid: appOid,
    sub: appOid,
    roles: ['Runner'],
    ...changes,
  });
}

export const sign = ({ privateKey, kid }: Signer, claims: Claims, header: Partial<JWTHeaderParameters> = {}) =>
  new SignJWT(JSON.parse(JSON.stringify(claims)))
    .setProtectedHeader({ typ: 'JWT', alg: 'RS256', kid, ...header })
    .sign(privateKey);

export interface Authority {
  readonly fetch: typeof fetch;
  /** The addresses that were fetched, in order. */
  readonly fetched: string[];
  /** What each tenant publishes: keys, or a whole answer of its own. */
  readonly published: Map<string, readonly JWK[] | (() => Promise<Response>)>;
}

export function createAuthority(published: Iterable<[string, readonly JWK[] | (() => Promise<Response>)]>): Authority {
  const fetched: string[] = [];
  const tenants = new Map(published);
  return {
    fetched,
    published: tenants,
    fetch: async (input, init) => {
      init?.signal?.throwIfAborted();
      const url = input instanceof Request ? input.url : String(input);
      fetched.push(url);
      const tenant = /^https:\/\/login\.example\.test\/([^/]+)\/discovery\/v2\.0\/keys$/.exec(url)?.[1] ?? '';
      const answer = tenants.get(tenant);
      if (answer === undefined) throw new TypeError('fetch failed');
      return typeof answer === 'function' ? answer() : Response.json({ keys: answer });
    },
  };
}

/** A gateway's authenticator on the test's own clock, over an authority that publishes these keys. */
export function setUpAuthenticator(published: Iterable<[string, readonly JWK[]]>, config: IdentityConfig = identity) {
  const clock = createManualClock();
  const entra = createAuthority(published);
  /** What the gateway reads on every call: a test may change it in between. */
  const inForce = { config };
  const authenticator = createAuthenticator({ config: () => inForce.config, clock, fetch: entra.fetch });
  return { clock, entra, inForce, authenticator };
}
