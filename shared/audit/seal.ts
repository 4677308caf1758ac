import { CompactEncrypt, type JWK, compactDecrypt, importJWK } from 'jose';
import type { HiddenWord } from './write/compose.ts';

/** Encrypts the hidden words of one event: a compact JWE (RFC 7516). */
export type Seal = (hidden: readonly HiddenWord[]) => Promise<string>;

type KeyAlgorithm = 'RSA-OAEP-256' | 'ECDH-ES+A256KW';

const algorithmOf = ({ kty }: JWK): KeyAlgorithm => (kty === 'RSA' ? 'RSA-OAEP-256' : 'ECDH-ES+A256KW');

/** Seals to a public JWK; only its private half opens. Rejects with an error of jose for a key that is not one. */
export async function createSeal(jwk: JWK): Promise<Seal> {
  const alg = algorithmOf(jwk);
  const key = await importJWK(jwk, alg);
  const header = { alg, enc: 'A256GCM', ...(jwk.kid !== undefined && { kid: jwk.kid }) };
  const seal: Seal = (hidden) =>
    new CompactEncrypt(Buffer.from(JSON.stringify(hidden), 'utf8')).setProtectedHeader(header).encrypt(key);
  await seal([]); // a key that cannot encrypt shows at the start, not with the first command
  return seal;
}

/** Opens with the private JWK. Rejects with an error of jose when it is another's, or was changed. */
export async function createOpener(jwk: JWK): Promise<(sealed: string) => Promise<readonly HiddenWord[]>> {
  const key = await importJWK(jwk, algorithmOf(jwk));
  return async (sealed) => {
    const { plaintext } = await compactDecrypt(sealed, key);
    return JSON.parse(Buffer.from(plaintext).toString('utf8')) as readonly HiddenWord[];
  };
}
