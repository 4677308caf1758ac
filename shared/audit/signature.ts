import { type KeyObject, createPublicKey, generateKeyPairSync, hash, sign, verify } from 'node:crypto';
import type { Json } from '../lib/canonical-json.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import type { PublicJwk } from './chain.ts';

/** What a signature is for: its JWS `typ`, so that none can be passed off as another (RFC 8725, section 3.11). */
export type SignatureType = 'aksgw-stream' | 'aksgw-batch' | 'aksgw-checkpoint' | 'aksgw-receipt' | 'aksgw-export';

/**
 * Signatures are made and checked with node:crypto: 36 µs on this thread, instead of a round through the thread pool for each
 * batch. jose is their oracle in the tests.
 */
export interface SigningKey {
  /** RFC 7638 thumbprint. */
  readonly keyId: string;
  readonly jwk: PublicJwk;
  /** ES256: the 64 bytes r ‖ s over SHA-256 of `data` (RFC 7518, section 3.4), s in its lower half. */
  sign(data: Uint8Array): Buffer;
}

/** A public key ready to check with. */
export interface VerifyingKey {
  readonly keyId: string;
  readonly key: KeyObject;
}

/** A P-256 key that lives in this process's memory and nowhere else. */
export const createSigningKey = (): SigningKey =>
  signingKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);

export function signingKey(privateKey: KeyObject): SigningKey {
  const jwk = publicJwk(createPublicKey(privateKey).export({ format: 'jwk' }));
  return {
    jwk,
    keyId: thumbprint(jwk),
    sign: (data) => lowS(fixedLength(sign('sha256', data, privateKey))),
  };
}

/** Throws TypeError for a point that is not on the curve. */
export function verifyingKey(jwk: PublicJwk): VerifyingKey {
  try {
    return { keyId: thumbprint(jwk), key: createPublicKey({ key: jwk, format: 'jwk' }) };
  } catch (error) {
    throw new TypeError('Not a P-256 key', { cause: error });
  }
}

/** The public members only, checked. Throws TypeError for anything but a P-256 key. */
export function publicJwk(jwk: unknown): PublicJwk {
  const { kty, crv, x, y } = (jwk ?? {}) as Record<string, unknown>;
  if (kty !== 'EC' || crv !== 'P-256' || typeof x !== 'string' || typeof y !== 'string')
    throw new TypeError('Not a P-256 key');
  return { crv, kty, x, y };
}

/** RFC 7638, section 3: SHA-256 of the required members in order, without white space. */
export const thumbprint = (jwk: PublicJwk): string => hash('sha256', canonicalJson(publicJwk(jwk)), 'base64url');

/** The order of P-256, and half of it. */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const HALF_ORDER = ORDER / 2n;
const readS = (signature: Uint8Array): bigint => BigInt(`0x${Buffer.from(signature.subarray(32)).toString('hex')}`);

/**
 * (r, s) and (r, n − s) both verify: without one form, a writer of the file could change a signature that still holds. RFC 6979 and
 * RFC 7518 leave the choice open.
 */
function lowS(signature: Uint8Array): Buffer {
  const s = readS(signature);
  const low = Buffer.from(signature);
  if (s > HALF_ORDER) low.write((ORDER - s).toString(16).padStart(64, '0'), 32, 'hex');
  return low;
}

/**
 * r and s, 32 bytes each (RFC 7518, section 3.4), of a DER signature (RFC 3279, section 2.2.3). Node gives them itself if asked by
 * `dsaEncoding`, and then takes twice as long to sign.
 */
function fixedLength(der: Uint8Array): Buffer {
  const fixed = Buffer.alloc(64);
  let at = 2;
  for (const end of [32, 64]) {
    const integer = der.subarray(at + 2, at + 2 + (der[at + 1] ?? 0));
    // DER writes no zero in front except one that keeps the number positive.
    const digits = integer.subarray(Math.max(0, integer.length - 32));
    fixed.set(digits, end - digits.length);
    at += 2 + integer.length;
  }
  return fixed;
}

const base64url = (text: string): string => Buffer.from(text, 'utf8').toString('base64url');

const protectedHeader = (keyId: string, typ: SignatureType): string =>
  base64url(canonicalJson({ alg: 'ES256', kid: keyId, typ }));

/** The compact JWS of canonical JSON (RFC 7515, section 3.1). */
export function signCompact(key: SigningKey, typ: SignatureType, payload: Json): string {
  const input = `${protectedHeader(key.keyId, typ)}.${base64url(canonicalJson(payload))}`;
  return `${input}.${key.sign(Buffer.from(input, 'latin1')).toString('base64url')}`;
}

/** The same by a key that signs elsewhere. */
export async function signCompactWith(
  key: { readonly keyId: string; sign(data: Uint8Array): Promise<Uint8Array> },
  typ: SignatureType,
  payload: Json,
): Promise<string> {
  const input = `${protectedHeader(key.keyId, typ)}.${base64url(canonicalJson(payload))}`;
  return `${input}.${lowS(await key.sign(Buffer.from(input, 'latin1'))).toString('base64url')}`;
}

/** A compact JWS with its payload left out (RFC 7515, appendix F): for a payload that stands beside it in the same line. */
export const detach = (compact: string): string => compact.replace(/\.[^.]*\./, '..');

/** The whole compact JWS of a detached one: what is copied to a second place. */
export const attach = (detached: string, payload: Json): string =>
  detached.replace('..', `.${base64url(canonicalJson(payload))}.`);

/**
 * Whether the detached JWS is the key's signature of that type over the payload, in its one form: the exact header, base64url
 * without spare bits, s in its lower half.
 */
export function verifyDetached(detached: string, typ: SignatureType, key: VerifyingKey, payload: string): boolean {
  const [header, empty, signature, ...rest] = detached.split('.');
  if (header !== protectedHeader(key.keyId, typ) || empty !== '' || signature === undefined || rest.length > 0)
    return false;
  const bytes = Buffer.from(signature, 'base64url');
  if (bytes.length !== 64 || bytes.toString('base64url') !== signature || readS(bytes) > HALF_ORDER) return false;
  const input = Buffer.from(`${header}.${base64url(payload)}`, 'latin1');
  return verify('sha256', input, { key: key.key, dsaEncoding: 'ieee-p1363' }, bytes);
}

/** The payload, if the compact JWS is a signature of that type by that key over canonical JSON; else undefined. */
export function verifyCompact(compact: string, typ: SignatureType, key: VerifyingKey): unknown {
  const [, encoded = ''] = compact.split('.');
  const payload = Buffer.from(encoded, 'base64url');
  if (payload.toString('base64url') !== encoded) return undefined;
  const text = payload.toString('utf8');
  return verifyDetached(detach(compact), typ, key, text) ? peekPayload(compact) : undefined;
}

/** What a compact JWS claims before anything of it is checked; undefined for anything else. */
export function peekPayload(compact: string): unknown {
  const [, payload] = compact.split('.');
  try {
    return JSON.parse(Buffer.from(payload ?? '', 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

/** The type that a compact JWS claims. */
export function peekType(compact: string): string | undefined {
  try {
    const { typ } = JSON.parse(Buffer.from(compact.split('.')[0] ?? '', 'base64url').toString('utf8')) as {
      readonly typ?: unknown;
    };
    return typeof typ === 'string' ? typ : undefined;
  } catch {
    return undefined;
  }
}
