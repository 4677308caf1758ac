import { CryptographyClient, KeyClient } from '@azure/keyvault-keys';
import type { TokenCredential } from '@azure/identity';
import type { KeyVault } from './key-vault.ts';

/**
 * Azure Key Vault through its SDK. Signing is by digest (ES256), so that no more than a hash leaves the process; the private key
 * never leaves the vault. Needs the `get` and `sign` permissions on keys ("Key Vault Crypto User").
 */
export function createAzureVault(credential: TokenCredential, vaultUrl: string): KeyVault {
  const keys = new KeyClient(vaultUrl, credential);
  return {
    async get(name, version) {
      try {
        const { id, key } = await keys.getKey(name, version === undefined ? {} : { version });
        if (id === undefined || key === undefined) return undefined;
        return { id, jwk: { crv: key.crv, kty: key.kty, ...coordinates(key), ...modulus(key) } };
      } catch (error) {
        if ((error as { statusCode?: number }).statusCode === 404) return undefined;
        throw error;
      }
    },
    async sign(id, digest) {
      return (await new CryptographyClient(id, credential).sign('ES256', digest)).result;
    },
  };
}

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
const coordinates = ({ x, y }: { x?: Uint8Array; y?: Uint8Array }) =>
  x && y ? { x: base64url(x), y: base64url(y) } : {};
const modulus = ({ n, e }: { n?: Uint8Array; e?: Uint8Array }) => (n && e ? { n: base64url(n), e: base64url(e) } : {});
