import { execFile, type ExecFileException } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A module takes seconds; on a busy machine minutes. */
const TIMEOUT_MS = 10 * 60_000;

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Terraform {
  /** Runs it in a folder, after `init`: modules are found, nothing is installed. */
  run(folder: string, ...args: readonly string[]): Promise<Ran>;
  close(): void;
}

/** The terraform of this machine, its providers replaced by the ones that `reattach` names. Nothing is written beside the modules. */
export function createTerraform(reattach: string): Terraform {
  const data = mkdtempSync(join(tmpdir(), 'aksgw-terraform-'));
  const folders = new Map<string, Promise<Ran>>();
  const dataDir = (folder: string): string => join(data, folder.replaceAll(/[^A-Za-z0-9]+/g, '-'));
  const exec = (folder: string, args: readonly string[]): Promise<Ran> =>
    execute(args, folder, {
      TF_REATTACH_PROVIDERS: reattach,
      TF_DATA_DIR: dataDir(folder),
      TF_CLI_CONFIG_FILE: '/dev/null', // a mirror or an override of the person's own would change what is checked
      TF_IN_AUTOMATION: '1',
      CHECKPOINT_DISABLE: '1',
      GOGC: '800', // short runs: a quarter of the time is the garbage collector's
    });
  return {
    async run(folder, ...args) {
      const init =
        folders.get(folder) ??
        exec(folder, ['init', '-backend=false', '-input=false', '-no-color', '-lockfile=readonly']);
      folders.set(folder, init);
      const initialised = await init;
      return initialised.code === 0 ? exec(folder, args) : initialised;
    },
    close: () => rmSync(data, { recursive: true, force: true }),
  };
}

/** `terraform version`; undefined where there is none. */
export async function terraformVersion(): Promise<string | undefined> {
  const { code, stdout } = await execute(['version', '-json'], '.', { TF_CLI_CONFIG_FILE: '/dev/null' });
  return code === 0 ? (JSON.parse(stdout) as { terraform_version: string }).terraform_version : undefined;
}

/** The environment without Terraform's own variables: a person's TF_VAR_… or TF_CLI_ARGS would change what is checked. */
const cleanEnv = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TF_')));

async function execute(args: readonly string[], cwd: string, env: Readonly<Record<string, string>>): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(
      'terraform',
      args,
      { cwd, env: { ...cleanEnv(), ...env }, maxBuffer: 256 * 1024 * 1024, timeout: TIMEOUT_MS },
      (error: ExecFileException | null, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 127;
        resolve({ code, stdout, stderr });
      },
    );
  });
}
