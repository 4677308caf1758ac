import { closeSync, constants, lstatSync, mkdirSync, openSync, realpathSync, writeSync, type Stats } from 'node:fs';
import { join, posix } from 'node:path';
import type { CommandOutputBody } from '../../http/schemas.ts';
import { readTar } from '../../lib/tar.ts';
import type { Host } from '../host.ts';
import { readArgv } from '../uploads/argv.ts';
import { openFolder } from '../uploads/folder.ts';

/** `kubectl cp POD:PATH FILE`. */
interface Copy {
  /** What the names in the archive begin with. */
  readonly prefix: string;
  /** Below the working folder; '' is the folder itself. */
  readonly destination: string;
}

/** Undefined for any other command, and for `cp POD:FILE -`. Throws UploadRefused for a destination outside the working folder. */
export function copyOf(argv: readonly string[], cwd: string): Copy | undefined {
  const read = readArgv(argv);
  if (read?.tool !== 'kubectl' || read.path[0] !== 'cp') return undefined;
  const [source = '', destination = ''] = read.args.map((at) => argv[at] ?? '');
  const colon = source.indexOf(':');
  if (colon < 1 || destination === '' || destination === '-' || destination.includes(':')) return undefined;
  return { prefix: prefixOf(source.slice(colon + 1)), destination: openFolder(cwd).plain(destination) };
}

/** tar leaves out what would lead to the root or above it, and so does kubectl (pkg/cmd/cp, stripPathShortcuts). */
const prefixOf = (path: string): string => plainName(path.replace(/^\/+/, '')).replace(/^(?:\.\.(?:\/|$))+/, '');

function plainName(name: string): string {
  const plain = posix.normalize(name).replace(/\/$/, '');
  return plain === '.' ? '' : plain;
}

const archiveWarning = /^stdout is a tar archive/;

/**
 * The command's end once its archive is unpacked below the working folder, as kubectl cp does it (pkg/cmd/cp, untarAll): files and folders,
 * no links. Whoever controls the container wrote the archive: every name is checked before the first byte is written.
 */
export function unpacked(record: CommandOutputBody, copy: Copy, host: Pick<Host, 'cwd'>): CommandOutputBody {
  const { stdout, stdoutBase64, ...rest } = record;
  const warnings = record.warnings.filter((warning) => !archiveWarning.test(warning));
  const ended = { ...rest, stdout: '' };
  if (record.status !== 'completed') return { ...ended, warnings };
  if (record.exitCode !== 0 || record.truncated)
    return { ...ended, warnings: [...warnings, 'Nothing was written here: the archive is not whole.'] };
  const archive = stdoutBase64 === undefined ? Buffer.from(stdout) : Buffer.from(stdoutBase64, 'base64');
  try {
    const links = unpack(archive, copy, realpathSync(host.cwd()));
    return { ...ended, warnings: [...warnings, ...links.map((path) => `${path} is a link, and was left out.`)] };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const { stderrBase64: _stderrBase64, ...plain } = ended;
    return { ...plain, warnings, exitCode: 1, stderr: `${record.stderr}error: ${why}\n` };
  }
}

interface Entry {
  readonly path: string;
  /** A folder has none. */
  readonly bytes?: Uint8Array;
}

/** Resolves with the links that were left out. Throws before anything is written where a name may not be written. */
function unpack(archive: Uint8Array, copy: Copy, folder: string): readonly string[] {
  const [folders, links]: [Entry[], string[]] = [[], []];
  const files = readTar(
    archive,
    (path, why) => new Error(`${path === '' ? 'what came' : path} ${why}`),
    (path, kind) => (kind === 'link' ? links.push(path) : folders.push({ path })),
  );
  const place = ({ path, ...entry }: Entry): Entry => ({ ...entry, path: placeOf(path, copy) });
  const entries = [...folders.map(place), ...files.map(place)];
  if (entries.length === 0 && links.length === 0) throw new Error('the archive is empty');
  for (const entry of entries) checkWay(folder, entry);
  for (const { path, bytes } of entries) {
    const whole = join(folder, path);
    mkdirSync(bytes === undefined ? whole : join(whole, '..'), { recursive: true });
    if (bytes !== undefined) write(whole, bytes);
  }
  return links;
}

/** Where a member belongs, below the working folder. */
function placeOf(name: string, { prefix, destination }: Copy): string {
  const plain = plainName(name);
  const below = prefix === '' ? `/${plain}` : plain.slice(prefix.length);
  const foreign = !plain.startsWith(prefix) || (below !== '' && !below.startsWith('/'));
  if (foreign || name.startsWith('/') || name.split('/').includes('..'))
    throw new Error(`${name} is not below what was asked for: nothing was written`);
  if (process.platform === 'win32' && /[\\:]/.test(below))
    throw new Error(`${name} has no name that this machine can have: nothing was written`);
  return posix.join(destination, below);
}

/** Nothing is written through a link, over anything but a file, or into the settings of git, which name programs to run. */
function checkWay(folder: string, { path, bytes }: Entry): void {
  const segments = path.split('/').filter((name) => name !== '' && name !== '.');
  if (segments.some((name) => name.toLowerCase() === '.git'))
    throw new Error(`${path} lies in .git: nothing was written`);
  if (segments.length === 0 && bytes !== undefined) throw new Error('the destination is a folder: name the file');
  for (const [at] of segments.entries()) {
    const found: Stats | undefined = lstatSync(join(folder, ...segments.slice(0, at + 1)), { throwIfNoEntry: false });
    if (found === undefined) return;
    const isFile = bytes !== undefined && at === segments.length - 1;
    if (isFile ? found.isFile() : found.isDirectory()) continue;
    const here = segments.slice(0, at + 1).join('/');
    throw new Error(
      `${here} ${found.isSymbolicLink() ? 'is a link' : isFile ? 'is not a file' : 'is not a folder'}: nothing was written`,
    );
  }
}

function write(path: string, bytes: Uint8Array): void {
  const { O_WRONLY, O_CREAT, O_TRUNC } = constants;
  // Windows has none.
  const noFollow = (constants as { readonly O_NOFOLLOW?: number }).O_NOFOLLOW ?? 0;
  const file = openSync(path, O_WRONLY | O_CREAT | O_TRUNC | noFollow, 0o666);
  try {
    for (let at = 0; at < bytes.byteLength;) at += writeSync(file, bytes, at);
  } finally {
    closeSync(file);
  }
}
