import { decodeJwt, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import type { CryptoKey, JWTPayload, ProtectedHeaderParameters } from 'jose';

import type { Clock } from '../clock.ts';
import type { IdentityConfig } from '../config/config.ts';
import { Problem } from '../errors.ts';
import { checkAddressee, presentedBy, requiredClaims, SKEW_SECONDS, toPrincipal, type TokenUse } from './claims.ts';
import type { KeySet, KeySetClient } from './key-set.ts';
import type { Principal } from './principal.ts';
import { type PresentedToken, quote, tokenExpired, tokenInvalid, TokenRefusal } from './refusals.ts';

/** A token, and what it was sent as. */
export interface SentToken {
  readonly token: string;
  readonly use: TokenUse;
}

/** What a token is verified against. */
interface Issuers {
  readonly config: IdentityConfig;
  /** The keys of a configured tenant. */
  readonly keySetOf: (tenant: string) => KeySetClient;
  readonly clock: Clock;
}

/** A verified token. Its times are looked at on every use, its key set too: a withdrawn key takes its tokens along. */
export interface VerifiedToken {
  readonly principal: Principal;
  readonly keySet: KeySet;
  /** Seconds since the epoch. */
  readonly notBefore: number;
  readonly expires: number;
}

/**
 * Verifies an Entra v2.0 access token. Rejects with TokenRefusal for a token that can be read, and with Problem `token-invalid` or
 * `identity-unavailable`.
 */
export async function verifyToken(sent: SentToken, issuers: Issuers, signal?: AbortSignal): Promise<VerifiedToken> {
  const decoded = decode(sent.token);
  const check: SignatureCheck = { signature: 'unchecked' };
  try {
    return await verifyDecoded(sent, decoded, issuers, check, signal);
  } catch (error) {
    if (!(error instanceof Problem) || error.code === 'identity-unavailable') throw error;
    throw new TokenRefusal(error, presentedBy(decoded.claims, check.signature));
  }
}

/** As jose compares them, with the same skew. */
export function holdsNow({ notBefore, expires }: VerifiedToken, clock: Clock): boolean {
  const now = Math.floor(clock.now() / 1000);
  return notBefore <= now + SKEW_SECONDS && expires > now - SKEW_SECONDS;
}

/** How far the check of a token's signature has come. */
interface SignatureCheck {
  signature: PresentedToken['signature'];
}

async function verifyDecoded(
  { token, use }: SentToken,
  { header, claims }: DecodedToken,
  issuers: Issuers,
  check: SignatureCheck,
  signal: AbortSignal | undefined,
): Promise<VerifiedToken> {
  const { config, clock } = issuers;
  const tenant = configuredTenant(claims, config);
  checkAddressee(claims, config);
  const { keySet, key } = await keyOf(keyId(header), tenant, issuers, signal);
  const payload = await verifySignature(token, key, tenant, issuers).catch((error: unknown) => {
    check.signature = signatureOf(error);
    throw refusal(error, clock.now());
  });
  check.signature = 'valid';
  // Once more, of what is now verified: nothing may rest on the first look.
  if (configuredTenant(payload, config) !== tenant) throw tokenInvalid('The token names two tenants.');
  const { exp = 0, nbf = 0, iat = 0 } = payload;
  if (iat > clock.now() / 1000 + SKEW_SECONDS)
    throw tokenInvalid('The token was issued in the future (iat): one of the clocks is wrong.');
  return { principal: toPrincipal(payload, config, use), keySet, notBefore: nbf, expires: exp };
}

/** A key that the tenant has, its set fetched again for one that is new. */
async function keyOf(
  kid: string,
  tenant: string,
  { keySetOf }: Issuers,
  signal: AbortSignal | undefined,
): Promise<{ readonly keySet: KeySet; readonly key: CryptoKey }> {
  const client = keySetOf(tenant);
  let keySet = await client.current(signal);
  if (!keySet.keys.has(kid)) keySet = await client.afterUnknownKey(signal);
  const key = keySet.keys.get(kid);
  if (key) return { keySet, key };
  throw tokenInvalid(`The token is signed with key ${quote(kid)}, which tenant ${tenant} does not have.`);
}

/** The claims, once the signature, the issuer, the audience and the times hold. Rejects with what jose throws. */
async function verifySignature(
  token: string,
  key: CryptoKey,
  tenant: string,
  { config, clock }: Issuers,
): Promise<JWTPayload> {
  const { payload } = await jwtVerify(token, key, {
    algorithms: ['RS256'],
    issuer: `${config.authority}/${tenant}/v2.0`,
    audience: config.audience,
    requiredClaims,
    clockTolerance: SKEW_SECONDS,
    currentDate: new Date(clock.now()),
  });
  return payload;
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
function refusal(error: unknown, now: number): unknown {
  if (!(error instanceof errors.JOSEError)) return error;
  if (error instanceof errors.JWTExpired) return tokenExpired('The token has expired.');
  if (error instanceof errors.JWTClaimValidationFailed) return tokenInvalid(wrongClaim(error, now));
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return tokenInvalid("The token's signature is not the tenant's.");
  }
  return tokenInvalid('The token is not a JWT that this gateway can check.');
}

/** What is wrong with a claim of a token whose signature holds, in words. */
function wrongClaim({ claim, reason, payload }: errors.JWTClaimValidationFailed, now: number): string {
  if (reason === 'missing') return `The token has no ${claim} claim.`;
  if (reason === 'check_failed' && claim === 'nbf')
    return `The token is not valid before ${timeOf(payload.nbf)} (nbf), and here it is ${timeOf(now / 1000)}: one of the clocks is wrong.`;
  if (reason === 'check_failed' && claim === 'iss')
    return `The token's issuer (iss) is ${quote(payload.iss)}, not the v2.0 issuer of its tenant.`;
  return `The token's ${claim} claim is not what this gateway accepts.`;
}

/** Of a NumericDate (RFC 7519, section 2), which may be any number. */
function timeOf(seconds: number | undefined): string {
  const date = new Date((seconds ?? Number.NaN) * 1000);
  return Number.isNaN(date.getTime()) ? 'a time that no calendar has' : date.toISOString();
}
