import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { renderReport } from '../../audit/report.ts';
import { verifyTrail, type TrailState } from '../../audit/verify.ts';
import type { Host } from '../main.ts';
import { openTrail } from './log.ts';

const usage = `aksgw audit verify [FOLDER | https://ACCOUNT.blob.core.windows.net/CONTAINER] [options]

Reads a whole audit trail and says what it proves and what not. Without a place: that of --config (AKSGW_CONFIG), else ./data/audit.

  --config FILE      gateway.yaml
  --state FILE       pins: what was there the last time must still be there; written anew when the trail is sound
  --root-key ID      the thumbprint of the signing key to believe (may be given several times)
  --receipt FILE     a file of receipts that callers kept, one a line (may be given several times)
  --copies FILE      a file of copied checkpoints, one a line (may be given several times)
  --partial          this is an export by time: what is not in it is no finding
  --json             the report as JSON

Exits 0 when the trail is sound, 1 when it is suspect or broken.
`;

/** `aksgw audit verify`. */
export async function verify(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c' },
      state: { type: 'string' },
      'root-key': { type: 'string', multiple: true },
      receipt: { type: 'string', multiple: true },
      copies: { type: 'string', multiple: true },
      partial: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help || positionals.length > 1) {
    host.stderr.write(usage);
    return values.help ? 0 : 2;
  }
  const log = await openTrail(positionals[0], values.config, host);
  const { state } = values;
  const report = await verifyTrail(log, {
    rootKeys: values['root-key'],
    receipts: values.receipt?.flatMap(linesOf),
    copies: values.copies?.flatMap(linesOf),
    ...(state !== undefined && existsSync(state) && { state: JSON.parse(readFileSync(state, 'utf8')) as TrailState }),
    ...(values.partial !== undefined && { partial: values.partial }),
  });
  host.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report));
  if (report.verdict !== 'sound') return 1;
  if (state !== undefined) writeFileSync(state, `${JSON.stringify(report.state, null, 2)}\n`, { mode: 0o600 });
  return 0;
}

const linesOf = (file: string): string[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
