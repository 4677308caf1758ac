import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chartAt, fileFlagOf } from '../../command/grammar/file-flags.ts';
import { tell, type Host } from '../host.ts';
import { findProgram, runProgram } from '../programs.ts';
import { readText, reasonOf, send, type HttpAnswer } from '../transport.ts';
import { readArgv, type FlagUse, type ReadArgv } from './argv.ts';
import { collectChart } from './collect.ts';
import { UploadRefused, type Upload } from './upload.ts';

interface Fetched {
  readonly argv: readonly string[];
  readonly files: readonly Upload[];
}

const MS = 120_000;
const MOST_BYTES = 6 * 1024 * 1024;
const MOST_REDIRECTS = 5;
/** Where it stands among the files sent; no folder of the person's own is called like this. */
const PLACE = 'aksgw-fetched';

/**
 * What a pod may not fetch, this machine fetches, and the command is rewritten to name it: `-f https://…`, `-k` with the kubectl here, a
 * chart of a repository or a registry with the helm here. It is then judged like any other file. Throws UploadRefused.
 */
export async function fetchWhatThePodMayNot(argv: readonly string[], host: Host): Promise<Fetched> {
  const read = readArgv(argv);
  if (!read) return { argv, files: [] };
  const words: (string | undefined)[] = [...argv];
  const files: Upload[] = [];
  const keep = (name: string, bytes: Uint8Array): string => {
    const path = `${PLACE}/${name}`;
    files.push({ path, contentBase64: Buffer.from(bytes).toString('base64') });
    return path;
  };
  for (const use of read.flags) {
    const kind = fileFlagOf(read.tool, read.path, use.flag.name);
    if (kind === 'kustomization') {
      const path = keep(`kustomized-${files.length}.yaml`, await kustomized(use.value, host));
      replaceFlag(words, use, path);
    } else if (kind === 'manifests' || (kind === 'files' && read.tool === 'helm')) {
      const items = await Promise.all(
        use.value.split(',').map(async (item, index) => {
          if (!/^https?:\/\//i.test(item)) return item;
          return keep(`fetched-${files.length}-${index}.yaml`, await download(item, host));
        }),
      );
      if (items.join(',') !== use.value)
        words[use.at] = `${(words[use.at] ?? '').slice(0, use.from)}${items.join(',')}`;
    }
  }
  if (read.tool === 'helm') {
    await updateDependencies(read, words, host);
    files.push(...(await remoteChart(read, words, host)));
  }
  return { argv: words.filter((word) => word !== undefined), files };
}

/** `-k folder` becomes `-f file`. */
function replaceFlag(words: (string | undefined)[], { at, nameAt }: FlagUse, path: string): void {
  words[nameAt] = `--filename=${path}`;
  if (at !== nameAt) words[at] = undefined;
}

async function kustomized(folder: string, host: Host): Promise<Uint8Array> {
  const kubectl = findProgram('kubectl', host.env);
  const kustomize = kubectl ? undefined : findProgram('kustomize', host.env);
  const program = kubectl ?? kustomize;
  if (program === undefined)
    throw new UploadRefused(
      `-k ${folder}: is built on this machine, and there is no kubectl and no kustomize on the PATH`,
    );
  const words = kubectl ? ['kustomize', folder] : ['build', folder];
  const { code, stdout, stderr } = await run(program, words, host);
  if (code !== 0) throw new UploadRefused(`-k ${folder}: ${stderr.trim()}`);
  return stdout;
}

const run = (program: string, words: readonly string[], { env, cwd, signal }: Host) =>
  runProgram(program, words, { env, cwd: cwd(), ms: MS, signal, mostBytes: MOST_BYTES });

/** A manifest from the web, with this machine's eyes: no token goes along. Redirects are followed from https to https alone. */
async function download(address: string, { signal }: Host): Promise<Uint8Array> {
  let url = address;
  for (let hop = 0; hop <= MOST_REDIRECTS; hop++) {
    let answer: HttpAnswer;
    try {
      answer = await send(url, { method: 'GET', headers: { accept: '*/*' }, ...(signal && { signal }) });
    } catch (error) {
      throw new UploadRefused(reasonOf(error, url), { cause: error });
    }
    const next = answer.headers.get('location');
    if (answer.status >= 300 && answer.status < 400 && next !== null) {
      const to = new URL(next, url);
      if (to.protocol !== 'https:') throw new UploadRefused(`${url} redirects to ${to.href}, which is not https`);
      url = to.href;
      continue;
    }
    if (answer.status !== 200) throw new UploadRefused(`${url} answers ${answer.status}`);
    return Buffer.from(await readText(answer, MOST_BYTES), 'utf8');
  }
  throw new UploadRefused(`${address} redirects too many times`);
}

/** `--dependency-update` is done here, to the chart's own folder, as helm does it. */
async function updateDependencies(
  { path, args, flags }: ReadArgv,
  words: (string | undefined)[],
  host: Host,
): Promise<void> {
  const asked = flags.find(({ flag, value }) => flag.name === 'dependency-update' && value === 'true');
  const place = chartAt[path.join(' ')]?.(
    args.map((at) => words[at] ?? ''),
    new Set(),
  );
  const chart = place === undefined ? undefined : words[args[place] ?? -1];
  if (!asked || chart === undefined) return;
  const { code, stderr } = await run(
    helmHere(`--dependency-update of ${chart}`, host),
    ['dependency', 'update', chart],
    host,
  );
  if (code !== 0) throw new UploadRefused(`${chart}: ${stderr.trim()}`);
  words[asked.nameAt] = undefined;
}

/** helm of this machine. Throws UploadRefused, with the name of what it is needed for. */
function helmHere(what: string, { env }: Host): string {
  const helm = findProgram('helm', env);
  if (helm !== undefined) return helm;
  throw new UploadRefused(`${what} is done on this machine, and there is no helm on the PATH`);
}

/** `helm dependency build` and `update` change a folder of this machine, and need no cluster: undefined for anything else. */
export async function helmOfThisMachine(argv: readonly string[], host: Host): Promise<number | undefined> {
  const read = readArgv(argv);
  if (read?.tool !== 'helm' || !/^dependency (?:build|update)$/.test(read.path.join(' '))) return undefined;
  const { code, stdout, stderr } = await run(helmHere(`helm ${read.path.join(' ')}`, host), argv.slice(1), host);
  host.stdout.write(stdout);
  host.stderr.write(stderr);
  return code;
}

/** Flags that say where a chart comes from: the helm here has them, and the pod has the chart. */
const ofTheSource = new Set([
  'repo',
  'version',
  'devel',
  'username',
  'password',
  'pass-credentials',
  'plain-http',
  'ca-file',
  'cert-file',
  'key-file',
  'insecure-skip-tls-verify',
  'keyring',
  'verify',
]);

async function remoteChart(
  { path, args, flags }: ReadArgv,
  words: (string | undefined)[],
  host: Host,
): Promise<readonly Upload[]> {
  const place = chartAt[path.join(' ')]?.(
    args.map((at) => words[at] ?? ''),
    new Set(),
  );
  const at = place === undefined ? undefined : args[place];
  const chart = at === undefined ? undefined : words[at];
  if (at === undefined || chart === undefined || path[0] === 'dependency' || path[0] === 'lint') return [];
  const repo = flags.some(({ flag }) => flag.name === 'repo');
  const named =
    /^(?:oci|https?):\/\//.test(chart) ||
    repo ||
    (/^[\w.-]+\/[\w.-]+$/.test(chart) && !exists(join(host.cwd(), chart)));
  if (!named) return [];
  const helm = helmHere(`fetching ${chart} from its repository`, host);
  const folder = mkdtempSync(join(tmpdir(), 'aksgw-chart-'));
  try {
    const source = flags.filter(({ flag }) => ofTheSource.has(flag.name));
    const own = source.map(({ flag, value }) => `--${flag.name}=${value}`);
    tell(host, `fetching ${chart} with the helm of this machine`);
    const pulled = await run(helm, ['pull', chart, '--untar', '--untardir', folder, ...own], host);
    if (pulled.code !== 0) throw new UploadRefused(`${chart}: ${pulled.stderr.trim()}`);
    const [name] = readdirSync(folder).filter((entry) => statSync(join(folder, entry)).isDirectory());
    if (name === undefined) throw new UploadRefused(`${chart}: helm pull gave no chart`);
    const files = collectChart(name, folder).map((file) => ({ ...file, path: `${PLACE}/${file.path}` }));
    words[at] = `./${PLACE}/${name}`;
    for (const use of source) {
      words[use.nameAt] = undefined;
      if (use.at !== use.nameAt) words[use.at] = undefined;
    }
    return files;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;
