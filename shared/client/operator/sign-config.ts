import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { readJwk, SIGNATURE_SUFFIX, signText } from '../../config/signature.ts';
import type { Host } from '../host.ts';

const USAGE = `aksgw config sign FILE --key PRIVATE.jwk

Writes FILE.jws, a detached JWS of the file (RFC 7515, appendix F). A gateway with AKSGW_CONFIG_KEY, the public half of the key, takes no
configuration and no list of the blocked without one. Put the signature in place first, and then the file.
`;

/** `aksgw config sign`. */
export async function signConfig(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { key: { type: 'string' }, help: { type: 'boolean' } },
  });
  const [file] = positionals;
  if (values.help || file === undefined || positionals.length > 1 || values.key === undefined) {
    host.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const jwk = await readJwk(values.key);
  if (jwk.d === undefined) throw new Error(`${values.key} is not a private key`);
  writeFileSync(
    `${file}${SIGNATURE_SUFFIX}`,
    `${await signText(readFileSync(file, 'utf8').replace(/^\uFEFF/, ''), jwk)}\n`,
  );
  host.stdout.write(`${file}${SIGNATURE_SUFFIX}\n`);
  return 0;
}
