import type { RequestFile, SentFile } from './invocation.ts';
import { refuse } from '../lib/refuse.ts';
import { canonicalPath, findCollision, foldCase, pathFault } from './paths.ts';

const MOST_FILES = 500;
/** All uploads together. Azure's own limit for the context is not documented (413 was seen); the body limit comes first. */
const MOST_BYTES = 32 * 1024 * 1024;

/** The files that came with a request, under checked names. Only those that the command uses are sent. */
export interface Uploads {
  /** The content under a path, however it is spelt, or undefined. */
  get(path: string): Uint8Array | undefined;
  /** A file that the verb reads and rewrites. Throws Problem `command-refused` when it was not uploaded. */
  find(path: string): SentFile;
  /**
   * Marks a file as data that goes out under its own name, as it is or as `rewritten`. Throws Problem `command-refused` when it was
   * not uploaded, or is used in both ways.
   */
  use(path: string, rewritten?: Uint8Array): SentFile;
  /** Goes out beside what was uploaded: what the verb made of it. Throws Problem `command-refused` where there is another of that name. */
  add(file: SentFile): void;
  /** Paths below a folder, sorted as kubectl walks them. */
  below(folder: string): string[];
  /** Those of them that are in the folder itself. */
  filesIn(folder: string): string[];
  /** What was marked. */
  readonly used: readonly SentFile[];
}

// An uploaded `kubectl` or `.kube/kuberc` in the working folder could stand in for the tool or feed it flags (kubectl's plugins and
// KEP-3104). A folder runs nothing: `helm/web/Chart.yaml` is what many projects have.
const toolNames = /^(?:kubectl|helm|(?:kubectl|helm)[-_][^.]*)(?:\.exe)?$/u;
const hiddenFolders = new Set(['.kube', '.aksgw', '.config', '.cache', '.docker', '.helm', '.azure', '.ssh']);

/** The path in its one spelling, or a refusal. */
export function checkPath(path: string): string {
  const checked = pathFault(path);
  if ('fault' in checked) throw refuse(path, checked.fault);
  const { canonical: clean } = checked;
  const no = (why: string): Error => refuse(path, why);
  const segments = clean.split('/');
  for (const segment of segments) {
    if (segment.startsWith('-')) throw no('has a part that could be taken for a flag');
    if (hiddenFolders.has(foldCase(segment))) throw no(`${segment} is where a tool keeps its settings`);
  }
  const name = segments.at(-1) ?? '';
  if (toolNames.test(foldCase(name))) throw no(`${name} could be run in place of a tool`);
  return clean;
}

/** Checks every name (absolute paths, `..`, case collisions, shadowed tools) and gives access to the contents. */
export const createUploads = (files: readonly RequestFile[]): Uploads =>
  files.length === 0 ? noUploads : uploadsOf(indexFiles(files));

const isMissing = (path: string): never => {
  throw notUploaded(path);
};
/** Of a request without files, as most are. */
const noUploads: Uploads = {
  get: () => undefined,
  find: isMissing,
  use: isMissing,
  add: ({ path }) => isMissing(path),
  below: () => [],
  filesIn: () => [],
  used: [],
};

function uploadsOf(contents: ReadonlyMap<string, Uint8Array>): Uploads {
  const used = new Map<string, SentFile>();
  const get = (path: string): Uint8Array | undefined => contents.get(canonicalPath(path) ?? '');
  const find = (path: string): SentFile => {
    const bytes = get(path);
    if (bytes === undefined) throw notUploaded(path);
    return { path: checkPath(path), bytes };
  };
  const below = (folder: string): string[] => {
    const clean = canonicalPath(folder);
    if (clean === undefined) return [];
    const prefix = clean === '' ? '' : `${clean}/`;
    return [...contents.keys()].filter((path) => path.startsWith(prefix)).sort();
  };
  return {
    get,
    find,
    use: (path, rewritten) => {
      const found = find(path);
      const file = { ...found, bytes: rewritten ?? found.bytes };
      const before = used.get(file.path)?.bytes;
      if (before !== undefined && Buffer.compare(before, file.bytes) !== 0) throw usedTwice(file.path);
      used.set(file.path, file);
      return file;
    },
    add: (file) => {
      if (contents.has(file.path)) throw usedTwice(file.path);
      used.set(file.path, file);
    },
    below,
    filesIn: (folder) => {
      const depth = depthOf(folder) + 1;
      return below(folder).filter((path) => depthOf(path) === depth);
    },
    get used() {
      return [...used.values()];
    },
  };
}

const depthOf = (path: string): number => canonicalPath(path)?.split('/').filter(Boolean).length ?? 0;

export const usedTwice = (path: string): Error =>
  refuse(path, 'is used in two ways by one command; send it under two names');

export const notUploaded = (path: string): Error =>
  refuse(path, 'was not sent with the request; a command can read no other files');

function indexFiles(files: readonly RequestFile[]): ReadonlyMap<string, Uint8Array> {
  if (files.length > MOST_FILES) throw refuse(`${files.length} files`, `at most ${MOST_FILES} files can be sent`);
  const contents = new Map<string, Uint8Array>();
  const paths = files.map(({ path }) => {
    const clean = checkPath(path);
    // A command may spell a path as it likes; what is sent has one name from the start.
    if (path !== clean && path !== `./${clean}`) throw refuse(path, `is spelt ${clean}`);
    return clean;
  });
  const twice = findCollision(paths);
  if (twice !== undefined) {
    throw refuse(twice, 'is there twice, or differs from another path only in case, or is both a file and a folder');
  }
  let bytes = 0;
  files.forEach((file, index) => {
    const path = paths[index] ?? '';
    bytes += file.bytes.byteLength;
    if (bytes > MOST_BYTES) throw refuse(path, `the files together are larger than ${MOST_BYTES} bytes`);
    contents.set(path, file.bytes);
  });
  return contents;
}
