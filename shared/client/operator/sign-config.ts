import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { systemClock } from '../../clock.ts';
import { decodeConfig } from '../../config/readers.ts';
import { readJwk, SIGNATURE_SUFFIX, signText } from '../../config/signature.ts';
import type { Host } from '../host.ts';

const USAGE = `aksgw config sign FILE --key PRIVATE.jwk [--expires 2030-01-31]

Writes FILE.jws, a detached JWS of the file (RFC 7515, appendix F). A gateway with AKSGW_CONFIG_KEY, the public half of the key, takes no
configuration and no list of the blocked without one. Put the signature in place first, and then the file.

It says that the holder of the key wrote this text, and when; not for which gateway, nor that there is no newer one. So give each gateway a key
of its own. A gateway that runs takes no text that was signed before the one it has; one that starts takes any that has not expired. What
expires stays in force where it is, and is not taken at the next start.
`;

/** `aksgw config sign`. */
export async function signConfig(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { key: { type: 'string' }, expires: { type: 'string' }, help: { type: 'boolean' } },
  });
  const [file] = positionals;
  if (values.help || file === undefined || positionals.length > 1 || values.key === undefined) {
    host.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const jwk = await readJwk(values.key);
  if (jwk.d === undefined) throw new Error(`${values.key} is not a private key`);
  const now = new Date(systemClock.now());
  const expires = values.expires === undefined ? undefined : readExpiry(values.expires, now);
  const signature = await signText(decodeConfig(readFileSync(file)), jwk, { now, expires });
  writeFileSync(`${file}${SIGNATURE_SUFFIX}`, `${signature}\n`);
  host.stdout.write(`${file}${SIGNATURE_SUFFIX}\n`);
  return 0;
}

/** A day, or a day and time with its offset (RFC 3339): nothing that is read differently elsewhere. */
function readExpiry(text: string, now: Date): Date {
  const form = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d))?$/;
  const date = new Date(form.test(text) ? text : NaN);
  if (!(date > now)) throw new Error(`--expires takes a date in the future, such as 2030-01-31, not "${text}"`);
  return date;
}
