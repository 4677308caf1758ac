import { decodeJwt, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import type { JWTPayload, ProtectedHeaderParameters } from 'jose';

import type { Clock } from '../clock.ts';
import type { IdentityConfig } from '../config/config.ts';
import { Problem } from '../errors.ts';
import { Secret } from '../secret.ts';
import { bearerToken } from './bearer.ts';
import { checkAddressee, presentedBy, requiredClaims, SKEW_SECONDS, toPrincipal, type TokenUse } from './claims.ts';
import { createKeySet } from './key-set.ts';
import type { KeySet, KeySetClient } from './key-set.ts';
import type { Caller, Principal } from './principal.ts';
import { type PresentedToken, quote, tokenExpired, tokenInvalid, TokenRefusal } from './refusals.ts';
import { createTokenCache } from './token-cache.ts';

/** A token in the cache is about 1–10 kB of claims. */
const MAX_CACHED_TOKENS = 2_000;

interface Authenticator {
  /**
   * The caller behind an Authorization header. Rejects with Problem `token-missing`, `token-invalid` or `token-expired`, each
   * with a WWW-Authenticate header (a TokenRefusal where the token could be read), or `identity-unavailable`; with the signal's reason
   * when it aborts.
   */
  authenticate(header: string | undefined, signal?: AbortSignal): Promise<Caller>;
  /**
   * The person behind the caller, by a Requester-Token header: a token that the caller's own application got for them. Rejects as
   * `authenticate`, with `token: "Requester-Token"` among the problem's members.
   */
  authenticateRequester(header: string, caller: Principal, signal?: AbortSignal): Promise<Caller>;
  /** Resolves when the keys of every configured tenant are there; else rejects with Problem `identity-unavailable`. */
  ready(signal?: AbortSignal): Promise<void>;
}

interface AuthenticatorOptions {
  /** The configuration in force, read on every call. */
  readonly config: () => IdentityConfig;
  readonly clock: Clock;
  readonly fetch?: typeof fetch;
}

/** A verified token. Its times are looked at on every use, its key set too: a withdrawn key takes its tokens along. */
interface Verified {
  readonly principal: Principal;
  readonly keySet: KeySet;
  /** Seconds since the epoch. */
  readonly notBefore: number;
  readonly expires: number;
}

/**
 * Entra v2.0 access tokens. Issuer, key set and audience are pinned to each other by the configuration; the token's own,
 * not yet verified tenant only chooses among the configured ones. (What happens else: Storm-0558, CVE-2025-55241.)
 */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { clock } = options;
  const fetch = options.fetch ?? globalThis.fetch;
  // One for each use: what was taken for a Requester-Token must never be found as an Authorization.
  const caches = {
    caller: createTokenCache<Verified>(MAX_CACHED_TOKENS),
    requester: createTokenCache<Verified>(MAX_CACHED_TOKENS),
  };
  let config = options.config();
  let keySets = new Map<string, KeySetClient>();

  /** Another identity configuration forgets everything that was concluded under the old one. */
  const currentConfig = (): IdentityConfig => {
    const latest = options.config();
    if (latest !== config && JSON.stringify(latest) !== JSON.stringify(config)) {
      caches.caller.clear();
      caches.requester.clear();
      keySets = new Map();
    }
    config = latest;
    return config;
  };

  const keySetOf = (tenant: string, { authority }: IdentityConfig): KeySetClient => {
    const known = keySets.get(tenant);
    if (known !== undefined) return known;
    const source = { tenant, issuer: `${authority}/${tenant}/v2.0`, url: `${authority}/${tenant}/discovery/v2.0/keys` };
    const made = createKeySet(source, { clock, fetch });
    keySets.set(tenant, made);
    return made;
  };

  const verify = async (
    { token, use }: SentToken,
    config: IdentityConfig,
    signal: AbortSignal | undefined,
  ): Promise<Verified> => {
    const decoded = decode(token);
    const check: SignatureCheck = { signature: 'unchecked' };
    try {
      return await verifyDecoded({ token, use }, decoded, config, check, signal);
    } catch (error) {
      if (!(error instanceof Problem) || error.code === 'identity-unavailable') throw error;
      throw new TokenRefusal(error, presentedBy(decoded.claims, check.signature));
    }
  };

  const verifyDecoded = async (
    { token, use }: SentToken,
    { header, claims }: DecodedToken,
    config: IdentityConfig,
    check: SignatureCheck,
    signal: AbortSignal | undefined,
  ): Promise<Verified> => {
    const tenant = configuredTenant(claims, config);
    checkAddressee(claims, config);
    const kid = keyId(header);
    const client = keySetOf(tenant, config);
    let keySet = await client.current(signal);
    if (!keySet.keys.has(kid)) keySet = await client.afterUnknownKey(signal);
    const key = keySet.keys.get(kid);
    if (key === undefined)
      throw tokenInvalid(`The token is signed with key ${quote(kid)}, which tenant ${tenant} does not have.`);
    const { payload } = await jwtVerify(token, key, {
      algorithms: ['RS256'],
      issuer: `${config.authority}/${tenant}/v2.0`,
      audience: config.audience,
      requiredClaims,
      clockTolerance: SKEW_SECONDS,
      currentDate: new Date(clock.now()),
    }).catch((error: unknown) => {
      check.signature = signatureOf(error);
      throw refusal(error);
    });
    check.signature = 'valid';
    // Once more, of what is now verified: nothing may rest on the first look.
    if (configuredTenant(payload, config) !== tenant) throw tokenInvalid('The token names two tenants.');
    const { exp = 0, nbf = 0, iat = 0 } = payload;
    if (iat > clock.now() / 1000 + SKEW_SECONDS)
      throw tokenInvalid('The token was issued in the future (iat): one of the clocks is wrong.');
    return { principal: toPrincipal(payload, config, use), keySet, notBefore: nbf, expires: exp };
  };

  /** As jose compares them, with the same skew. */
  const holdsNow = ({ notBefore, expires }: Verified): boolean => {
    const now = Math.floor(clock.now() / 1000);
    return notBefore <= now + SKEW_SECONDS && expires > now - SKEW_SECONDS;
  };

  const callerOf = async (sent: SentToken, signal: AbortSignal | undefined): Promise<Caller> => {
    const { token, use } = sent;
    const cache = caches[use];
    const config = currentConfig();
    const cached = cache.get(token);
    if (cached !== undefined && holdsNow(cached)) {
      const keySet = await keySetOf(cached.principal.tid, config).current(signal);
      if (keySet === cached.keySet) return { principal: cached.principal, token: new Secret(token) };
    }
    const verified = await verify(sent, config, signal);
    // A reload may have come while the keys were fetched.
    if (currentConfig() === config) cache.set(token, verified);
    return { principal: verified.principal, token: new Secret(token) };
  };

  return {
    authenticate: async (header, signal) => callerOf({ token: bearerToken(header), use: 'caller' }, signal),
    authenticateRequester: (header, caller, signal) =>
      aboutRequester(async () => {
        const requester = await callerOf({ token: bearerToken(header, REQUESTER_TOKEN), use: 'requester' }, signal);
        checkApplication(requester.principal, caller);
        return requester;
      }),
    ready: async (signal) => {
      const config = currentConfig();
      await Promise.all(config.tenants.map((tenant) => keySetOf(tenant, config).current(signal)));
    },
  };
}

/** A token, and what it was sent as. */
interface SentToken {
  readonly token: string;
  readonly use: TokenUse;
}

export const REQUESTER_TOKEN = 'Requester-Token';

/** A token that another application got is not this caller's to show. */
function checkApplication({ azp }: Principal, caller: Principal): void {
  if (caller.kind !== 'app')
    throw tokenInvalid('The caller is not an application: only an application has a person behind it.');
  if (azp === '' || azp !== caller.azp)
    throw tokenInvalid(`The token was given to the application ${quote(azp)}, and the caller is ${quote(caller.azp)}.`);
}

/** Says which of the two tokens failed. */
async function aboutRequester<T>(check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { code, message, options } = error;
    const problem = new Problem(code, `${REQUESTER_TOKEN}: ${message}`, {
      ...options,
      members: { ...options.members, token: REQUESTER_TOKEN },
    });
    throw error instanceof TokenRefusal ? new TokenRefusal(problem, error.presented) : problem;
  }
}

/** How far the check of a token's signature has come. */
interface SignatureCheck {
  signature: PresentedToken['signature'];
}

interface DecodedToken {
  readonly header: ProtectedHeaderParameters;
  readonly claims: JWTPayload;
}

function decode(token: string): DecodedToken {
  try {
    return { header: decodeProtectedHeader(token), claims: decodeJwt(token) };
  } catch {
    throw tokenInvalid('The token is not a signed JWT.');
  }
}

/** One of the configured tenants, or the end: the unverified `tid` decides nothing else. */
function configuredTenant(claims: JWTPayload, config: IdentityConfig): string {
  const tenant = config.tenants.find((tenant) => tenant === claims['tid']);
  if (tenant === undefined) {
    throw tokenInvalid(`The token's tenant ${quote(claims['tid'])} is not one that this gateway serves.`);
  }
  return tenant;
}

/** Only `kid` is read; `jwk`, `jku`, `x5c` and `x5u` are an attacker's to write. RFC 8725, section 3.11 on `typ`. */
function keyId({ alg, kid, typ }: ProtectedHeaderParameters): string {
  if (alg !== 'RS256') throw tokenInvalid(`The token's alg is ${quote(alg)}, not 'RS256'.`);
  if (typ !== undefined && !(typeof typ === 'string' && typ.toUpperCase() === 'JWT')) {
    throw tokenInvalid(`The token's typ is ${quote(typ)}, not 'JWT'.`);
  }
  if (typeof kid !== 'string' || kid === '') throw tokenInvalid('The token does not name its key (kid).');
  return kid;
}

/** jose looks at claims only once the signature holds (RFC 8725, section 3.3). */
function signatureOf(error: unknown): PresentedToken['signature'] {
  if (error instanceof errors.JWTExpired || error instanceof errors.JWTClaimValidationFailed) return 'valid';
  return error instanceof errors.JWSSignatureVerificationFailed ? 'invalid' : 'unchecked';
}

/**
 * JWTExpired does not extend JWTClaimValidationFailed. jose's errors carry all claims, names and addresses among them: none
 * becomes a cause, which might be logged. An error that is not jose's is our own mistake.
 */
function refusal(error: unknown): unknown {
  if (!(error instanceof errors.JOSEError)) return error;
  if (error instanceof errors.JWTExpired) return tokenExpired('The token has expired.');
  if (error instanceof errors.JWTClaimValidationFailed) {
    return tokenInvalid(
      `The token's ${error.claim} claim is missing or not what this gateway accepts: ${error.reason}.`,
    );
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return tokenInvalid("The token's signature is not the tenant's.");
  }
  return tokenInvalid('The token is not a JWT that this gateway can check.');
}
