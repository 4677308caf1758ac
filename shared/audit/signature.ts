import { type KeyObject, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { calculateJwkThumbprint, compactVerify } from 'jose';
import type { Json } from '../lib/canonical-json.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import type { PublicJwk } from './chain.ts';

/** What a signature is for: its JWS `typ`, so that none can be passed off as another (RFC 8725, 3.11). */
export type SignatureType = 'aksgw-stream' | 'aksgw-checkpoint' | 'aksgw-receipt';

export interface SigningKey {
  /** RFC 7638 thumbprint. */
  readonly keyId: string;
  readonly jwk: PublicJwk;
  /** ES256: the 64 bytes r ‖ s over SHA-256 of `data` (RFC 7518, 3.4). */
  sign(data: Uint8Array): Buffer;
}

/** A P-256 key that lives in this process's memory and nowhere else. */
export async function createSigningKey(): Promise<SigningKey> {
  return signingKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
}

export async function signingKey(privateKey: KeyObject): Promise<SigningKey> {
  const jwk = publicJwk(createPublicKey(privateKey).export({ format: 'jwk' }));
  return {
    jwk,
    keyId: await calculateJwkThumbprint(jwk),
    // node:crypto rather than jose: 25 µs on this thread, instead of a round through the thread pool for each receipt.
    sign: (data) => sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' }),
  };
}

/** The public members only, checked. Throws TypeError for what is no P-256 key. */
export function publicJwk(jwk: unknown): PublicJwk {
  const { kty, crv, x, y } = (jwk ?? {}) as Record<string, unknown>;
  if (kty !== 'EC' || crv !== 'P-256' || typeof x !== 'string' || typeof y !== 'string')
    throw new TypeError('Not a P-256 key');
  return { crv, kty, x, y };
}

const base64url = (text: string): string => Buffer.from(text, 'utf8').toString('base64url');

const protectedHeader = (keyId: string, typ: SignatureType): string =>
  base64url(canonicalJson({ alg: 'ES256', kid: keyId, typ }));

/** The compact JWS of canonical JSON (RFC 7515, 3.1). */
export function signCompact(key: SigningKey, typ: SignatureType, payload: Json): string {
  const input = `${protectedHeader(key.keyId, typ)}.${base64url(canonicalJson(payload))}`;
  return `${input}.${key.sign(Buffer.from(input, 'latin1')).toString('base64url')}`;
}

/** The same with its payload left out (RFC 7515, appendix F): for a payload that stands beside it in the same line. */
export async function signDetached(
  key: { readonly keyId: string; sign(data: Uint8Array): Uint8Array | Promise<Uint8Array> },
  typ: SignatureType,
  payload: Json,
): Promise<string> {
  const header = protectedHeader(key.keyId, typ);
  const signature = await key.sign(Buffer.from(`${header}.${base64url(canonicalJson(payload))}`, 'latin1'));
  return `${header}..${Buffer.from(signature).toString('base64url')}`;
}

/** A whole compact JWS as a detached one. */
export const detach = (compact: string): string => compact.replace(/\.[^.]*\./, '..');

/** The whole compact JWS of a detached one: what is copied to a second place. */
export const attach = (detached: string, payload: Json): string =>
  detached.replace('..', `.${base64url(canonicalJson(payload))}.`);

/** The payload, if the JWS is an ES256 signature of that type by that key; else undefined. */
export async function verifyCompact(compact: string, typ: SignatureType, key: PublicJwk): Promise<unknown> {
  try {
    const { payload, protectedHeader } = await compactVerify(compact, createPublicKey({ key, format: 'jwk' }), {
      algorithms: ['ES256'],
    });
    if (protectedHeader.typ !== typ) return undefined;
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    // Whatever is wrong with it, it is no such signature; the caller says which one and where.
    return undefined;
  }
}

/** What a compact JWS claims before anything of it is checked. */
export function peekPayload(compact: string): unknown {
  const [, payload] = compact.split('.');
  try {
    return JSON.parse(Buffer.from(payload ?? '', 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
