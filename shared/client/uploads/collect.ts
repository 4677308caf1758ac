import { readFileSync, statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { chartAt, fileFlagOf, outputFiles, type FileFlag } from '../../command/grammar/file-flags.ts';
import { readArgv, type FlagUse, type ReadArgv } from './argv.ts';
import { openFolder, type Folder } from './folder.ts';
import { UploadRefused, type Upload } from './upload.ts';
import { chartFiles, everything, expand, manifestsBelow } from './walks.ts';

interface Collected {
  /** With each path in the spelling that it is sent under. */
  readonly argv: readonly string[];
  readonly files: readonly Upload[];
  /** Whether it reads standard input (`-f -`). */
  readonly stdin: boolean;
}

/** A file that is sent with the command and not read here. */
type Beside = Pick<Upload, 'path'> & Partial<Upload>;

/** The gateway's own limits (shared/command/files.ts, and limits.bodyBytes unless an operator gave more), told before anything is sent. */
const MOST_FILES = 500;
const MOST_BYTES = 6 * 1024 * 1024; // 8 MiB of body hold so much in Base64

/** An argv whose files are being collected. */
interface Collection {
  readonly read: ReadArgv;
  readonly folder: Folder;
  readonly beside: readonly Beside[];
  /** The argv, each path in the spelling that it is sent under. */
  readonly words: string[];
  /** Of the files that are to be sent. */
  readonly paths: Set<string>;
  stdin: boolean;
}

/**
 * The files that a command names and that are not sent `beside` them, read from the working folder as the tool would read them. Throws UploadRefused, by name, for what the tool
 * would read and the gateway cannot have.
 */
export function collectUploads(argv: readonly string[], cwd: string, beside: readonly Beside[] = []): Collected {
  const read = readArgv(argv);
  if (!read) return { argv, files: [], stdin: false };
  const folder = openFolder(cwd);
  const collection: Collection = { read, folder, beside, words: [...argv], paths: new Set(), stdin: false };
  for (const use of read.flags) addFlag(collection, use);
  if (read.tool === 'helm') addChart(collection);
  if (read.tool === 'kubectl' && read.path[0] === 'cp') addCopied(collection);
  const { words, paths, stdin } = collection;
  return { argv: words, files: load([...paths], folder, beside), stdin };
}

function addFlag(collection: Collection, { flag, value, at, from }: FlagUse): void {
  const { read, words } = collection;
  const sent = addValue(collection, fileFlagOf(read.tool, read.path, flag.name), value);
  if (sent !== undefined) words[at] = `${(words[at] ?? '').slice(0, from)}${sent}`;
}

/** The value of a flag as it is sent; undefined for one that names no file. */
function addValue(collection: Collection, kind: FileFlag | undefined, value: string): string | undefined {
  const one = (path: string): string => addFile(collection, path);
  switch (kind) {
    case 'manifests':
      return listed(value, (path) => addManifests(collection, path));
    case 'files':
      return listed(value, one);
    case 'file':
      return one(value);
    case 'keyed':
      return listed(value, (item) => addKeyed(collection, item));
    case 'key-path':
      return listed(value, (pair) => pair.replace(/=(.*)$/s, (_, path: string) => `=${one(path)}`));
    case 'output': {
      const [, format = '', path = ''] = outputFiles.exec(value) ?? [];
      return format === '' ? undefined : `${format}=${one(path)}`;
    }
    case 'template':
      return isFileFormat(collection.read) ? one(value) : undefined;
    case 'kustomization':
    case undefined:
      return undefined;
  }
}

// Each of these adds what a path names, and gives the path as it is sent.

function addFile(collection: Collection, path: string): string {
  const { folder, paths } = collection;
  if (path === '') throw new UploadRefused('a flag that takes a file has no value');
  if (path === '-') {
    collection.stdin = true;
    return path;
  }
  if (isBeside(collection, path)) return path;
  const plain = folder.plain(path);
  if (!folder.isFile(plain))
    throw new UploadRefused(`${path} ${folder.isFolder(plain) ? 'is a folder' : 'does not exist'}`);
  paths.add(plain);
  return plain;
}

/** kubectl's own walk (k8s.io/cli-runtime, pkg/resource, ExpandPathsToFileVisitors): links to folders are not followed below the one named. */
function addManifests(collection: Collection, path: string): string {
  const { folder, read } = collection;
  if (path === '-' || path === '') return addFile(collection, path);
  if (/^https?:/.test(path) || isBeside(collection, path)) return path;
  const plain = folder.plain(path);
  if (folder.isFile(plain)) return addFile(collection, path);
  if (folder.isFolder(plain)) {
    if (folder.isLink(plain) && !/[/\\.]$/.test(path))
      throw new UploadRefused(`${path} is a link to a folder, which kubectl reads only as ${path}/`);
    addAll(collection, manifestsBelow(plain, isRecursive(read), folder));
    return orHere(plain);
  }
  const found = /[*?[]/.test(path) ? expand(plain, folder) : [];
  if (found.length === 0) throw new UploadRefused(`${path} does not exist`);
  for (const match of found) addManifests(collection, match);
  return plain;
}

function addKeyed(collection: Collection, item: string): string {
  const { folder } = collection;
  const equals = item.indexOf('=');
  const [key, path] = equals === -1 ? ['', item] : [item.slice(0, equals + 1), item.slice(equals + 1)];
  const plain = path === '' || path === '-' ? '' : folder.plain(path);
  if (path === '' || path === '-' || !folder.isFolder(plain)) return `${key}${addFile(collection, path)}`;
  // kubectl takes the regular files right in a folder, and no links (pkg/cmd/create, handleConfigMapFromFileSources).
  const files = folder.entries(plain).filter(({ kind, link }) => kind === 'file' && !link);
  addAll(
    collection,
    files.map((entry) => entry.path),
  );
  return `${key}${orHere(plain)}`;
}

function addChart(collection: Collection): void {
  const { folder, words } = collection;
  const at = placeOfChart(collection);
  const word = at === undefined ? undefined : words[at];
  if (at === undefined || word === undefined || /^[a-z]+:\/\//.test(word) || isBeside(collection, word)) return;
  const plain = chartPath(word, folder);
  if (plain === undefined) return;
  if (folder.isFile(plain)) words[at] = addFile(collection, word);
  else if (folder.isFolder(plain)) {
    addAll(collection, chartFiles(plain, folder));
    if (collection.read.path[0] === 'lint') addAll(collection, linted(plain, folder));
    words[at] = plain === '' ? '.' : `./${plain}`;
  } else if (/^[./]/.test(word)) throw new UploadRefused(`${word} does not exist`);
}

/** `cp`: what is copied into a pod; for the other way, where it goes. */
function addCopied(collection: Collection): void {
  const { folder, read, words } = collection;
  const [from, to] = read.args;
  if (from === undefined || to === undefined) return;
  const word = words[from] ?? '';
  if (word.includes(':')) {
    const destination = words[to] ?? '';
    // The wrapper writes there what comes, below the working folder alone.
    if (isAbsolute(destination)) words[to] = orHere(folder.plain(destination));
    return;
  }
  const plain = folder.plain(word);
  if (folder.isFolder(plain)) addAll(collection, everything(plain, folder));
  else addFile(collection, word);
  words[from] = orHere(plain);
}

const addAll = ({ paths }: Collection, found: readonly string[]): void => found.forEach((path) => paths.add(path));

/** What was fetched or given for this command is not a file of the folder. */
function isBeside({ beside }: Collection, path: string): boolean {
  const plain = path.replace(/^\.\//, '');
  return beside.some((file) => file.path === plain || file.path.startsWith(`${plain}/`));
}

/** Which word of a helm command names its chart. */
function placeOfChart({ read: { path, args, flags }, words }: Collection): number | undefined {
  const place = chartAt[path.join(' ')]?.(
    args.map((at) => words[at] ?? ''),
    new Set(flags.map(({ flag }) => flag.name)),
  );
  return place === undefined ? undefined : args[place];
}

/** The path of a chart; undefined for the name of one in a repository. */
const chartPath = (word: string, folder: Folder): string | undefined =>
  /^[./~]|\\/.test(word) || folder.isFolder(word) || folder.isFile(word) ? folder.plain(word) : undefined;

/** helm lint looks at these two by itself, whatever `.helmignore` says (helm pkg/lint/rules). */
const linted = (chart: string, folder: Folder): readonly string[] =>
  ['Chart.yaml', 'values.yaml'].map((name) => (chart === '' ? name : `${chart}/${name}`)).filter(folder.isFile);

/** The working folder itself has no other name. */
const orHere = (plain: string): string => (plain === '' ? '.' : plain);

const isRecursive = ({ flags }: ReadArgv): boolean =>
  flags.some(({ flag, value }) => flag.name === 'recursive' && /^(?:1|t|true)$/i.test(value));

/** Of a comma-separated list each item. What has quotes is CSV of its own, and stays as it is unless it is one item. */
function listed(value: string, change: (item: string) => string): string {
  const quoted = /^"((?:[^"]|"")*)"$/.exec(value)?.[1]?.replaceAll('""', '"');
  const items = quoted === undefined ? value.split(',') : [quoted];
  return items
    .map(change)
    .map((item) => (/[",]/.test(item) ? `"${item.replaceAll('"', '""')}"` : item))
    .join(',');
}

const isFileFormat = ({ flags }: ReadArgv): boolean =>
  flags.some(
    ({ flag, value }) => flag.name === 'output' && /^(?:go-template-file|templatefile|jsonpath-file)$/.test(value),
  );

function load(paths: readonly string[], folder: Folder, beside: readonly Beside[] = []): readonly Upload[] {
  const count = paths.length + beside.length;
  if (count > MOST_FILES)
    throw new UploadRefused(`${count} files would be sent, and a gateway takes ${MOST_FILES}; name fewer`);
  let bytes = beside.reduce((sum, file) => sum + Buffer.byteLength(file.contentBase64 ?? '', 'base64'), 0);
  return paths.map((path) => {
    const full = folder.full(path);
    bytes += statSync(full).size; // before it is read: it may be larger than memory
    if (bytes > MOST_BYTES)
      throw new UploadRefused(
        `${path} and those before it are more than the ${MOST_BYTES / 1024 / 1024} MiB that a gateway takes`,
      );
    return { path, contentBase64: readFileSync(full).toString('base64') };
  });
}

/** A chart's files, from a folder that is not the person's working folder. */
export function collectChart(chart: string, cwd: string): readonly Upload[] {
  const folder = openFolder(cwd);
  return load(chartFiles(chart, folder), folder);
}
