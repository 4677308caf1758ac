import {
  createHash,
  createHmac,
  createPublicKey,
  generateKeyPair,
  generateKeyPairSync,
  sign,
  type KeyObject,
} from 'node:crypto';
import { promisify } from 'node:util';

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const generate = promisify(generateKeyPair);
const size = { modulusLength: 2048 };

/** An RSA key as Entra uses them, 2048 bits; the kid is RFC 7638's thumbprint. */
export const createSigningKey = async (): Promise<SigningKey> => named(await generate('rsa', size));

/** The same, at once: it holds up the process for about a tenth of a second. */
export const createSigningKeyNow = (): SigningKey => named(generateKeyPairSync('rsa', size));

function named({ privateKey, publicKey }: Pick<SigningKey, 'privateKey' | 'publicKey'>): SigningKey {
  const { e, n } = publicKey.export({ format: 'jwk' });
  const kid = createHash('sha256')
    .update(JSON.stringify({ e, kty: 'RSA', n }))
    .digest('base64url');
  return { kid, privateKey, publicKey };
}

/** A JWK as in the discovery/v2.0/keys document of one tenant: `issuer` stands in each key. */
export const publicJwk = ({ kid, publicKey }: SigningKey, issuer: string) => ({
  ...publicKey.export({ format: 'jwk' }),
  kty: 'RSA',
  use: 'sig',
  kid,
  issuer,
});

/** What signs a token: a key, or the bytes of an HMAC secret. */
export type SigningMaterial = KeyObject | Uint8Array;

/** Compact JWS over any payload, by whatever `alg` the header says: nothing is refused, since tests need the bad ones. */
export function compactJws(
  header: Readonly<Record<string, unknown>>,
  payload: Readonly<Record<string, unknown>> | string,
  material: SigningMaterial,
): string {
  const encode = (value: unknown): string =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${signature(String(header['alg']), Buffer.from(input), material)}`;
}

function signature(alg: string, input: Buffer, material: SigningMaterial): string {
  const hash = `sha${alg.slice(2)}`;
  switch (alg.slice(0, 2)) {
    case 'RS':
      return sign(hash, input, privateKey(material)).toString('base64url');
    case 'PS':
      return sign(hash, input, { key: privateKey(material), padding: 6, saltLength: -1 }).toString('base64url');
    case 'ES':
      return sign(hash, input, { key: privateKey(material), dsaEncoding: 'ieee-p1363' }).toString('base64url');
    case 'HS':
      return createHmac(hash, hmacSecret(material)).update(input).digest('base64url');
    default:
      // `none`, and every spelling of it.
      return '';
  }
}

function privateKey(material: SigningMaterial): KeyObject {
  if (material instanceof Uint8Array) throw new TypeError('this alg signs with a private key');
  return material;
}

/** With a key pair the secret is the public key's PEM text: the confusion of CVE-2015-2951 and its many successors. */
const hmacSecret = (material: SigningMaterial): Uint8Array =>
  material instanceof Uint8Array
    ? material
    : Buffer.from(createPublicKey(material).export({ type: 'spki', format: 'pem' }));
