import { readFile } from 'node:fs/promises';
import { FlattenedSign, decodeProtectedHeader, flattenedVerify, importJWK, type CryptoKey, type JWK } from 'jose';
import type { Clock } from '../clock.ts';
import { ConfigUnreadable, type FoundText, type TextReader } from './readers.ts';

/** Signatures by a key pair: a shared secret would let anyone who checks it sign as well. */
const signatureAlgorithms: readonly string[] = ['ES256', 'ES384', 'ES512', 'PS256', 'RS256', 'EdDSA', 'Ed25519'];

/** What a signature is called beside the text that it is of. */
export const SIGNATURE_SUFFIX = '.jws';

/** A key that configurations must be signed with. */
export interface ConfigKey {
  readonly key: CryptoKey | Uint8Array;
  readonly algorithm: string;
}

/**
 * The public key in AKSGW_CONFIG_KEY: a JWK, or the path of a file that holds one. Undefined when the variable is not set. Rejects with
 * ConfigUnreadable for what is not a public key.
 */
export async function configKeyOf(env: NodeJS.ProcessEnv): Promise<ConfigKey | undefined> {
  const given = env['AKSGW_CONFIG_KEY'];
  if (given === undefined) return undefined;
  try {
    const jwk = await readJwk(given);
    if (jwk.d !== undefined) throw new Error('is a private key: the gateway needs the public half alone');
    return await importKey(jwk);
  } catch (error) {
    throw new ConfigUnreadable(`AKSGW_CONFIG_KEY: ${messageOf(error)}`, { cause: error });
  }
}

/** A JWK in text, or in the file of that name. Rejects with Error. */
export async function readJwk(given: string): Promise<JWK> {
  const text = given.trimStart().startsWith('{') ? given : await readFile(given, 'utf8');
  try {
    return JSON.parse(text) as JWK;
  } catch {
    // The parser's own message quotes the text, which may be a private key.
    throw new Error('is not a JWK: JSON is expected');
  }
}

async function importKey(jwk: JWK): Promise<ConfigKey> {
  const algorithm = jwk.alg ?? algorithmOf(jwk);
  if (algorithm === undefined || !signatureAlgorithms.includes(algorithm))
    throw new Error(`is not a key for one of ${signatureAlgorithms.join(', ')}`);
  return { key: await importJWK(jwk, algorithm), algorithm };
}

/** RFC 7518, section 3.1: the curve says the algorithm; RSA keys serve two, of which this is the better. */
function algorithmOf({ kty, crv }: JWK): string | undefined {
  if (kty === 'RSA') return 'PS256';
  if (kty === 'OKP' && crv === 'Ed25519') return 'EdDSA';
  return { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' }[String(crv)];
}

/** `typ` of a signature of ours (RFC 7515, section 4.1.9): one key's other signatures are of other things. */
const TYPE = 'aksgw-config';

/** When a signature was made, and until when it may be taken. */
interface SignTimes {
  readonly now: Date;
  readonly expires?: Date | undefined;
}

/** A detached JWS of a text (RFC 7515, appendix F): the header, nothing, the signature. Rejects with Error for a key that cannot sign. */
export async function signText(text: string, jwk: JWK, { now, expires }: SignTimes): Promise<string> {
  const { key, algorithm } = await importKey(jwk);
  const { protected: header = '', signature } = await new FlattenedSign(Buffer.from(text, 'utf8'))
    .setProtectedHeader({
      alg: algorithm,
      typ: TYPE,
      iat: toNumericDate(now),
      ...(expires && { exp: toNumericDate(expires) }),
    })
    .sign(key);
  return `${header}..${signature}`;
}

/** RFC 7519, section 2: seconds. */
const toNumericDate = (date: Date): number => Math.floor(date.getTime() / 1000);

/** When a text was signed, by the signature's own word. */
interface Verified {
  readonly signedAt: number | undefined;
}

/**
 * Rejects with Error when the text is not what was signed, or not by this key, or when the header says something that is not so or not understood:
 * its author meant it to count.
 */
export async function verifyText(
  text: string,
  jws: string,
  { key, algorithm }: ConfigKey,
  now: Date,
): Promise<Verified> {
  const [header = '', payload, signature = '', ...more] = jws.trim().split('.');
  if (payload !== '' || more.length > 0) throw new Error('is not a detached JWS: header..signature');
  // A critical extension changes what is signed (`b64` of RFC 7797: the bytes themselves); none is of use here (RFC 7515, section 4.1.11).
  const said: Readonly<Record<string, unknown>> = decodeProtectedHeader({ protected: header });
  if ('crit' in said) throw new Error('has critical extensions, which are not taken');
  await flattenedVerify(
    { protected: header, payload: Buffer.from(text, 'utf8').toString('base64url'), signature },
    key,
    { algorithms: [algorithm] },
  );
  return checkHeader(said, toNumericDate(now));
}

/** `alg` is held against the key, `kid` names one and decides nothing. The rest counts or is refused. */
function checkHeader(
  { alg: _alg, kid: _kid, typ, iat, nbf, exp, ...others }: Readonly<Record<string, unknown>>,
  now: number,
): Verified {
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new Error(`says ${unknown} in its header, which is not understood here`);
  if (typ !== undefined && typ !== TYPE && typ !== 'JOSE') throw new Error(`is of another type: typ is not ${TYPE}`);
  const from = readTime('nbf', nbf) ?? -Infinity;
  const until = readTime('exp', exp) ?? Infinity;
  if (now < from) throw new Error(`counts from ${toText(from)} on`);
  if (now >= until) throw new Error(`has counted until ${toText(until)}`);
  return { signedAt: readTime('iat', iat) };
}

function readTime(name: string, value: unknown): number | undefined {
  if (value === undefined || (typeof value === 'number' && Math.abs(value) < 8e12)) return value;
  throw new Error(`says ${name}, which is not a time`);
}

const toText = (seconds: number): string => new Date(seconds * 1000).toISOString();

/**
 * Reads a text and the signature beside it, and gives the text only when the one is of the other: then it is whole as well. A text
 * that has not changed is not checked again, so that an update puts the new signature first, and then the text. One that was signed
 * before the last that was taken is refused: somebody has put back an old one.
 */
export function signedReader(
  reader: TextReader,
  signatures: TextReader,
  key: ConfigKey,
  clock: Pick<Clock, 'now'>,
): TextReader {
  let newest = -Infinity;
  async function read(seen: FoundText | undefined, signal: AbortSignal): Promise<FoundText> {
    const found = await (seen ? reader.read(seen, signal) : reader.read(undefined, signal));
    if (found.text === seen?.text) return seen;
    const { text: jws } = await signatures.read(undefined, signal);
    try {
      const { signedAt = -Infinity } = await verifyText(found.text, jws, key, new Date(clock.now()));
      if (signedAt < newest)
        throw new Error('is older than the one that was taken last: sign it again to go back to it');
      newest = signedAt;
    } catch (error) {
      const why = `${signatures.source} is not a signature of it by the key in AKSGW_CONFIG_KEY (${messageOf(error)})`;
      throw new ConfigUnreadable(`${reader.source}: ${why}`, { cause: error });
    }
    return { ...found, atomic: true };
  }
  return { source: reader.source, read };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
