import type { Ran, Terraform } from './terraform.ts';

export interface Outcome {
  readonly ok: boolean;
  /** Runs of `terraform test`. */
  readonly passed: number;
  readonly failed: number;
  /** What Terraform said, for a person; empty when all is well. */
  readonly report: string;
  /** What the first run that only plans would make, as addresses in order. */
  readonly planned: readonly string[];
  /** What each run that applies left, in order. */
  readonly applied: readonly Applied[];
}

export interface Applied {
  readonly run: string;
  readonly outputs: Readonly<Record<string, unknown>>;
  /** Values of the module's own resources by address. */
  readonly resources: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const nothing = { passed: 0, failed: 0, planned: [], applied: [] };

/**
 * One module or example: formatted, valid, and every run of its tests passed. A folder without tests has not passed.
 * `only` runs the one test file of that name.
 */
export async function checkConfiguration(terraform: Terraform, folder: string, only?: string): Promise<Outcome> {
  const format = await terraform.run(folder, 'fmt', '-check', '-recursive', '-diff', '-no-color');
  if (format.code !== 0) return { ok: false, ...nothing, report: `not formatted:\n${textOf(format)}` };
  const validate = await terraform.run(folder, 'validate', '-no-color');
  if (validate.code !== 0) return { ok: false, ...nothing, report: textOf(validate) };
  const filter = only === undefined ? [] : [`-filter=tests/${only}`];
  return readTest(await terraform.run(folder, 'test', '-json', '-verbose', ...filter));
}

const textOf = ({ stdout, stderr }: Ran): string => stdout + stderr;

/** One line of `terraform test -json` (developer.hashicorp.com/terraform/cli/commands/test, "JSON output"). */
interface TestEvent {
  readonly type: string;
  readonly '@testrun'?: string;
  readonly test_summary?: {
    readonly passed: number;
    readonly failed: number;
    readonly errored: number;
    readonly skipped: number;
  };
  readonly test_plan?: { readonly resource_changes?: readonly { readonly address: string; readonly mode: string }[] };
  readonly test_state?: {
    readonly outputs?: Readonly<Record<string, { readonly value: unknown }>>;
    readonly root_module?: {
      readonly resources?: readonly { readonly address: string; readonly values: Readonly<Record<string, unknown>> }[];
    };
  };
  readonly diagnostic?: {
    readonly severity: string;
    readonly summary: string;
    readonly detail?: string;
    readonly range?: { readonly filename: string; readonly start: { readonly line: number } };
  };
}

function readTest(test: Ran): Outcome {
  const events = test.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as TestEvent);
  const summary = events.find(({ test_summary }) => test_summary)?.test_summary;
  const { passed = 0, failed = 0, errored = 0, skipped = 0 } = summary ?? {};
  const ok = test.code === 0 && passed > 0 && failed + errored + skipped === 0;
  const plan = events.find(({ test_plan }) => test_plan)?.test_plan;
  return {
    ok,
    passed,
    failed: failed + errored + skipped,
    report: ok ? '' : [...events.flatMap(describeProblem), test.stderr].join('\n'),
    planned: (plan?.resource_changes ?? []).filter(({ mode }) => mode === 'managed').map(({ address }) => address),
    applied: events.flatMap(toApplied),
  };
}

function toApplied({ test_state: state, '@testrun': run = '' }: TestEvent): readonly Applied[] {
  if (state === undefined) return [];
  const { outputs = {}, root_module: { resources = [] } = {} } = state;
  return [
    {
      run,
      outputs: Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value])),
      resources: Object.fromEntries(resources.map(({ address, values }) => [address, values])),
    },
  ];
}

function describeProblem({ diagnostic, '@testrun': run = '' }: TestEvent): readonly string[] {
  if (diagnostic?.severity !== 'error') return [];
  const { summary, detail = '', range } = diagnostic;
  const place = range ? `${range.filename}:${range.start.line}: ` : '';
  return [`${run}: ${place}${summary}${detail === '' ? '' : `: ${detail}`}`];
}
