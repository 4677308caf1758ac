import { parseArgs } from 'node:util';
import { printable } from '../../../lib/safe-text.ts';
import { lintPolicy } from '../../../policy/lint.ts';
import type { Host } from '../../host.ts';
import { lacking, readConfig } from '../config.ts';
import { DISCOVERED_USAGE, discoveredOption, unknownKinds, withDiscovered } from './discovered.ts';

const USAGE = `aksgw policy lint [--config gateway.yaml] [--discovered FILE | URL]… [--json]

Tells of rules that can never match, that say nothing new, that are wider than they read, of denies that undo another role, and of roles,
bindings and jobs that nobody holds. Reads the file alone. Exits 1 when it finds something.
${DISCOVERED_USAGE}`;

/** `aksgw policy lint`. */
export async function lint(argv: readonly string[], host: Host): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
      ...discoveredOption,
    },
  });
  const given = values.help ? undefined : readConfig(values.config, host);
  if (positionals.length > 0 || !given) {
    host.stderr.write(values.help ? USAGE : lacking(given) + USAGE);
    return values.help ? 0 : 2;
  }
  const [config = given] = await withDiscovered([given], values.discovered, host);
  const findings = lintPolicy(config);
  if (values.json) host.stdout.write(`${JSON.stringify(findings, null, 2)}\n`);
  else {
    for (const { path, kind, message } of findings) host.stdout.write(printable(`${path}: ${kind}: ${message}\n`));
    for (const note of unknownKinds(config)) host.stdout.write(note);
    host.stdout.write(`${findings.length} found\n`);
  }
  return findings.length === 0 ? 0 : 1;
}
