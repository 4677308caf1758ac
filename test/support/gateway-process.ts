import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** `npm run serve` as a process of its own, for tests that kill it. */
export interface GatewayProcess {
  readonly url: string;
  readonly pid: number;
  /** SIGKILL: no handler runs, nothing is flushed. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** What it wrote to stderr, for a test that fails. */
  log(): string;
}

const root = join(import.meta.dirname, '../..');

/** `NAME=value … node --flag … functions/server.ts`: the allocator's settings (mallopt(3)) and node's flags. */
const serve = readServe();

function readServe(): { readonly env: NodeJS.ProcessEnv; readonly flags: readonly string[] } {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly scripts: { readonly serve: string };
  };
  const words = scripts.serve.split(' ');
  const node = words.indexOf('node');
  const env = Object.fromEntries(words.slice(0, node).map((word) => word.split('=')));
  return { env, flags: words.slice(node + 1, -1) };
}

export async function startGatewayProcess(
  config: string,
  env: NodeJS.ProcessEnv,
  script = join(root, 'functions/server.ts'),
  flags: readonly string[] = /server\.[jt]s$/.test(script) ? ['--config'] : [],
): Promise<GatewayProcess> {
  const child = spawn(process.execPath, [...serve.flags, script, ...flags, config], {
    // See test/compile-cache.js.
    env: { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'], ...serve.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const url = await new Promise<string>((resolve, reject) => {
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      const address = /listening on (\S+)/.exec(out)?.[1];
      if (address) resolve(address);
    });
    child.once('exit', (code) => reject(new Error(`the gateway ended with ${code} before it listened: ${log}`)));
  });
  return {
    url,
    pid: child.pid ?? 0,
    log: () => log,
    kill: () => ended(child, 'SIGKILL').then(() => undefined),
    stop: () => ended(child, 'SIGTERM'),
  };
}

function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve(code));
    child.kill(signal);
  });
}
