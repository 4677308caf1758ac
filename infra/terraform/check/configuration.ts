import type { Terraform } from './terraform.ts';

export interface Outcome {
  readonly ok: boolean;
  /** Runs of `terraform test`. */
  readonly passed: number;
  readonly failed: number;
  /** What Terraform said, for a person; empty when all is well. */
  readonly report: string;
}

/**
 * One module or example: formatted, valid, and every run of its tests passed. A folder without tests has not passed.
 * `only` runs the one test file of that name.
 */
export async function checkConfiguration(terraform: Terraform, folder: string, only?: string): Promise<Outcome> {
  const none = { passed: 0, failed: 0 };
  const format = await terraform.run(folder, 'fmt', '-check', '-recursive', '-diff', '-no-color');
  if (format.code !== 0) return { ok: false, ...none, report: `not formatted:\n${format.stdout}${format.stderr}` };
  const validate = await terraform.run(folder, 'validate', '-no-color');
  if (validate.code !== 0) return { ok: false, ...none, report: validate.stdout + validate.stderr };
  const filter = only === undefined ? [] : [`-filter=tests/${only}`];
  const test = await terraform.run(folder, 'test', '-no-color', ...filter);
  const [, passed = '0', failed = '0'] = /(\d+) passed, (\d+) failed/.exec(test.stdout) ?? [];
  const ok = test.code === 0 && Number(passed) > 0 && Number(failed) === 0;
  return { ok, passed: Number(passed), failed: Number(failed), report: ok ? '' : test.stdout + test.stderr };
}
