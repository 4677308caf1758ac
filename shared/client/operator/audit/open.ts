import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { JWK } from 'jose';
import type { Opening } from '../../../audit/chain.ts';
import { unwrapInVault } from '../../../audit/key-vault.ts';
import { loadLocalRootKey } from '../../../audit/keys.ts';
import { createOpener } from '../../../audit/seal.ts';
import { systemClock } from '../../../clock.ts';
import type { AppendLog } from '../../../store/append-log.ts';
import { storageCredential } from '../../../store/azure-storage.ts';
import type { Host } from '../../host.ts';
import { REDACTED } from '../../../lib/redact.ts';
import { printable } from '../../../lib/safe-text.ts';
import { readConfig } from '../config.ts';
import { openTrail, operatorCredential } from '../log.ts';
import { common, explain, range, timesOf } from './arguments.ts';

const USAGE = `aksgw audit open --key PRIVATE.jwk [FOLDER | https://…] [--command ID] [--since TIME] [--until TIME] [--config FILE]
aksgw audit open --match TEXT [FOLDER | https://…] [--command ID] [--since TIME] [--until TIME] [--config FILE]

Shows what the trail hides: the data in commands (values, patches, the words after a program).

  --key FILE         the private JWK of the configuration's storage.auditorKey: prints the commands with their data
  --match TEXT       compares a text with the digests instead: prints the events in which a hidden word is exactly that. Needs the
                     streams' HMAC keys: the local signing key of --config, or the right to unwrapKey in the Key Vault
  --command ID       the events of one command

Exits 0 when something was found, 1 when not.
`;

interface Line {
  readonly time: string;
  readonly code: string;
  readonly stream: string;
  readonly seq: number;
  readonly commandId?: string;
  readonly argv?: readonly string[];
  readonly sealed?: string;
  readonly data?: readonly { readonly word: number; readonly hmac: string }[];
  readonly opening?: Opening;
}

/** What a line shows once it is opened; undefined for one that is not asked for. */
type Show = (line: Line) => Promise<readonly string[] | undefined>;

/** `aksgw audit open`. */
export async function open(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      ...common,
      ...range,
      key: { type: 'string' },
      match: { type: 'string' },
      command: { type: 'string' },
    },
  });
  const { key, match, command } = values;
  if (values.help || positionals.length > 1 || (key === undefined) === (match === undefined))
    return explain(host, USAGE, values);
  const log = await openTrail(positionals[0], values.config, host);
  const show =
    key === undefined ? await matching(match ?? '', values.config, host) : await opening(readFileSync(key, 'utf8'));
  const { since = 0, until = Number.POSITIVE_INFINITY } = timesOf(values);
  let found = 0;
  for await (const line of linesOf(log)) {
    const words = await show(line);
    const time = Date.parse(line.time);
    const wanted = time >= since && time < until && (command === undefined || line.commandId === command);
    if (!words || !wanted) continue;
    found += 1;
    const place = `${line.time} ${line.code} ${line.stream} ${line.seq} ${line.commandId ?? '-'}`;
    host.stdout.write(printable(`${place}\n    ${words.join(' ')}\n`));
  }
  return found > 0 ? 0 : 1;
}

async function* linesOf(log: AppendLog): AsyncGenerator<Line> {
  for (const stream of await log.streams())
    for await (const { text, complete } of log.read(stream)) {
      if (!complete) continue;
      try {
        yield JSON.parse(text) as Line;
      } catch {
        // A damaged line is verification's business.
      }
    }
}

const quoted = (word: string): string => (/^[\w.:/,@=+*%-]+$/.test(word) ? word : JSON.stringify(word));

/** The words with what was sealed put back in its place. */
async function opening(jwk: string): Promise<Show> {
  const opener = await createOpener(JSON.parse(jwk) as JWK);
  return async ({ argv = [], sealed }) => {
    if (sealed === undefined) return undefined;
    const words = [...argv];
    for (const { word, text } of await opener(sealed))
      words[word] = (words[word] ?? REDACTED).replace(REDACTED, () => text);
    return words.map(quoted);
  };
}

/** The events in which a hidden word has the digest of the text, under the key of its stream. */
async function matching(text: string, config: string | undefined, host: Host): Promise<Show> {
  const location = readConfig(config, host)?.storage.signingKey;
  const root = location && location.kind !== 'azure' ? await loadLocalRootKey(location.path) : undefined;
  let digest: string | undefined;
  const keyOf = async ({ stream, hmacKey }: Opening): Promise<Uint8Array> => {
    if (hmacKey.alg === 'HKDF-A256GCM' && root) return root.unwrap(stream, hmacKey);
    if (hmacKey.alg === 'RSA-OAEP-256')
      return unwrapInVault(hmacKey.keyAt, hmacKey.value, storageCredential(operatorCredential(host), systemClock));
    throw new Error(
      `the HMAC key of ${stream} cannot be opened: ${hmacKey.alg === 'none' ? 'it was not kept' : 'give --config'}`,
    );
  };
  return async (line) => {
    if (line.opening)
      digest = createHmac('sha256', await keyOf(line.opening))
        .update('word\n')
        .update(text)
        .digest('hex');
    const found = line.data?.some(({ hmac }) => hmac === digest) ?? false;
    return found ? (line.argv ?? []).map(quoted) : undefined;
  };
}
