import { spawn } from 'node:child_process';
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Where a program is on the PATH, or undefined. Never this wrapper itself under another name: it may be installed as `kubectl`. Only
 * absolute folders count: what lies in the working folder is not the person's program (CWE-426).
 */
export function findProgram(name: string, env: Env): string | undefined {
  const own = process.argv[1];
  const self = own !== undefined && statSync(own, { throwIfNoEntry: false }) ? realpathSync(own) : undefined;
  const endings = process.platform === 'win32' ? ['.exe', '.cmd'] : [''];
  for (const folder of (env['PATH'] ?? env['Path'] ?? '').split(delimiter)) {
    if (!/^(?:\/|[A-Za-z]:[\\/])/.test(folder)) continue;
    for (const ending of endings) {
      const path = join(folder, `${name}${ending}`);
      if (isProgram(path) && realpathSync(path) !== self) return path;
    }
  }
  return undefined;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

export interface Ran {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

interface RunProgram {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly stdin?: string;
  readonly ms: number;
  readonly signal?: AbortSignal | undefined;
  readonly mostBytes?: number;
}

/** Runs a program of the person's own, bounded in time and output. Rejects when it cannot be started or does not end. */
export function runProgram(path: string, args: readonly string[], options: RunProgram): Promise<Ran> {
  const { env, cwd, stdin, ms, signal, mostBytes = 32 * 1024 * 1024 } = options;
  // Node starts no .cmd by itself (CVE-2024-27980); the words here are ids and names without anything cmd.exe acts on.
  const [file, words] = /\.cmd$/i.test(path)
    ? [env['ComSpec'] ?? 'cmd.exe', ['/d', '/c', path, ...args]]
    : [path, args];
  return new Promise((resolve, reject) => {
    const child = spawn(file, words, {
      env,
      ...(cwd !== undefined && { cwd }),
      stdio: 'pipe',
      timeout: ms,
      ...(signal && { signal }),
      windowsHide: true,
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let length = 0;
    const keep = (into: Buffer[]) => (chunk: Buffer) => {
      length += chunk.length;
      if (length > mostBytes) child.kill('SIGKILL');
      else into.push(chunk);
    };
    child.stdout.on('data', keep(out));
    child.stderr.on('data', keep(err));
    child.stdin.on('error', () => undefined); // it may end without reading
    child.stdin.end(stdin);
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === null) reject(new Error(`${path} did not end, or said more than ${mostBytes} bytes`));
      else resolve({ code, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString('utf8') });
    });
  });
}
