import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

type Env = Readonly<Record<string, string | undefined>>;

/** Where the wrapper keeps what is its own: AKSGW_HOME, or `aksgw` in the person's folder of settings (XDG Base Directory Specification). */
export function homeOf(env: Env): string {
  if (env['AKSGW_HOME']) return env['AKSGW_HOME'];
  const settings =
    env['XDG_CONFIG_HOME'] ||
    (process.platform === 'win32' ? env['APPDATA'] : undefined) ||
    join(env['HOME'] || homedir(), '.config');
  return join(settings, 'aksgw');
}

/** A file of the wrapper's own, or undefined where there is none. Throws Error when it is one that others can read. */
export function readPrivate(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return undefined;
  // Windows gives no such bits: a person's own folder is protected by its access list.
  if (process.platform !== 'win32' && (found.mode & 0o077) !== 0)
    throw new Error(`others can read ${path}: chmod 600 it`);
  return readFileSync(path, 'utf8');
}

/** Writes a file that only its owner can read (0600), in one step: a reader finds the old one or the new one. */
export function writePrivate(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const part = `${path}.${randomUUID()}`;
  try {
    writeFileSync(part, text, { mode: 0o600, flag: 'wx' });
    chmodSync(part, 0o600); // whatever the umask took away
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
}
