import type { PublicJwk, WrappedKey } from './chain.ts';

/** The key that outlives every process: it says which streams are the gateway's. */
export interface RootKey {
  /** RFC 7638 thumbprint. */
  readonly keyId: string;
  readonly jwk: PublicJwk;
  /** Where it is kept: a Key Vault key id. Absent for a local one. */
  readonly at?: string | undefined;
  /** ES256 over SHA-256 of `data`: r ‖ s. Rejects with Problem `audit-unavailable`. */
  sign(data: Uint8Array): Promise<Uint8Array>;
  /** Makes a stream's HMAC key readable to the holder of the root key (local) or of the vault's wrapping key. */
  wrap(stream: string, secret: Uint8Array): Promise<WrappedKey>;
}
