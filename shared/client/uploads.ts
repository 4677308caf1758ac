import { readFileSync, readdirSync, statSync } from 'node:fs';
import { isAbsolute, join, normalize, sep } from 'node:path';

export interface Upload {
  readonly path: string;
  readonly contentBase64: string;
}

/** What cannot be sent as it is; the message tells the person what to do. */
export class UploadRefused extends Error {
  override readonly name = 'UploadRefused';
}

/** kubectl's and helm's flags whose value names a local file, folder, or `key=file`. */
const FILE_FLAGS = ['--filename', '--from-file', '--from-env-file', '--patch-file', '--values', '--set-file'];
const MOST_FILES = 1_000;
const MOST_BYTES = 8 * 1024 * 1024;

/** The files that a command names, read from the working folder, and whether it reads standard input (`-f -`). */
export function collectUploads(
  argv: readonly string[],
  folder: string,
): { readonly files: readonly Upload[]; readonly stdin: boolean } {
  const tool = argv[0] === 'helm' ? 'helm' : 'kubectl';
  const verb = argv.slice(1).find((word) => !word.startsWith('-'));
  const named = namedPaths(argv, verb === 'logs' ? [] : ['-f']); // kubectl logs -f follows
  const wanted = tool === 'helm' ? [...named, ...chartsAmong(argv, folder)] : named;
  const files = new Map<string, Upload>();
  let bytes = 0;
  for (const path of wanted.filter((path) => path !== '-' && !/^https?:/.test(path))) {
    for (const file of filesBelow(relativePath(path), folder)) {
      const content = readFileSync(join(folder, file));
      bytes += content.length;
      if (files.size >= MOST_FILES || bytes > MOST_BYTES) {
        throw new UploadRefused(
          `more than ${MOST_FILES} files or ${MOST_BYTES / 1024 / 1024} MiB would be uploaded; name fewer`,
        );
      }
      files.set(file, { path: file, contentBase64: content.toString('base64') });
    }
  }
  return { files: [...files.values()], stdin: named.includes('-') };
}

function namedPaths(argv: readonly string[], short: readonly string[]): string[] {
  const paths: string[] = [];
  for (let at = 1; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (word === '--') break;
    const flag = FILE_FLAGS.find((name) => word === name || word.startsWith(`${name}=`));
    if (flag) paths.push(word === flag ? (argv[++at] ?? '') : word.slice(flag.length + 1));
    else if (short.includes(word)) paths.push(argv[++at] ?? '');
    else {
      const joined = short.find((name) => word.startsWith(name) && !word.startsWith('--'));
      if (joined) paths.push(word.slice(joined.length).replace(/^=/, ''));
    }
  }
  return paths
    .flatMap((value) => value.split(','))
    .map((value) => (/^[\w.-]+=(?!$)/.test(value) ? value.slice(value.indexOf('=') + 1) : value));
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

function filesBelow(path: string, folder: string): string[] {
  const full = join(folder, path);
  if (isFile(full)) return [path];
  if (!statSync(full, { throwIfNoEntry: false })?.isDirectory()) throw new UploadRefused(`${path} does not exist`);
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      normalize(join(path, entry.parentPath.slice(full.length), entry.name))
        .split(sep)
        .join('/'),
    )
    .sort();
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;
