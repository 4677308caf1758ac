import { execFile } from 'node:child_process';
import { writeFileSync, existsSync, realpathSync, readdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { temporaryFolder } from '../support/temporary-folder.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Where a program is on PATH. */
const whereIs = (name: string): string | undefined =>
  (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));

/** Every real kubectl there is: `kubectl.1.NN` beside the one on PATH (Google Cloud SDK), else that one alone. */
export function installedKubectls(): { readonly name: string; readonly path: string }[] {
  const found = whereIs('kubectl');
  if (found === undefined) return [];
  const folder = process.env['AKSGW_KUBECTL_DIR'] ?? dirname(realpathSync(found));
  const versions = readdirSync(folder).filter((name) => /^kubectl\.1\.\d+$/.test(name));
  return versions.length > 0
    ? versions.sort().map((name) => ({ name, path: join(folder, name) }))
    : [{ name: 'kubectl', path: found }];
}

/** Ten times what the slowest takes by itself: the machine may be busy. */
const LONGEST_MS = 200_000;

/** Runs a program with a kubeconfig, an empty home and nothing else of this machine but PATH. */
export function createRunner(
  kubeconfig: string,
): (program: readonly string[], args: readonly string[], input?: string) => Promise<Ran> {
  const home = temporaryFolder('kubectl');
  const config = join(home, 'config');
  writeFileSync(config, kubeconfig);
  return ([file = '', ...before], args, input) =>
    new Promise((resolve) => {
      const env = { HOME: home, KUBECONFIG: config, PATH: process.env['PATH'] ?? '' };
      const child = execFile(file, [...before, ...args], { env, cwd: home, timeout: LONGEST_MS }, (error, out, err) => {
        resolve({ code: error ? (typeof error.code === 'number' ? error.code : 255) : 0, out, err });
      });
      child.stdin?.end(input ?? '');
    });
}
