import type { RequestFile, SentFile } from './invocation.ts';
import { refuse } from '../lib/refuse.ts';

const MOST_FILES = 500;
const LONGEST_PATH = 240;
/** All uploads together. Azure's own limit for the context is not documented (413 was seen); the body limit comes first. */
const MOST_BYTES = 32 * 1024 * 1024;

/** The files that came with a request, under checked names. Only those that the command uses are sent. */
export interface Uploads {
  /** The content under a path, or undefined. `./` in front is dropped. */
  get(path: string): Uint8Array | undefined;
  /** A file that the verb reads and writes anew. Throws Problem `command-refused` when it was not uploaded. */
  find(path: string): SentFile;
  /** Marks a file as data that goes out as it is, under its own name. Throws Problem `command-refused` when it was not uploaded. */
  use(path: string): SentFile;
  /** Paths below a folder, sorted as kubectl walks them. */
  below(folder: string): string[];
  /** What was marked. */
  readonly used: readonly SentFile[];
}

// An uploaded `kubectl` or `.kube/kuberc` in the working folder could stand in for the tool or feed it flags (attacks 23, 24).
const TOOL_NAMES = /^(?:kubectl|helm|(?:kubectl|helm)[-_][^.]*)(?:\.exe)?$/u;
const HIDDEN_FOLDERS = new Set(['.kube', '.aksgw', '.config', '.cache', '.docker', '.helm', '.azure', '.ssh']);

/** The path in its one spelling, or a refusal. */
export function checkPath(path: string): string {
  const clean = path.startsWith('./') ? path.slice(2) : path;
  const no = (why: string): Error => refuse(path, why);
  if (clean === '') throw no('is not the path of a file');
  if (clean.length > LONGEST_PATH) throw no(`is longer than ${LONGEST_PATH} characters`);
  if (clean.startsWith('/') || /^[A-Za-z]:/u.test(clean))
    throw no('is not relative; only files sent with the request can be used');
  if (clean.includes('\\')) throw no('has a backslash; folders are parted by forward slashes');
  if (/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u.test(clean)) throw no('has a control or invisible character');
  if (clean !== clean.normalize('NFC')) throw no('is not in Unicode normal form C');
  for (const segment of clean.split('/')) {
    if (segment === '' || segment === '.' || segment === '..') throw no('leaves its folder or has an empty part');
    if (segment.startsWith('-')) throw no('has a part that could be taken for a flag');
    const lower = segment.toLowerCase();
    if (HIDDEN_FOLDERS.has(lower)) throw no(`${segment} is where a tool keeps its settings`);
    if (TOOL_NAMES.test(lower)) throw no(`${segment} could be run in place of a tool`);
  }
  return clean;
}

/** Checks every name (facts: absolute paths, `..`, case collisions, shadowed tools) and gives access to the contents. */
export function createUploads(files: readonly RequestFile[]): Uploads {
  const contents = files.length === 0 ? undefined : indexFiles(files);
  const used = new Map<string, SentFile>();
  const get = (path: string): Uint8Array | undefined => contents?.get(path.startsWith('./') ? path.slice(2) : path);
  const find = (path: string): SentFile => {
    const bytes = get(path);
    if (bytes === undefined) throw notUploaded(path);
    return { path: checkPath(path), bytes };
  };
  return {
    get,
    find,
    use: (path) => {
      const file = find(path);
      used.set(file.path, file);
      return file;
    },
    below: (folder) => {
      if (contents === undefined) return [];
      const clean = folder.replace(/^\.\//u, '').replace(/\/$/u, '');
      const prefix = clean === '.' || clean === '' ? '' : `${clean}/`;
      return [...contents.keys()].filter((path) => path.startsWith(prefix)).sort();
    },
    get used() {
      return [...used.values()];
    },
  };
}

export const notUploaded = (path: string): Error =>
  refuse(path, 'was not sent with the request; a command can read no other files');

function indexFiles(files: readonly RequestFile[]): ReadonlyMap<string, Uint8Array> {
  if (files.length > MOST_FILES) throw refuse(`${files.length} files`, `at most ${MOST_FILES} files can be sent`);
  const contents = new Map<string, Uint8Array>();
  const folded = new Map<string, { readonly spelling: string; readonly file: boolean }>();
  let bytes = 0;
  for (const file of files) {
    const path = checkPath(file.path);
    bytes += file.bytes.byteLength;
    if (bytes > MOST_BYTES) throw refuse(path, `the files together are larger than ${MOST_BYTES} bytes`);
    const segments = path.split('/');
    for (let depth = 1; depth <= segments.length; depth++) {
      const spelling = segments.slice(0, depth).join('/');
      const file = depth === segments.length;
      const before = folded.get(spelling.toLowerCase());
      if (before !== undefined && (before.file || file || before.spelling !== spelling)) {
        throw refuse(path, 'is there twice, or differs from another path only in case, or is both a file and a folder');
      }
      folded.set(spelling.toLowerCase(), { spelling, file });
    }
    contents.set(path, file.bytes);
  }
  return contents;
}
