import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { ownName } from './lock.ts';

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

const MOST_BYTES = 4 * 1024 * 1024;
/** Windows has neither. A link or a pipe in a file's place is not followed and not waited for. */
const { O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants as { readonly O_NOFOLLOW?: number; readonly O_NONBLOCK?: number };

/** A file of the wrapper's own, or undefined where there is none. Throws Error when it is one that others can read, or somebody else's. */
export function readPrivate(path: string): string | undefined {
  if (!statSync(path, { throwIfNoEntry: false })) return undefined;
  const file = openSync(path, constants.O_RDONLY | O_NONBLOCK);
  try {
    assertPrivate(path, fstatSync(file));
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

function assertPrivate(path: string, found: Stats): void {
  if (!found.isFile() || found.size > MOST_BYTES)
    throw new Error(`${path} is not a file that aksgw wrote: move it away`);
  // Windows gives no such bits: a person's own folder is protected by its access list.
  if (process.platform === 'win32') return;
  if (found.uid !== process.getuid?.() && found.uid !== 0) throw new Error(`${path} belongs to somebody else`);
  if ((found.mode & 0o077) !== 0) throw new Error(`others can read ${path}: chmod 600 it`);
}

/** Writes a file that only its owner can read (0600), in one step: a reader finds the old one or the new one. */
export function writePrivate(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const part = ownName(path, 'part');
  try {
    writeFileSync(part, text, { mode: 0o600, flag: 'wx' });
    chmodSync(part, 0o600); // whatever the umask took away
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
}

/** Adds to a file that from now on only its owner can read, in one write: those of several processes come one after the other. */
export function appendPrivate(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const { O_WRONLY, O_CREAT, O_APPEND } = constants;
  const file = openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o600);
  try {
    if (!fstatSync(file).isFile()) throw new Error(`${path} is not a file`);
    fchmodSync(file, 0o600); // whatever it was before
    writeSync(file, text);
  } finally {
    closeSync(file);
  }
}
