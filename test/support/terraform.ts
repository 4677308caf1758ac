import { describe } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { checkConfiguration, type Outcome } from '../../infra/terraform/check/configuration.ts';
import { readModule } from '../../infra/terraform/check/hcl.ts';
import { TERRAFORM } from '../../infra/terraform/check/modules.ts';
import { serveProviders, type RunningProviders } from '../../infra/terraform/check/provider.ts';
import { readRecorded } from '../../infra/terraform/check/recorded.ts';
import { createResourceCheck } from '../../infra/terraform/check/resources.ts';
import { createTerraform, type Terraform } from '../../infra/terraform/check/terraform.ts';
import { indexSchemas, walkModule } from '../../infra/terraform/check/walk.ts';
import { findProgram } from './programs.ts';

export const recorded = readRecorded();
const schemas = indexSchemas(recorded);
const check = createResourceCheck(recorded);

/** One wrong change to one file. */
export interface Mistake {
  readonly name: string;
  /** Relative to infra/terraform. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** A file's text with the mistake in it. A mistake whose place is gone would prove nothing, so it is an error. */
export function plant({ name, from, to }: Mistake, text: string): string {
  if (!text.includes(from)) throw new Error(`${name}: there is no ${JSON.stringify(from)} to spoil`);
  return text.replace(from, to);
}

/** What the walk over the recorded schemas finds in a folder, with a mistake planted or as it is. */
export async function walk(folder: string, mistake?: Mistake): Promise<readonly string[]> {
  const edit = (file: string, text: string): string => (file === mistake?.file ? plant(mistake, text) : text);
  return walkModule(await readModule(TERRAFORM, folder, edit), schemas, check);
}

/** A suite that needs terraform 1.11 or newer (the modules' required_version); skipped, with the reason in its name, without. */
export function describeTerraform(name: string, body: () => void): void {
  const version = terraformVersion();
  const [major = 0, minor = 0] = version?.split('.').map(Number) ?? [];
  if (major > 1 || (major === 1 && minor >= 11)) describe(name, body);
  else
    describe.skip(
      `${name} (skipped: ${version === undefined ? 'no terraform' : `terraform ${version}, older than 1.11,`} on this machine)`,
      body,
    );
}

function terraformVersion(): string | undefined {
  const program = findProgram('terraform');
  if (program === undefined) return undefined;
  const printed = execFileSync(program, ['version', '-json'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return (JSON.parse(printed) as { terraform_version: string }).terraform_version;
}

/** terraform over the recorded providers, for a whole suite. */
export class TerraformCheck implements Disposable {
  readonly #providers: RunningProviders;
  readonly #terraform: Terraform;

  private constructor(providers: RunningProviders) {
    this.#providers = providers;
    this.#terraform = createTerraform(providers.reattach);
  }

  static async start(): Promise<TerraformCheck> {
    return new TerraformCheck(await serveProviders(recorded, check));
  }

  /** Validates and tests a folder under infra/terraform. */
  run(folder: string): Promise<Outcome> {
    return checkConfiguration(this.#terraform, join(TERRAFORM, folder));
  }

  /** The same in a copy with a mistake in it, with one of its test files. */
  async runWith(mistake: Mistake, folder: string, only: string): Promise<Outcome> {
    const copy = mkdtempSync(join(tmpdir(), 'aksgw-mistake-'));
    try {
      for (const part of ['modules', 'mocks', 'examples'])
        cpSync(join(TERRAFORM, part), join(copy, part), { recursive: true });
      const file = join(copy, mistake.file);
      writeFileSync(file, plant(mistake, readFileSync(file, 'utf8')));
      return await checkConfiguration(this.#terraform, join(copy, folder), only);
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  }

  [Symbol.dispose](): void {
    this.#terraform.close();
    this.#providers.close();
  }
}
