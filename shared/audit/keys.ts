import { createCipheriv, createDecipheriv, createPrivateKey, generateKeyPairSync, hkdfSync } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, link, mkdir, open, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Entropy } from '../clock.ts';
import { systemEntropy } from '../clock.ts';
import type { StorageLocation } from '../config/config.ts';
import { Problem } from '../errors.ts';
import type { PublicJwk, WrappedKey } from './chain.ts';
import { publicJwk, signingKey, thumbprint } from './signature.ts';
import type { KeyVault } from './key-vault.ts';
import type { RootKey } from './root-key.ts';
import { createVaultKey } from './key-vault.ts';

/** A root key that can also open what it wrapped: the local one only; a vault's own holder uses unwrapKey there. */
export interface LocalRootKey extends RootKey {
  unwrap(stream: string, wrapped: WrappedKey): Uint8Array;
}

interface RootKeyOptions {
  /** Whether the gateway listens on loopback only: a key in a file is for nothing else. */
  readonly loopback: boolean;
  readonly entropy?: Entropy;
  /** Needed for a Key Vault location. */
  readonly vault?: KeyVault | undefined;
}

/**
 * The root key at a configured place. A local one is made on first use. Rejects with Problem `audit-unavailable` when it cannot
 * available: without it no stream can be begun.
 */
export async function loadRootKey(location: StorageLocation, options: RootKeyOptions): Promise<RootKey> {
  if (location.kind === 'azure') {
    if (!options.vault) throw new TypeError('A Key Vault location needs a vault client');
    return createVaultKey(location.url, options.vault);
  }
  if (!options.loopback)
    throw new Problem('audit-unavailable', 'A signing key in a file is for a gateway on loopback; use Key Vault');
  return loadLocalRootKey(location.path, options.entropy);
}

/**
 * The thumbprint of the root key at a place: its public half alone is used, and nothing is made. Rejects with Problem
 * `audit-unavailable` when it cannot be read.
 */
export async function readRootKey(location: StorageLocation, vault: KeyVault | undefined): Promise<string> {
  if (location.kind === 'azure') return (await loadRootKey(location, { loopback: false, vault })).keyId;
  const jwk = await readKey(location.path).catch((error: unknown) => {
    throw error instanceof Problem ? error : new Problem('audit-unavailable', `${location.path} cannot be read`);
  });
  if (!jwk) throw new Problem('audit-unavailable', `There is no signing key at ${location.path}: give --root-key`);
  return thumbprint(publicJwk(jwk));
}

/** A P-256 JWK in a file that only its owner can read; made if it is not there. */
export async function loadLocalRootKey(file: string, entropy: Entropy = systemEntropy): Promise<LocalRootKey> {
  try {
    const jwk = (await readKey(file)) ?? (await makeKey(file, entropy));
    return localKey(jwk, entropy);
  } catch (error) {
    if (error instanceof Problem) throw error;
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    throw new Problem('audit-unavailable', `The local signing key cannot be used${code}`, { cause: error });
  }
}

type PrivateJwk = PublicJwk & { readonly d: string };

async function readKey(file: string): Promise<PrivateJwk | undefined> {
  const handle = await open(file, 'r').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!handle) return undefined;
  try {
    const { mode } = await handle.stat();
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw new Problem(
        'audit-unavailable',
        'The local signing key is readable by others: chmod 600 it, or replace it',
      );
    const jwk: unknown = JSON.parse(await handle.readFile('utf8'));
    if (typeof jwk !== 'object' || jwk === null || !('d' in jwk) || typeof jwk.d !== 'string')
      throw new Problem('audit-unavailable', 'The local signing key is not a private P-256 JWK');
    return jwk as PrivateJwk;
  } catch (error) {
    // Without its cause: the parser's words quote the file.
    if (error instanceof SyntaxError) throw new Problem('audit-unavailable', 'The local signing key is not JSON');
    throw error;
  } finally {
    await handle.close();
  }
}

/** Written beside and linked into place: no other process ever reads half a key, and of two makers the first wins. */
async function makeKey(file: string, entropy: Entropy): Promise<PrivateJwk> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  const beside = `${file}.${entropy.uuid()}`;
  const handle = await open(beside, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(jwk)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await chmod(beside, 0o600);
    await link(beside, file);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await rm(beside);
  }
  const kept = await readKey(file);
  if (!kept) throw new Problem('audit-unavailable', 'The local signing key vanished as it was made');
  return kept;
}

function localKey(jwk: PrivateJwk, entropy: Entropy): LocalRootKey {
  const key = signingKey(createPrivateKey({ key: jwk, format: 'jwk' }));
  // A key for each stream, derived from the private half: who holds the file can read every stream's HMAC key, nobody else any.
  const wrapping = (stream: string): Uint8Array =>
    new Uint8Array(hkdfSync('sha256', Buffer.from(jwk.d, 'base64url'), stream, 'aksgw.audit.hmac.v1', 32));
  return {
    keyId: key.keyId,
    jwk: key.jwk,
    sign: async (data) => key.sign(data),
    wrap: async (stream, secret) => {
      const iv = entropy.bytes(12);
      const cipher = createCipheriv('aes-256-gcm', wrapping(stream), iv);
      const sealed = Buffer.concat([iv, cipher.update(secret), cipher.final(), cipher.getAuthTag()]);
      return { alg: 'HKDF-A256GCM', value: sealed.toString('base64url') };
    },
    unwrap: (stream, wrapped) => {
      if (wrapped.alg !== 'HKDF-A256GCM') throw new TypeError(`A local key opens no ${wrapped.alg}`);
      const sealed = Buffer.from(wrapped.value, 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', wrapping(stream), sealed.subarray(0, 12));
      decipher.setAuthTag(sealed.subarray(-16));
      return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
    },
  };
}
