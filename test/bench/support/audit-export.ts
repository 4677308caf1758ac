import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { loadLocalRootKey } from '../../../shared/audit/keys.ts';
import { exportLines } from '../../../shared/audit/read/export.ts';
import { createStreamIndex } from '../../../shared/audit/read/stream-index.ts';
import { verifyExport } from '../../../shared/audit/verify/export-file.ts';
import { createFileLog } from '../../../shared/store/file-log.ts';

/**
 * Writes a whole trail as an export, or verifies one, in a process of its own so that its memory can be told. Arguments: `write` or
 * `verify`, the trail's folder, its root key's file, the export's file. Prints one JSON object.
 */
const [, , what = '', folder = '', keyFile = '', file = ''] = process.argv;
const key = await loadLocalRootKey(keyFile);
const started = performance.now();
const result = what === 'write' ? await write() : await verify();
const seconds = Number(((performance.now() - started) / 1000).toFixed(1));
process.stdout.write(
  JSON.stringify({ ...result, seconds, peakMiB: Math.round(process.resourceUsage().maxRSS / 1024) }),
);

async function write() {
  const out = createWriteStream(file);
  let bytes = 0;
  for await (const part of exportLines(createStreamIndex(createFileLog({ folder })), { key, now: Date.now() })) {
    bytes += part.length;
    if (!out.write(part)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  return { bytes };
}

async function verify() {
  const { verdict, events } = await verifyExport(file, { rootKeys: [key.keyId] });
  return { verdict, events };
}
