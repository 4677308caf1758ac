import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startKubernetes, type EmulatedKubernetes } from '../../infra/local/kubernetes/server.ts';
import { interpret } from '../../shared/command/interpret.ts';
import type { SentCommand } from '../../shared/command/invocation.ts';
import { splitWords } from '../../shared/command/words.ts';
import type { Tool } from '../command/tools.ts';
import { unsaid } from './compare.ts';
import { runnable } from './program.ts';
import { context, furnish } from './kubectl-cluster.ts';
import { uploads, type Case } from './kubectl-cases.ts';

export interface Bench {
  /** Interprets, runs, and tells what kubectl asked for and we did not say; empty when that is nothing. */
  check(one: Case): Promise<string[]>;
  /** Paths that are no resources and that the last command asked for, discovery left out. */
  paths(): readonly string[];
  close(): Promise<void>;
}

/** One emulated cluster and one kubectl with a discovery cache that stays warm. */
export async function openBench(kubectl: Tool): Promise<Bench> {
  const kubernetes = await startKubernetes({ seed: false });
  const home = mkdtempSync(join(tmpdir(), 'kubectl-conformance-'));
  writeFileSync(join(home, 'config'), kubernetes.kubeconfig());
  return {
    check: async (one) => {
      furnish(kubernetes);
      const files = Object.entries(uploads).map(([path, text]) => ({ path, bytes: Buffer.from(text) }));
      const argv = splitWords(`kubectl ${one.command}`);
      const invocation = interpret({ argv, files, stdin: one.stdin }, context);
      const ended = await runKubectl(kubectl, kubernetes, home, invocation.sent, one.endless);
      const requests = kubernetes.requests.map((asked) => ({
        asked,
        failed: asked.status < 400 ? undefined : asked.status,
      }));
      const missing = unsaid(invocation.attributes, requests);
      return missing.length === 0 ? [] : [...missing, `sent: ${invocation.sent.words.join(' ')}`, ended];
    },
    paths: () =>
      kubernetes.nonResource
        .filter(({ path }) => !/^\/(?:apis?|openapi)(?:\/|$)/u.test(path))
        .map(({ verb, path }) => `${verb} ${path}`),
    close: async () => {
      rmSync(home, { recursive: true, force: true });
      await kubernetes.close();
    },
  };
}

/** Ten times what the slowest takes by itself: the machine may be busy. */
const LONGEST_MS = 200_000;
/** Of a test with one run of kubectl in it. */
export const PATIENCE_MS = LONGEST_MS + 100_000;

/** Runs the words that would be sent, in a folder with the files that would be sent. Gives kubectl's own words, for a failure. */
export function runKubectl(
  { path }: Tool,
  kubernetes: EmulatedKubernetes,
  home: string,
  sent: SentCommand,
  endless: string | undefined,
): Promise<string> {
  const folder = mkdtempSync(join(home, 'run-'));
  for (const file of sent.files) {
    mkdirSync(dirname(join(folder, file.path)), { recursive: true });
    writeFileSync(join(folder, file.path), file.bytes);
  }
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const { file, args, env } = runnable(path, sent, home);
  const child = spawn(file, args, {
    cwd: folder,
    env: { ...env, HOME: home, KUBECONFIG: join(home, 'config'), LC_ALL: 'C' },
    timeout: LONGEST_MS,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  // Nobody reads the stdin of most commands.
  child.stdin.on('error', () => undefined);
  child.stdin.end(sent.stdin === undefined ? undefined : Buffer.from(sent.stdin));
  const poll = setInterval(() => {
    if (endless !== undefined && kubernetes.requests.some(({ verb }) => verb === endless)) child.kill('SIGKILL');
  }, 10);
  child.on('error', reject);
  child.on('close', (code) => {
    clearInterval(poll);
    rmSync(folder, { recursive: true, force: true });
    resolve(`exit code ${code}: ${output.slice(0, 20_000)}`);
  });
  return promise;
}
