import { readFileSync, readdirSync, statSync } from 'node:fs';
import { isAbsolute, join, normalize, sep } from 'node:path';

interface Upload {
  readonly path: string;
  readonly contentBase64: string;
}

/** What cannot be sent as it is; the message tells the person what to do. */
export class UploadRefused extends Error {
  override readonly name = 'UploadRefused';
}

/** kubectl's and helm's flags whose value names a local file, folder, or `key=file`. */
const fileFlags = ['--filename', '--from-file', '--from-env-file', '--patch-file', '--values', '--set-file'];
const MOST_FILES = 1_000;
const MOST_BYTES = 8 * 1024 * 1024;

/** kubectl's global flags that take a word: without them the verb would be taken for their value's neighbour. */
const globals = /^(?:-n|-v|--namespace|--request-timeout|--v|--vmodule|--log-dir|--profile|--profile-output)$/;
/** One-letter flags without a value that may stand before `f` in one word: `-Rf`. */
const fileWord = /^-[RAwith]*f(=?)(.*)$/s;

/** The files that a command names, read from the working folder, and whether it reads standard input (`-f -`). */
export function collectUploads(
  argv: readonly string[],
  folder: string,
): { readonly files: readonly Upload[]; readonly stdin: boolean } {
  const helm = argv[0] === 'helm';
  const named = namedPaths(argv, verbOf(argv) !== 'logs'); // kubectl logs -f follows
  const recursive = argv.some((word) => /^-[Af]*R|^--recursive(?:=true)?$/.test(word));
  // kubectl takes a folder's manifests, and those of sub-folders with -R only; a chart is its whole folder.
  const manifests = (path: string) =>
    filesBelow(path, folder, recursive).filter((file) => /\.(?:ya?ml|json)$/.test(file));
  const paths = new Set<string>();
  for (const { path, manifest } of named) {
    if (path === '') throw new UploadRefused('a flag that names a file has no file behind it');
    if (path === '-' || /^https?:/.test(path)) continue;
    const plain = relativePath(path);
    const files = isFile(join(folder, plain))
      ? [plain]
      : manifest && !helm
        ? manifests(plain)
        : filesBelow(plain, folder, false);
    for (const file of files) paths.add(file);
  }
  if (helm)
    for (const chart of chartsAmong(argv, folder))
      for (const file of filesBelow(relativePath(chart), folder, true)) paths.add(file);

  let bytes = 0;
  const files = [...paths].map((path): Upload => {
    const content = readFileSync(join(folder, path));
    bytes += content.length;
    if (paths.size > MOST_FILES || bytes > MOST_BYTES) {
      throw new UploadRefused(
        `more than ${MOST_FILES} files or ${MOST_BYTES / 1024 / 1024} MiB would be uploaded; name fewer`,
      );
    }
    return { path, contentBase64: content.toString('base64') };
  });
  return { files, stdin: named.some(({ path }) => path === '-') };
}

function verbOf(argv: readonly string[]): string | undefined {
  for (let at = 1; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (globals.test(word)) at++;
    else if (!word.startsWith('-')) return word;
  }
  return undefined;
}

interface Named {
  readonly path: string;
  /** Named by -f or --filename: a folder stands for the manifests in it. */
  readonly manifest: boolean;
}

function namedPaths(argv: readonly string[], shortNamesFile: boolean): Named[] {
  const paths: Named[] = [];
  const add = (value: string, manifest: boolean): void => {
    for (const item of value.split(',')) {
      const path = !manifest && /^[\w.-]+=/.test(item) ? item.slice(item.indexOf('=') + 1) : item;
      paths.push({ path, manifest });
    }
  };
  for (let at = 1; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (word === '--') break;
    const [, name = '', joined] = /^(--[^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    const flag = name.replaceAll('_', '-');
    if (fileFlags.includes(flag)) add(joined ?? argv[++at] ?? '', flag === '--filename');
    else if (shortNamesFile && !word.startsWith('--')) {
      const [, , value] = fileWord.exec(word) ?? [];
      if (value !== undefined) add(value === '' ? (argv[++at] ?? '') : value, true);
    }
  }
  return paths;
}

/** helm's chart argument is a folder: the words that are folders with a Chart.yaml. */
function chartsAmong(argv: readonly string[], folder: string): string[] {
  return argv
    .slice(1)
    .filter((word) => !word.startsWith('-') && !isAbsolute(word) && isFile(join(folder, word, 'Chart.yaml')));
}

function relativePath(path: string): string {
  const plain = normalize(path).split(sep).join('/').replace(/\/$/, '');
  if (isAbsolute(path) || plain === '..' || plain.startsWith('../')) {
    throw new UploadRefused(`${path} is outside the working folder: go to a folder above it and name it from there`);
  }
  return plain;
}

function filesBelow(path: string, folder: string, recursive: boolean): string[] {
  const full = join(folder, path);
  if (!statSync(full, { throwIfNoEntry: false })?.isDirectory()) throw new UploadRefused(`${path} does not exist`);
  return readdirSync(full, { recursive, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      normalize(join(path, entry.parentPath.slice(full.length), entry.name))
        .split(sep)
        .join('/'),
    )
    .sort();
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;
