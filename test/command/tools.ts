import { execFile } from 'node:child_process';
import { accessSync, constants, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { temporaryFolder } from '../support/temporary-folder.ts';

/**
 * The real kubectl or helm, newest first: what is called `kubectl.1.33` or `helm-3.22` beside the one on PATH, or in the folder that
 * AKSGW_KUBECTL_DIR or AKSGW_HELM_DIR names; else the one on PATH. Empty when there is none.
 */
export function findTools(tool: 'kubectl' | 'helm'): string[] {
  const onPath = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, tool))
    .find(isExecutable);
  const folder =
    process.env[`AKSGW_${tool.toUpperCase()}_DIR`] ??
    (onPath === undefined ? undefined : dirname(realpathSync(onPath)));
  const versioned =
    folder === undefined
      ? []
      : readdirSync(folder).filter((name) => new RegExp(`^${tool}[.-]\\d+\\.\\d+$`, 'u').test(name));
  if (folder === undefined || versioned.length === 0) return onPath === undefined ? [] : [onPath];
  return versioned
    .toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true }))
    .map((name) => join(folder, name))
    .filter(isExecutable);
}

export interface Tool {
  /** `1.37` */
  readonly version: string;
  readonly path: string;
}

/** findTools with the versions that the names tell, newest first. */
export const findVersions = (tool: 'kubectl' | 'helm'): readonly Tool[] =>
  findTools(tool).map((path) => ({ path, version: /\d+\.\d+$/u.exec(path)?.[0] ?? 'of the PATH' }));

export interface ToolResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export type RunTool = (
  words: readonly string[],
  options?: { readonly stdin?: string; readonly cwd?: string },
) => Promise<ToolResult>;

/** Ten times what the slowest takes by itself: the machine may be busy. */
const LONGEST_MS = 200_000;

/** Runs the tool alone: an empty home, no plugins, and a cluster at a port where nothing listens unless a kubeconfig is given. */
export function toolRunner(binary: string, kubeconfig = NO_CLUSTER): RunTool {
  const home = temporaryFolder('tool');
  writeFileSync(join(home, 'config'), kubeconfig);
  const env = {
    HOME: home,
    PATH: '/nonexistent',
    LANG: 'C',
    KUBECONFIG: join(home, 'config'),
    HELM_PLUGINS: '/nonexistent',
  };
  return (words, { stdin, cwd = home } = {}) =>
    new Promise((resolve, reject) => {
      const child = execFile(
        binary,
        [...words],
        { env, cwd, timeout: LONGEST_MS, maxBuffer: 1 << 24 },
        (error, stdout, stderr) => {
          if (error !== null && typeof error.code !== 'number') reject(error);
          else resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
        },
      );
      // Not an empty write: a tool that has gone already would answer it with EPIPE.
      if (stdin === undefined) child.stdin?.end();
      else child.stdin?.end(stdin);
    });
}

const NO_CLUSTER = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Config',
  clusters: [{ name: 'none', cluster: { server: 'http://127.0.0.1:1' } }],
  users: [{ name: 'nobody', user: {} }],
  contexts: [{ name: 'none', context: { cluster: 'none', user: 'nobody' } }],
  'current-context': 'none',
});

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
