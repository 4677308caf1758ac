import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { exportCsv } from '../../../audit/read/csv.ts';
import { exportLines } from '../../../audit/read/export.ts';
import { createStreamIndex } from '../../../audit/read/stream-index.ts';
import { systemClock } from '../../../clock.ts';
import type { StorageLocation } from '../../../config/config.ts';
import type { Host } from '../../host.ts';
import { readConfig } from '../config.ts';
import { openTrail } from '../log.ts';
import { common, explain, range, timesOf } from './arguments.ts';
import { openRootKey } from './root-key.ts';

const USAGE = `aksgw audit export [FOLDER | https://…] [--since TIME] [--until TIME] [--format jsonl|csv] [--config FILE] [--sign-with KEY]

Writes events to standard output. jsonl holds the trail's own lines and a manifest, which "aksgw audit verify --export" checks
offline. Only a signed manifest proves that nothing was left out: it is signed with the configuration's signing key, or with that of
--sign-with (a JWK file, or a key in a Key Vault) whose thumbprint the verifier gives as --root-key.
`;

/** `aksgw audit export`. */
export async function exportEvents(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { ...common, ...range, format: { type: 'string', default: 'jsonl' }, 'sign-with': { type: 'string' } },
  });
  const { format } = values;
  if (values.help || positionals.length > 1 || !['jsonl', 'csv'].includes(format)) return explain(host, USAGE, values);
  const times = timesOf(values);
  const index = createStreamIndex(await openTrail(positionals[0], values.config, host));
  const place = signingPlace(values['sign-with'], values.config, host);
  const key = format === 'jsonl' && place ? await openRootKey(place, host) : undefined;
  const lines =
    format === 'csv' ? exportCsv(index, times) : exportLines(index, { ...times, key, now: systemClock.now() });
  for await (const line of lines) await written(host.stdout, line);
  return 0;
}

function signingPlace(given: string | undefined, config: string | undefined, host: Host): StorageLocation | undefined {
  const configured = readConfig(config, host)?.storage.signingKey;
  if (given === undefined) return configured;
  if (/^https:\/\//i.test(given)) return { kind: 'azure', url: given };
  // A key that is not there would be made.
  if (!existsSync(given)) throw new Error(`there is no key at ${given}`);
  return { kind: 'file', path: given };
}

/** A reader slower than the trail is waited for: a million lines are not kept for it in memory. */
async function written(out: Host['stdout'], text: string): Promise<void> {
  if (out.write(text) === false && out instanceof Writable) await once(out, 'drain');
}
