import { createHash } from 'node:crypto';
import { compactJws, type SigningKey, type SigningMaterial } from './keys.ts';
import { TOKEN_LIFE } from './token-endpoint.ts';

/** Claims to set; one that is undefined is left out of the token. */
export type Claims = Readonly<Record<string, unknown>>;

/** What tokens are issued with. */
export interface Issuer {
  /** Seconds since the epoch. */
  readonly now: () => number;
  readonly audience: string;
  /** Of tokens whose claims name no tenant. */
  readonly tenant: string;
  readonly issuerOf: (tenant: string) => string;
  readonly key: () => SigningKey;
  /** Tokens issued so far. */
  count: number;
}

export const DEMO_TENANT = '11111111-1111-4111-8111-111111111111';
export const DEMO_APP = '33333333-3333-4333-8333-333333333333';
const DEMO_USER = '55555555-5555-4555-8555-555555555555';

const userClaims = {
  azp: '14d82eec-204b-4c2f-b7e8-296a70dab67e',
  azpacr: '0',
  idtyp: 'user',
  name: 'Sam Rivera',
  oid: DEMO_USER,
  preferred_username: 'sam@example.com',
  scp: 'Commands.Run',
} as const;
const appClaims: Claims = { azp: DEMO_APP, azpacr: '1', idtyp: 'app', oid: DEMO_APP, sub: DEMO_APP, sid: undefined };

export const issueUser = (issuer: Issuer, claims: Claims): string => issue(issuer, userClaims, claims);
export const issueApp = (issuer: Issuer, claims: Claims): string => issue(issuer, appClaims, claims);

export function issueV1(issuer: Issuer, claims: Claims): string {
  const { azp, azpacr, preferred_username, ...rest } = userClaims;
  const iss = `https://sts.windows.net/${tenantOf(issuer, claims)}/`;
  return issue(issuer, { ...rest, appid: azp, appidacr: azpacr, upn: preferred_username, iss, ver: '1.0' }, claims);
}

export function issueId(issuer: Issuer, claims: Claims): string {
  const none = { azp: undefined, azpacr: undefined, scp: undefined, idtyp: undefined };
  return issue(issuer, { ...userClaims, ...none, nonce: 'n-0S6_WzA2Mj' }, claims);
}

/** A JWS of any shape, by the current key unless told. */
export function sign({ key }: Issuer, payload: Claims | string, header: Claims, by?: SigningMaterial): string {
  const { kid, privateKey } = key();
  const merged = without({ typ: 'JWT', alg: 'RS256', kid, ...header });
  return compactJws(merged, typeof payload === 'string' ? payload : without(payload), by ?? privateKey);
}

const tenantOf = ({ tenant }: Issuer, { tid }: Claims): string => (typeof tid === 'string' ? tid : tenant);

function issue(issuer: Issuer, usual: Claims, claims: Claims): string {
  const { audience, issuerOf, key } = issuer;
  const { kid, privateKey } = key();
  issuer.count += 1;
  const tid = tenantOf(issuer, claims);
  const oid = String(claims['oid'] ?? usual['oid']);
  const now = issuer.now();
  const payload = without({
    aud: audience,
    iss: issuerOf(tid),
    // Entra dates its tokens five minutes back.
    iat: now - 300,
    nbf: now - 300,
    exp: now + TOKEN_LIFE,
    aio: unique(`aio ${issuer.count}`),
    oid,
    rh: '1.emulated.',
    sid: unique(`sid ${oid}`),
    sub: unique(`sub ${oid} ${audience}`),
    tid,
    uti: unique(`uti ${issuer.count} ${kid}`),
    ver: '2.0',
    ...usual,
    ...claims,
  });
  return compactJws({ typ: 'JWT', alg: 'RS256', kid }, payload, privateKey);
}

const without = (claims: Claims): Claims =>
  Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));

const unique = (seed: string): string => createHash('sha256').update(seed).digest('base64url').slice(0, 22);
