import { constants, createPublicKey, publicEncrypt } from 'node:crypto';
import type { TokenCredential } from '@azure/identity';
import { Problem } from '../errors.ts';
import type { RootKey } from './root-key.ts';
import { publicJwk, thumbprint } from './signature.ts';

/** The part of Key Vault that the root key needs; the real one is createKeyVault, a double signs for real in tests. */
export interface KeyVault {
  /** A key's id with its version, and its public half; undefined when there is none of that name. */
  get(
    name: string,
    version?: string,
  ): Promise<{ readonly id: string; readonly jwk: Readonly<Record<string, unknown>> } | undefined>;
  /** ES256 over SHA-256 of `data`: r ‖ s (RFC 7518, 3.4, as Key Vault gives it). */
  sign(id: string, data: Uint8Array): Promise<Uint8Array>;
}

/**
 * A root key in Key Vault. EC keys there only sign; so a stream's HMAC key can be kept for the auditor only if the vault also has
 * an RSA key called `<name>-wrap`: it is then encrypted to its public half (RSA-OAEP-256), and a holder of `unwrapKey` there can
 * open it. The gateway itself needs `get` and `sign`, never `unwrapKey`.
 */
export async function createVaultKey(url: string, vault: KeyVault): Promise<RootKey> {
  const { name, version } = keyName(url);
  const found = await available(() => vault.get(name, version));
  if (!found) throw new Problem('audit-unavailable', `Key Vault has no key "${name}"`);
  const jwk = publicJwk(found.jwk);
  const wrapping = await available(() => vault.get(`${name}-wrap`));
  return {
    jwk,
    keyId: thumbprint(jwk),
    at: found.id,
    sign: async (data) => {
      const signature = await available(() => vault.sign(found.id, data));
      if (signature.length !== 64) throw new Problem('audit-unavailable', 'Key Vault gave no ES256 signature');
      return signature;
    },
    wrap: async (_, secret) => {
      if (!wrapping) return { alg: 'none' };
      const { n, e } = wrapping.jwk;
      const key = createPublicKey({ key: { kty: 'RSA', n: String(n), e: String(e) }, format: 'jwk' });
      const value = publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, secret);
      return { alg: 'RSA-OAEP-256', keyAt: wrapping.id, value: value.toString('base64url') };
    },
  };
}

/** `https://<vault>/keys/<name>[/<version>]`. */
function keyName(url: string): { readonly name: string; readonly version?: string } {
  const [, name, version] = /^\/keys\/([0-9A-Za-z-]{1,127})(?:\/([0-9a-f]{32}))?\/?$/.exec(new URL(url).pathname) ?? [];
  if (name === undefined)
    throw new TypeError('A Key Vault key is https://<vault>/keys/<name>, with or without a version');
  return version === undefined ? { name } : { name, version };
}

async function available<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    throw new Problem('audit-unavailable', `Key Vault cannot be used${code}`, { cause: error });
  }
}

/** Opens a stream's HMAC key in Key Vault, by the caller's own right to unwrapKey there. Rejects with Problem `audit-unavailable`. */
export async function unwrapInVault(keyAt: string, value: string, credential: TokenCredential): Promise<Uint8Array> {
  const { CryptographyClient } = await import('@azure/keyvault-keys');
  const client = new CryptographyClient(keyAt, credential);
  const { result } = await available(() => client.unwrapKey('RSA-OAEP-256', Buffer.from(value, 'base64url')));
  return result;
}

/** The real Key Vault; its SDK is loaded with the first call. Signing hashes here and sends the digest only. */
export function createKeyVault(keyUrl: string, credential: TokenCredential): KeyVault {
  const sdk = (): Promise<typeof import('@azure/keyvault-keys')> => import('@azure/keyvault-keys');
  return {
    get: async (name, version) => {
      const { KeyClient } = await sdk();
      try {
        const client = new KeyClient(new URL(keyUrl).origin, credential);
        const { id, key } = await client.getKey(name, version === undefined ? {} : { version });
        if (id === undefined || !key) return undefined;
        const { kty, crv, x, y, n, e } = key;
        const text = (bytes: Uint8Array | undefined): string | undefined =>
          bytes && Buffer.from(bytes).toString('base64url');
        // Keys in an HSM are "EC-HSM" and "RSA-HSM" there; their public halves are the same.
        return { id, jwk: { kty: kty?.replace('-HSM', ''), crv, x: text(x), y: text(y), n: text(n), e: text(e) } };
      } catch (error) {
        if (error instanceof Error && 'statusCode' in error && error.statusCode === 404) return undefined;
        throw error;
      }
    },
    sign: async (id, data) => {
      const { CryptographyClient } = await sdk();
      return (await new CryptographyClient(id, credential).signData('ES256', data)).result;
    },
  };
}
