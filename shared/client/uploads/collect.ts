import { readFileSync, statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { chartAt, fileFlagOf, outputFiles } from '../../command/grammar/file-flags.ts';
import { readArgv, type ReadArgv } from './argv.ts';
import { openFolder, type Folder } from './folder.ts';
import { globOf, readHelmIgnore } from './helm-ignore.ts';
import { UploadRefused, type Upload } from './upload.ts';

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

/**
 * The files that a command names and that are not sent `beside` them, read from the working folder as the tool would read them. Throws UploadRefused, by name, for what the tool
 * would read and the gateway cannot have.
 */
export function collectUploads(argv: readonly string[], cwd: string, beside: readonly Beside[] = []): Collected {
  const read = readArgv(argv);
  if (!read) return { argv, files: [], stdin: false };
  const folder = openFolder(cwd);
  const words = [...argv];
  /** What was fetched or given for this command is no file of the folder. */
  const isFetched = (path: string): boolean => {
    const plain = path.replace(/^\.\//, '');
    return beside.some((file) => file.path === plain || file.path.startsWith(`${plain}/`));
  };
  const paths = new Set<string>();
  let stdin = false;
  const one = (path: string): string => {
    if (path === '') throw new UploadRefused('a flag that names a file has no file behind it');
    if (path === '-') {
      stdin = true;
      return path;
    }
    if (isFetched(path)) return path;
    const plain = folder.plain(path);
    if (!folder.isFile(plain))
      throw new UploadRefused(`${path} ${folder.isFolder(plain) ? 'is a folder' : 'does not exist'}`);
    paths.add(plain);
    return plain;
  };
  const add = (found: readonly string[]): void => found.forEach((path) => paths.add(path));

  const recursive = read.flags.some(({ flag, value }) => flag.name === 'recursive' && /^(?:1|t|true)$/i.test(value));
  for (const use of read.flags) {
    const { flag, value, at, from } = use;
    const kind = fileFlagOf(read.tool, read.path, flag.name);
    const rewritten = (text: string): void => {
      words[at] = `${(words[at] ?? '').slice(0, from)}${text}`;
    };
    switch (kind) {
      case 'manifests':
        rewritten(listed(value, (path) => manifests(path, recursive)));
        break;
      case 'files':
        rewritten(listed(value, one));
        break;
      case 'file':
        rewritten(one(value));
        break;
      case 'keyed':
        rewritten(listed(value, keyed));
        break;
      case 'key-path':
        rewritten(listed(value, (pair) => pair.replace(/=(.*)$/s, (_, path: string) => `=${one(path)}`)));
        break;
      case 'output': {
        const [, format = '', path = ''] = outputFiles.exec(value) ?? [];
        if (format !== '') rewritten(`${format}=${one(path)}`);
        break;
      }
      case 'template':
        if (isFileFormat(read)) rewritten(one(value));
        break;
      case 'kustomization':
      case undefined:
    }
  }
  if (read.tool === 'helm') chart(read);
  if (read.tool === 'kubectl' && read.path[0] === 'cp') copied(read);
  return { argv: words, files: load([...paths], folder, beside), stdin };

  /** kubectl's own walk (k8s.io/cli-runtime, pkg/resource, ExpandPathsToFileVisitors): links to folders are not followed below the one named. */
  function manifests(path: string, deep: boolean): string {
    if (path === '-' || path === '') return one(path);
    if (/^https?:/.test(path) || isFetched(path)) return path;
    const plain = folder.plain(path);
    if (folder.isFile(plain)) return one(path);
    if (folder.isFolder(plain)) {
      if (folder.isLink(plain) && !/[/\\.]$/.test(path))
        throw new UploadRefused(`${path} is a link to a folder, which kubectl reads only as ${path}/`);
      add(manifestsBelow(plain, deep, folder));
      return plain === '' ? '.' : plain;
    }
    const found = /[*?[]/.test(path) ? expand(plain, folder) : [];
    if (found.length === 0) throw new UploadRefused(`${path} does not exist`);
    for (const match of found) manifests(match, deep);
    return plain;
  }

  function keyed(item: string): string {
    const equals = item.indexOf('=');
    const [key, path] = equals === -1 ? ['', item] : [item.slice(0, equals + 1), item.slice(equals + 1)];
    const plain = path === '' || path === '-' ? '' : folder.plain(path);
    if (path === '' || path === '-' || !folder.isFolder(plain)) return `${key}${one(path)}`;
    // kubectl takes the regular files right in a folder, and no links (pkg/cmd/create, handleConfigMapFromFileSources).
    add(
      folder
        .entries(plain)
        .filter(({ kind, link }) => kind === 'file' && !link)
        .map((entry) => entry.path),
    );
    return `${key}${plain === '' ? '.' : plain}`;
  }

  function chart({ path, args, flags }: ReadArgv): void {
    const place = chartAt[path.join(' ')]?.(
      args.map((at) => words[at] ?? ''),
      new Set(flags.map(({ flag }) => flag.name)),
    );
    const at = place === undefined ? undefined : args[place];
    const word = at === undefined ? undefined : words[at];
    if (at === undefined || word === undefined || /^[a-z]+:\/\//.test(word) || isFetched(word)) return;
    const plain = inside(word);
    if (plain === undefined) return;
    if (folder.isFile(plain)) words[at] = one(word);
    else if (folder.isFolder(plain)) {
      add(chartFiles(plain, folder));
      // helm lint looks at these two by itself, whatever `.helmignore` says (helm pkg/lint/rules).
      if (path[0] === 'lint')
        add(
          ['Chart.yaml', 'values.yaml'].map((name) => (plain === '' ? name : `${plain}/${name}`)).filter(folder.isFile),
        );
      words[at] = plain === '' ? '.' : `./${plain}`;
    } else if (/^[./]/.test(word)) throw new UploadRefused(`${word} does not exist`);
  }

  /** The path of a chart that may also be the name of one in a repository. */
  function inside(word: string): string | undefined {
    return /^[./~]|\\/.test(word) || folder.isFolder(word) || folder.isFile(word) ? folder.plain(word) : undefined;
  }

  function copied({ args }: ReadArgv): void {
    const [at] = args;
    const word = at === undefined ? '' : (words[at] ?? '');
    const [, to] = args;
    if (at === undefined || to === undefined) return;
    if (word.includes(':')) {
      const destination = words[to] ?? '';
      // The wrapper writes there what comes, below the working folder alone.
      if (isAbsolute(destination)) words[to] = folder.plain(destination) || '.';
      return;
    }
    const plain = folder.plain(word);
    if (folder.isFolder(plain)) add(everything(plain, folder));
    else one(word);
    words[at] = plain === '' ? '.' : plain;
  }
}

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

function manifestsBelow(path: string, deep: boolean, folder: Folder): readonly string[] {
  return folder.entries(path).flatMap((entry) => {
    if (entry.kind === 'folder' && !entry.link) return deep ? manifestsBelow(entry.path, deep, folder) : [];
    if (!/\.(?:json|yaml|yml)$/.test(entry.name)) return [];
    if (entry.kind === 'file') return [entry.path];
    throw new UploadRefused(`${entry.path} is not a file that can be read: kubectl would end there too`);
  });
}

/** What helm loads of a chart (helm pkg/chart/loader, LoadDir): links followed, `.helmignore` heeded. */
function chartFiles(chart: string, folder: Folder): readonly string[] {
  const ignoreFile = chart === '' ? '.helmignore' : `${chart}/.helmignore`;
  const ignored = readHelmIgnore(folder.isFile(ignoreFile) ? readFileSync(folder.full(ignoreFile), 'utf8') : '');
  return below(chart, folder, (path, isFolder) =>
    ignored(chart === '' ? path : path.slice(chart.length + 1), isFolder),
  );
}

const everything = (path: string, folder: Folder): readonly string[] => below(path, folder, () => false);

/** All files below a folder, links followed. Throws UploadRefused for a link that leads back into itself. */
function below(
  start: string,
  folder: Folder,
  ignored: (path: string, isFolder: boolean) => boolean,
): readonly string[] {
  const walk = (path: string, above: readonly string[]): readonly string[] => {
    const full = folder.full(path);
    if (above.includes(full)) throw new UploadRefused(`${path} is a link to a folder that it lies in: a loop`);
    return folder.entries(path).flatMap((entry) => {
      if (ignored(entry.path, entry.kind === 'folder')) return [];
      if (entry.kind === 'folder') return walk(entry.path, [...above, full]);
      if (entry.kind === 'file') return [entry.path];
      throw new UploadRefused(`${entry.path} is ${entry.link ? 'a link to nothing' : 'no regular file'}`);
    });
  };
  return walk(start, []);
}

/** What a pattern fits, segment by segment, as Go's filepath.Glob. */
function expand(pattern: string, folder: Folder): readonly string[] {
  let found: readonly string[] = [''];
  for (const segment of pattern.split('/')) {
    const fits = globOf(segment);
    found = found.flatMap((path) =>
      path === '' || folder.isFolder(path)
        ? folder
            .entries(path)
            .filter(({ name }) => fits(name))
            .map((entry) => entry.path)
        : [],
    );
  }
  return found;
}

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
