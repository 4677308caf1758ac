import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import type { CommandInput, CommandOutputBody } from '../../http/schemas.ts';
import { clusterOf, connect, type Connection, type Options } from '../connect.ts';
import { digestOf, note, readHistory } from '../history.ts';
import type { Host } from '../host.ts';
import { NotRun, UsageError } from '../exits.ts';
import { runToEnd } from '../run-to-end.ts';
import { collectUploads } from '../uploads/collect.ts';
import { fetchWhatThePodMayNot, helmOfThisMachine } from '../uploads/fetched.ts';
import { UploadRefused } from '../uploads/upload.ts';

/** `aksgw kubectl …`, `aksgw helm …`. Throws UsageError, UploadRefused, NotRun, GatewayProblem where nothing was run. */
export async function relay(argv: readonly string[], options: Options, host: Host): Promise<number> {
  const here = argv[0] === 'helm' ? await helmOfThisMachine(argv, host) : undefined;
  if (here !== undefined) return here;
  const connection = await connect(options, host);
  const cluster = clusterOf(connection);
  const following = followable.test(argv.join(' ')) ? (await import('../follow/follow.ts')).followed(argv) : undefined;
  if (following) return following({ ...connection, cluster }, host);
  const command = await commandOf(argv, host);
  return send(connection, cluster, command, options, host);
}

/** Whether it is worth a closer look. */
const followable = /^kubectl .*\b(?:logs|get)\b/s;

/** A command with the files that it names, but for those that are `given`, and standard input where it reads that. */
export async function commandOf(
  argv: readonly string[],
  host: Host,
  given: NonNullable<CommandInput['files']> = [],
): Promise<CommandInput> {
  const fetched = await fetchWhatThePodMayNot(argv, host);
  const beside = [...given, ...fetched.files];
  const { argv: words, files: own, stdin } = collectUploads(fetched.argv, host.cwd(), beside);
  const files = [...own, ...beside];
  return {
    argv: [...words],
    ...(files.length > 0 && { files }),
    ...(stdin && { stdin: await readAll(host.stdin) }),
  };
}

async function send(
  { client, url, reason }: Connection,
  cluster: string,
  given: CommandInput,
  options: Options,
  host: Host,
): Promise<number> {
  const { timeoutSeconds } = options;
  const command = {
    ...given,
    ...(reason !== undefined && { reason }),
    ...(timeoutSeconds !== undefined && { timeoutSeconds }),
  };
  const { argv = [], files = [], stdin } = command;
  const hashed = files.map(({ path, contentBase64 = '' }) => ({
    path,
    sha256: digestOf(Buffer.from(contentBase64, 'base64')),
  }));
  const onAccepted = (id: string): void =>
    void note(
      {
        id,
        url,
        cluster,
        argv,
        at: new Date().toISOString(),
        cwd: host.cwd(),
        files: hashed,
        stdin: stdin !== undefined,
        reason,
      },
      host,
    );
  const unpack = options.json || !copies.test(argv.join(' ')) ? undefined : await unpackerOf(argv, host);
  const start = async (to: Parameters<typeof client.run>[2]) => {
    const record = await client.run(cluster, command, to);
    if (host.stdout.isTTY) (await import('./completion.ts')).rememberNames(argv, record.stdout, host);
    return unpack ? unpack(record) : record;
  };
  return runToEnd(host, { client, idempotencyKey: randomUUID(), start, onAccepted }, options);
}

const copies = /^kubectl .*\bcp\b/s;

/** What becomes of the archive of `kubectl cp POD:PATH FILE`. */
async function unpackerOf(argv: readonly string[], host: Host) {
  const { copyOf, unpacked } = await import('./copied.ts');
  const copy = copyOf(argv, host.cwd());
  return copy && ((record: CommandOutputBody) => unpacked(record, copy, host));
}

/** `aksgw rerun ID`: the same words and files again, as a new command. Throws NotRun, with the name of what is gone. */
export async function rerun(id: string, options: Options, host: Host): Promise<number> {
  const entry = readHistory(host).find((one) => one.id === id);
  if (!entry) throw new NotRun(`${id} was not sent from here: only the wrapper's own history has what to send again`);
  const { argv, url, cluster, cwd, files, stdin } = entry;
  if (argv === undefined) throw new NotRun(`${id} had data among its words, and that is not kept: type it again`);
  if (stdin) throw new NotRun(`${id} read standard input, which is not kept: type it again`);
  const connection = await connect({ ...options, url: options.url ?? url }, host);
  if (connection.url !== url) throw new UsageError(`${id} was sent to ${url}, and not to ${connection.url}`);
  let command: CommandInput;
  try {
    command = await commandOf(argv, { ...host, cwd: () => cwd });
  } catch (error) {
    if (!(error instanceof UploadRefused)) throw error;
    throw new NotRun(`${id} cannot be sent again: ${error.message} (in ${cwd})`, { cause: error });
  }
  const now = new Map((command.files ?? []).map((file) => [file.path, file.contentBase64 ?? '']));
  for (const { path, sha256 } of files) {
    const content = now.get(path);
    if (content === undefined) throw new NotRun(`${id} cannot be sent again: ${path} is gone (from ${cwd})`);
    if (digestOf(Buffer.from(content, 'base64')) !== sha256)
      throw new NotRun(`${id} cannot be sent again: ${path} has changed since (in ${cwd}); type the command again`);
  }
  const again = { ...connection, reason: options.reason ?? entry.reason };
  return send(again, options.cluster ?? cluster, command, options, host);
}

async function readAll(stream: Host['stdin']): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array));
  const bytes = Buffer.concat(chunks);
  if (!isUtf8(bytes)) throw new UploadRefused('standard input is not UTF-8 text; put it into a file and name that');
  return bytes.toString('utf8');
}
