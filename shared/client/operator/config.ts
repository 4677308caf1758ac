import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseBlockedList, withBlocked } from '../../config/blocked-list.ts';
import type { Config } from '../../config/config.ts';
import { parseConfig } from '../../config/load.ts';
import { decodeConfig } from '../../config/readers.ts';
import { printable } from '../../lib/safe-text.ts';
import type { Host } from '../host.ts';

/**
 * The configuration that `--config` or AKSGW_CONFIG names, if one does. Throws ConfigError with every problem and its line. The
 * tokens and secrets that the file names need not be there: they are the gateway's, and no operator or auditor has them.
 */
export function readConfig(path: string | undefined, { env }: Pick<Host, 'env'>): Config | undefined {
  const file = path ?? env['AKSGW_CONFIG'];
  if (file === undefined) return undefined;
  if (/^https?:/i.test(file)) throw new Error('--config takes a file on this machine here; download the blob first');
  const baseDir = dirname(resolve(file));
  return parseConfig(decodeConfig(readFileSync(file)), { baseDir, source: file });
}

/** What stands before the usage of a command that lacks its configuration. */
export const lacking = (config: unknown): string =>
  config === undefined ? 'aksgw: no configuration is named: --config FILE, or AKSGW_CONFIG\n\n' : '';

/** The same for a look at the policy: without secrets, and with the list of the blocked that the file names. */
export function readPolicyConfig(path: string | undefined, host: Pick<Host, 'env' | 'stderr'>): Config | undefined {
  const config = readConfig(path, host);
  return config && withBlockedList(config, dirname(resolve(path ?? host.env['AKSGW_CONFIG'] ?? '')), host.stderr);
}

/** The configuration with the list of `blockedFrom`, where that is on this machine; `notes` is told where it is not. Throws ConfigError. */
export function withBlockedList(config: Config, baseDir: string, notes: Host['stderr']): Config {
  const { blockedFrom } = config.policy;
  if (blockedFrom === undefined) return config;
  if (/^https?:/i.test(blockedFrom)) {
    notes.write(printable(`note: ${blockedFrom} is not looked at: whom it blocks is not known here\n`));
    return config;
  }
  const file = blockedFile(blockedFrom, baseDir);
  const text = decodeConfig(readFileSync(file));
  return withBlocked(config, parseBlockedList(text, file, config.identity.tenants), text);
}

/** Where a `blockedFrom` that is a file lies. */
export const blockedFile = (blockedFrom: string, baseDir: string): string =>
  blockedFrom.startsWith('file://') ? fileURLToPath(blockedFrom) : resolve(baseDir, blockedFrom.replace(/^file:/, ''));
