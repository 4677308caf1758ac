import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../shared/clock.ts';
import type { Job, JobEnd, Runner } from './arm/runs.ts';
import type { ExecEnd } from './kubernetes/exec.ts';
import type { EmulatedKubernetes } from './kubernetes/server.ts';
import { createCommandPods } from './pod/command-pods.ts';
import { onPath, writeStandIn } from './pod/tools.ts';
import { unzip } from './pod/unzip.ts';

export interface PodOptions {
  /** What kubectl in the pod talks to, unless `kubeconfig` names a real cluster. */
  readonly kubernetes?: EmulatedKubernetes;
  /** By which the pods' ages go. */
  readonly clock?: Clock;
  /** Path of a kubeconfig. */
  readonly kubeconfig?: string;
  /** A folder that comes first on PATH. */
  readonly tools?: string;
  /** `/bin/sh` by default. */
  readonly shell?: string;
  /** True takes the stand-in kubectl even where the real one is installed. */
  readonly standIn?: boolean;
}

/** More output than any test needs, so that a runaway command cannot take the memory; Azure's own cut comes after. */
const OUTPUT_CAP = 64 * 1024 * 1024;
/** How long what the first process left in the pipe is read: in turns, since on a busy machine one timer may be over before the first read. */
const [DRAIN_TURNS, DRAIN_MS] = [100, 50];

const searchPathOf = ({ tools }: PodOptions): string => [tools, process.env['PATH']].filter(Boolean).join(delimiter);

/** Does the pod have the stand-in in place of a real kubectl? */
export const usesStandIn = (options: PodOptions): boolean =>
  options.standIn ?? (options.kubeconfig === undefined && !onPath('kubectl', searchPathOf(options)));

/**
 * Runs a command as the pod of run command does: a fresh folder with the context in it, `/bin/sh -c`, stdout and stderr
 * merged in their order, an environment of its own. It is a process on this machine, no sandbox: for tests and the demo,
 * where the gateway wrote the command. Where kubectl is not installed, a plainly labelled stand-in takes its place.
 */
export function shellPod(options: PodOptions): Runner {
  const pods = options.kubernetes && createCommandPods(options.kubernetes, options.clock);
  return async (job) => {
    const root = await mkdtemp(join(tmpdir(), 'aksgw-pod-'));
    try {
      const [files, home, tools, temporary] = (await Promise.all(
        ['command-files', 'home', 'tools', 'tmp'].map(async (name) => {
          await mkdir(join(root, name));
          return join(root, name);
        }),
      )) as [string, string, string, string];
      if (job.context) await unzip(job.context, files);
      const searchPath = searchPathOf(options);
      const standIn = usesStandIn(options);
      if (standIn) await writeStandIn(tools);
      const kubeconfig = options.kubeconfig ?? join(root, 'kubeconfig');
      if (options.kubeconfig === undefined && options.kubernetes)
        await writeFile(kubeconfig, options.kubernetes.kubeconfig());
      const shell = options.shell ?? '/bin/sh';
      const environment = {
        HOME: home,
        HOSTNAME: `command-${job.commandId}`,
        KUBECONFIG: kubeconfig,
        PATH: `${tools}${delimiter}${searchPath}`,
        TMPDIR: temporary,
      };
      const deletion = new AbortController();
      const pod = pods?.start(
        job.commandId,
        job.command,
        (words) => execute(words, files, environment),
        () => deletion.abort(),
      );
      const signal = AbortSignal.any([job.signal, deletion.signal]);
      const end = await run(shell, { ...job, signal }, files, environment);
      pod?.end(end.exitCode);
      // What Azure says of a pod that somebody deleted is not on record; a failure without a known reason is a guess.
      return deletion.signal.aborted ? { ...end, reason: 'PodDeleted' } : end;
    } finally {
      await rm(root, { recursive: true, force: true, maxRetries: 3 });
    }
  };
}

/** As `kubectl exec` does: another process in the same container. */
async function execute(
  [program = '', ...words]: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<ExecEnd> {
  const child = spawn(program, words, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, [code]] = await Promise.all([
    buffer(child.stdout),
    buffer(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  return { exitCode: code ?? 137, stdout, stderr };
}

async function run(shell: string, { command, signal }: Job, cwd: string, env: NodeJS.ProcessEnv): Promise<JobEnd> {
  signal.throwIfAborted();
  // One pipe for both streams keeps their order; the outer shell only joins them and becomes the inner one.
  const child = spawn(shell, ['-c', 'exec 2>&1; exec "$0" -c "$1"', shell, command], {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const kill = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch (error) {
      // Nobody is left in the group: what was wanted.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  };
  signal.addEventListener('abort', kill, { once: true });
  try {
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= OUTPUT_CAP) chunks.push(chunk);
    });
    const ended = once(child.stdout, 'close');
    const [code, killer] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    // The container ends with its first process: nothing that it left behind goes on.
    kill();
    for (let turn = 0; turn < DRAIN_TURNS && !child.stdout.closed; turn += 1)
      await Promise.race([ended, delay(DRAIN_MS, undefined, { ref: false })]);
    child.stdout.destroy();
    const exitCode = code ?? 128 + (killer === null ? 0 : constants.signals[killer]);
    return { exitCode, logs: Buffer.concat(chunks).toString('utf8') };
  } finally {
    signal.removeEventListener('abort', kill);
  }
}
