import { parseArgs } from 'node:util';
import { printable } from '../../../lib/safe-text.ts';
import { lintPolicy } from '../../../policy/lint.ts';
import type { Host } from '../../host.ts';
import { readConfig } from '../config.ts';

const USAGE = `aksgw policy lint [--config gateway.yaml] [--json]

Tells of rules that can never match, that say nothing new, that are wider than they read, of denies that undo another role, and of roles,
bindings and jobs that nobody holds. Reads the file alone. Exits 1 when it finds something.
`;

/** `aksgw policy lint`. */
export async function lint(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { config: { type: 'string', short: 'c' }, json: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  const config = values.help ? undefined : readConfig(values.config, host);
  if (positionals.length > 0 || !config) {
    host.stderr.write(USAGE);
    return values.help ? 0 : 2;
  }
  const findings = lintPolicy(config);
  if (values.json) host.stdout.write(`${JSON.stringify(findings, null, 2)}\n`);
  else {
    for (const { path, kind, message } of findings) host.stdout.write(printable(`${path}: ${kind}: ${message}\n`));
    host.stdout.write(`${findings.length} found\n`);
  }
  return findings.length === 0 ? 0 : 1;
}
