import type { Host } from './host.ts';
import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { GatewayProblem } from './client.ts';
import { connect, type Options } from './connect.ts';
import { exits, UsageError } from './exits.ts';
import { health } from './health.ts';
import { jobs } from './jobs.ts';
import { printable } from '../lib/safe-text.ts';
import { runToEnd } from './run-to-end.ts';
import { collectUploads, UploadRefused } from './uploads.ts';

const usage = `aksgw: kubectl and helm on private AKS clusters, through the access gateway

  aksgw [options] kubectl …      as kubectl would: stdout, stderr and the exit code are the command's own
  aksgw [options] helm …
  aksgw [options] jobs …         lists, shows and runs the gateway's scheduled jobs (see aksgw jobs --help)
  aksgw [options] health         one look at a cluster: what is well, and what is not (see aksgw health --help)
  aksgw audit verify [FOLDER]    checks an audit trail on this machine (see aksgw audit --help)
  aksgw policy test CASES        checks a policy against cases; lint, diff, who-can, explain (see aksgw policy --help)
  aksgw config check             what the gateway would say of its configuration (see aksgw config --help)
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

/** Runs the wrapper; resolves with its exit code and never throws. */
export async function main(argv: readonly string[], host: Host): Promise<number> {
  try {
    const { options, rest } = readOptions(argv, host.env);
    switch (rest[0]) {
      case 'kubectl':
      case 'helm':
        return await relayed(rest, options, host);
      case 'health':
        return await health(rest.slice(1), options, host);
      case 'jobs':
        return await jobs(rest.slice(1), options, host);
      case 'audit':
      case 'policy':
      case 'config':
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

async function relayed(argv: readonly string[], options: Options, host: Host): Promise<number> {
  const { cluster, reason, timeoutSeconds } = options;
  const client = connect(options, host);
  if (!cluster) throw new UsageError('which cluster? give --cluster or set AKSGW_CLUSTER');
  const { files, stdin } = collectUploads(argv, host.cwd());
  const command = {
    argv: [...argv],
    ...(files.length > 0 && { files: [...files] }),
    ...(stdin && { stdin: await readAll(host.stdin) }),
    ...(reason !== undefined && { reason }),
    ...(timeoutSeconds !== undefined && { timeoutSeconds }),
  };
  return runToEnd(host, randomUUID(), (to) => client.run(cluster, command, to));
}

async function readAll(stream: Host['stdin']): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array));
  const bytes = Buffer.concat(chunks);
  if (!isUtf8(bytes)) throw new UploadRefused('standard input is not UTF-8 text; put it into a file and name that');
  return bytes.toString('utf8');
}
