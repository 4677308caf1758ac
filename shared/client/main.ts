import type { Host } from './host.ts';
import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { AnswerLost, createClient, GatewayProblem } from './client.ts';
import { printable } from '../lib/safe-text.ts';
import { tokenSource } from './token.ts';
import { collectUploads, UploadRefused } from './uploads.ts';

const usage = `aksgw: kubectl and helm on private AKS clusters, through the access gateway

  aksgw [options] kubectl …      as kubectl would: stdout, stderr and the exit code are the command's own
  aksgw [options] helm …
  aksgw audit verify [FOLDER]    checks an audit trail on this machine (see aksgw audit --help)
  aksgw policy test CASES        checks a policy against cases (see aksgw policy --help)
  aksgw doctor                   checks what is assumed about Azure, on a real cluster (see aksgw doctor --help)

Options, before the tool's name:
  --url URL           the gateway (AKSGW_URL)
  --cluster NAME      the cluster, as the gateway calls it (AKSGW_CLUSTER)
  --reason TEXT       why; recorded, and required by some rules (AKSGW_REASON)
  --timeout SECONDS   how long the command may run in the cluster

Files that the command names (-f, --values, --from-file, a chart's folder …) are uploaded; they must lie below the working folder.
The token comes from AKSGW_TOKEN, or else from the machine's Azure sign-in (az login, managed identity).

Exit codes: the command's own; 125 when it was not run; 126 when nobody knows whether it ran; 130 after Ctrl-C
(which cancels nothing); 2 for wrong usage of aksgw.
`;

const exits = { usage: 2, notRun: 125, unknown: 126, interrupted: 130 } as const;

interface Options {
  readonly url: string | undefined;
  readonly cluster: string | undefined;
  readonly reason: string | undefined;
  readonly timeoutSeconds: number | undefined;
}

class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Runs the wrapper; resolves with its exit code and never throws. */
export async function main(argv: readonly string[], host: Host): Promise<number> {
  try {
    const { options, rest } = readOptions(argv, host.env);
    switch (rest[0]) {
      case 'kubectl':
      case 'helm':
        return await relayed(rest, options, host);
      case 'audit':
      case 'policy':
      case 'doctor':
        return await (await import('./operator/main.ts')).operator(rest, host);
      case undefined:
      case 'help':
      case '--help':
      case '-h':
        host.stdout.write(usage);
        return rest[0] === undefined ? exits.usage : 0;
      default:
        throw new UsageError(`there is no ${JSON.stringify(rest[0])}; see aksgw --help`);
    }
  } catch (error) {
    if (error instanceof GatewayProblem) {
      const { code, detail, next } = error.problem;
      host.stderr.write(printable(`aksgw: ${code}: ${detail}\n       ${next}\n`));
      return exits.notRun;
    }
    host.stderr.write(printable(`aksgw: ${error instanceof Error ? error.message : String(error)}\n`));
    return error instanceof UsageError ||
      error instanceof UploadRefused ||
      (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')
      ? exits.usage
      : exits.notRun;
  }
}

function readOptions(argv: readonly string[], env: NodeJS.ProcessEnv): { options: Options; rest: readonly string[] } {
  const given = new Map<string, string>();
  let at = 0;
  for (; at < argv.length; at++) {
    const [, name, joined] = /^--(url|cluster|reason|timeout)(?:=(.*))?$/s.exec(argv[at] ?? '') ?? [];
    if (name === undefined) break;
    const value = joined ?? argv[++at];
    if (value === undefined) throw new UsageError(`--${name} needs a value`);
    given.set(name, value);
  }
  const timeout = given.get('timeout');
  if (timeout !== undefined && !/^[1-9]\d{0,5}$/.test(timeout))
    throw new UsageError('--timeout is a number of seconds');
  return {
    options: {
      url: given.get('url') ?? env['AKSGW_URL'],
      cluster: given.get('cluster') ?? env['AKSGW_CLUSTER'],
      reason: given.get('reason') ?? env['AKSGW_REASON'],
      timeoutSeconds: timeout === undefined ? undefined : Number(timeout),
    },
    rest: argv.slice(at),
  };
}

async function relayed(
  argv: readonly string[],
  { url, cluster, reason, timeoutSeconds }: Options,
  host: Host,
): Promise<number> {
  if (!url) throw new UsageError('which gateway? give --url or set AKSGW_URL');
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new UsageError(`${url} is not an address such as https://gateway.example.com`);
  if (!cluster) throw new UsageError('which cluster? give --cluster or set AKSGW_CLUSTER');
  const { files, stdin } = collectUploads(argv, host.cwd());
  const client = createClient({ url, token: tokenSource(url, host.env) });
  let id: string | undefined;
  try {
    const record = await client.run(
      cluster,
      {
        argv: [...argv],
        ...(files.length > 0 && { files: [...files] }),
        ...(stdin && { stdin: await readAll(host.stdin) }),
        ...(reason !== undefined && { reason }),
        ...(timeoutSeconds !== undefined && { timeoutSeconds }),
      },
      {
        idempotencyKey: randomUUID(),
        onAccepted: (accepted) => (id = accepted),
        onRefused: ({ code, detail }, seconds) =>
          host.stderr.write(printable(`aksgw: ${code}: ${detail} Sending it again in ${seconds} s.\n`)),
        ...(host.signal && { signal: host.signal }),
      },
    );
    for (const warning of record.warnings) host.stderr.write(printable(`aksgw: warning: ${warning}\n`));
    write(host.stdout, record.stdout, record.stdoutBase64);
    write(host.stderr, record.stderr, record.stderrBase64);
    if (record.truncated) host.stderr.write('aksgw: warning: the output was cut at a limit\n');
    if (record.status === 'completed' && !record.failure) return record.exitCode ?? exits.unknown;
    host.stderr.write(printable(`aksgw: ${record.status}: ${record.failure?.message ?? ''} (command ${record.id})\n`));
    return record.status === 'failed' ? exits.notRun : exits.unknown;
  } catch (error) {
    if (host.signal?.aborted) {
      const where = id === undefined ? 'it may have been sent' : `it goes on as command ${id}`;
      host.stderr.write(`aksgw: stopped waiting; ${where}: nothing was cancelled\n`);
      return exits.interrupted;
    }
    if (id === undefined && !(error instanceof AnswerLost)) throw error;
    // The gateway has the command, or may have it: it may have run, even if the connection broke since.
    const message = error instanceof Error ? error.message : String(error);
    host.stderr.write(
      printable(
        `aksgw: the command's end was not learnt (${message}); look at /v1/commands${id === undefined ? '' : `/${id}`}\n`,
      ),
    );
    return exits.unknown;
  }
}

/** A terminal gets what it can show safely (CVE-2021-25743); a pipe gets the bytes. */
function write(stream: Host['stdout'], text: string, base64: string | undefined): void {
  if (stream.isTTY) stream.write(printable(text));
  else stream.write(base64 === undefined ? text : Buffer.from(base64, 'base64'));
}

async function readAll(stream: Host['stdin']): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array));
  const bytes = Buffer.concat(chunks);
  if (!isUtf8(bytes)) throw new UploadRefused('standard input is not UTF-8 text; put it into a file and name that');
  return bytes.toString('utf8');
}
