import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

/**
 * The recipes for external schedulers as they stand in the documents, and just enough of each scheduler to run them: what GitHub's runner,
 * the kubelet or the Functions host would make of the same text. What a recipe says and this does not know is an error.
 */
const root = join(import.meta.dirname, '../..');

/** The fenced blocks of a kind in a document. */
export const blocksOf = (document: string, kind: string): readonly string[] =>
  [...document.matchAll(new RegExp(`^\`\`\`${kind}\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const schedulers = readFileSync(join(root, 'infra/schedulers/README.md'), 'utf8');
const one = (document: string, kind: string, mark: string): string => {
  const found = blocksOf(document, kind).filter((block) => block.includes(mark));
  if (found.length !== 1) throw new Error(`there are ${found.length} blocks of ${kind} with ${mark}`);
  return found[0] ?? '';
};
const scripts = {
  'nightly.sh': one(readme, 'sh', 'Idempotency-Key'),
  'token.sh': one(schedulers, 'sh', 'client_assertion'),
};
const workflow: Workflow = parse(one(schedulers, 'yaml', 'runs-on'));
const cronJob: CronJob = parse(one(schedulers, 'yaml', 'kind: CronJob'));
const functionSource = one(schedulers, 'js', 'app.timer');

export interface Ended {
  /** null: killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A recipe under way; `kill` takes all of its processes at once. */
export interface Running {
  readonly ended: Promise<Ended>;
  kill(): void;
}

/** What the scheduler has around the recipe. */
export interface Around {
  readonly folder: string;
  /** In place of the values that a user fills in, and what the scheduler itself sets. */
  readonly env: Readonly<Record<string, string>>;
  /** A token of the scheduler's own for an audience. */
  readonly federatedToken?: (audience: string) => Promise<string>;
  /** Of the CronJob: the name of the Job, which its slot is in. */
  readonly jobName?: string;
}

function start(program: string, args: readonly string[], cwd: string, env: Readonly<Record<string, string>>): Running {
  const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...said }));
  });
  return { ended, kill: () => void process.kill(-(child.pid ?? Number.NaN), 'SIGKILL') };
}

const withScripts = ({ folder }: Around): string => {
  const place = mkdtempSync(join(folder, 'recipe-'));
  for (const [name, text] of Object.entries(scripts)) writeFileSync(join(place, name), text);
  return place;
};

export async function startCron(around: Around): Promise<Running> {
  const place = withScripts(around);
  return start('sh', [join(place, 'nightly.sh')], place, around.env);
}

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, { readonly env: Record<string, string>; readonly steps: readonly Step[] }>>;
}
type Step = { readonly uses: string } | { readonly name?: string; readonly run: string };

/** docs.github.com/actions/reference/workflows-and-actions/workflow-syntax: without `shell`, a step on Linux is `bash -e {0}`. */
export async function startWorkflow(around: Around): Promise<Running> {
  const [job, ...others] = Object.values(workflow.jobs);
  if (!job || others.length > 0) throw new Error('the workflow has one job');
  if (workflow.permissions['id-token'] !== 'write') throw new Error('without the permission there is no token');
  const place = mkdtempSync(join(around.folder, 'work-'));
  const env = { ...job.env, ...around.env, RUNNER_TEMP: mkdtempSync(join(around.folder, 'runner-')) };
  const steps = job.steps.flatMap((step) => {
    if ('run' in step) return [step];
    if (!step.uses.startsWith('actions/checkout@')) throw new Error(`this runner does not know ${step.uses}`);
    for (const [name, text] of Object.entries(scripts)) writeFileSync(join(place, name), text);
    return [];
  });
  const [step] = steps;
  if (!step || steps.length > 1) throw new Error('this runner knows one step with run');
  const file = join(place, 'step.sh');
  writeFileSync(file, step.run);
  return start('bash', ['-e', file], place, env);
}

interface CronJob {
  readonly spec: {
    readonly jobTemplate: {
      readonly spec: {
        readonly backoffLimit: number;
        readonly podFailurePolicy: {
          readonly rules: readonly {
            readonly action: string;
            readonly onExitCodes?: { readonly operator: 'In' | 'NotIn'; readonly values: readonly number[] };
          }[];
        };
        readonly template: {
          readonly spec: {
            readonly containers: readonly [Container];
            readonly volumes: readonly Volume[];
          };
        };
      };
    };
  };
}
interface Container {
  readonly command: readonly [string, ...string[]];
  readonly env: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } };
  }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}
interface Volume {
  readonly name: string;
  readonly configMap?: { readonly name: string };
  readonly projected?: {
    readonly sources: readonly [{ readonly serviceAccountToken: { readonly path: string; readonly audience: string } }];
  };
}

/** One pod of the Job, as the kubelet starts it: volumes, environment, `$(NAME)` in the command. A mount is a folder of this machine. */
export async function startPod(around: Around): Promise<Running> {
  const { containers, volumes } = cronJob.spec.jobTemplate.spec.template.spec;
  const [container] = containers;
  const pod = mkdtempSync(join(around.folder, 'pod-'));
  for (const { name, mountPath } of container.volumeMounts) {
    const place = join(pod, mountPath);
    mkdirSync(place, { recursive: true });
    const volume = volumes.find((each) => each.name === name);
    if (volume?.configMap) {
      for (const [file, text] of Object.entries(scripts)) writeFileSync(join(place, file), text);
    } else if (volume?.projected) {
      const { path, audience } = volume.projected.sources[0].serviceAccountToken;
      writeFileSync(join(place, path), (await around.federatedToken?.(audience)) ?? '');
    } else throw new Error(`no volume is called ${name}`);
  }
  const mounted = (text: string): string =>
    container.volumeMounts.reduce((all, { mountPath }) => all.replaceAll(mountPath, join(pod, mountPath)), text);
  const labels: Readonly<Record<string, string | undefined>> = {
    "metadata.labels['batch.kubernetes.io/job-name']": around.jobName,
  };
  const own = container.env.map(({ name, value, valueFrom }) => {
    const text = value ?? labels[valueFrom?.fieldRef.fieldPath ?? ''];
    if (text === undefined) throw new Error(`${name} has no value`);
    return [name, mounted(text)];
  });
  const env: Readonly<Record<string, string>> = { ...Object.fromEntries(own), ...around.env };
  const [program, ...args] = container.command.map((word) =>
    mounted(word).replace(/\$\(([A-Za-z_][A-Za-z0-9_]*)\)/g, (reference, name: string) => env[name] ?? reference),
  );
  return start(program ?? '', args, pod, env);
}

/** Whether the Job starts another pod after one that ended so (kubernetes.io/docs/concepts/workloads/controllers/job, pod failure policy). */
export function isTriedAgain(code: number): boolean {
  const { backoffLimit, podFailurePolicy } = cronJob.spec.jobTemplate.spec;
  const fails = podFailurePolicy.rules.some(({ action, onExitCodes }) => {
    const listed = onExitCodes?.values.includes(code);
    return action === 'FailJob' && onExitCodes && (onExitCodes.operator === 'In' ? listed : !listed);
  });
  return backoffLimit > 0 && !fails;
}

/** One invocation by a process of its own, with the double of the host that the tests of the gateway's own functions use. */
export async function startFunction(around: Around): Promise<Running> {
  const place = mkdtempSync(join(around.folder, 'function-'));
  symlinkSync(join(root, 'node_modules'), join(place, 'node_modules')); // packages are found from where the file is
  writeFileSync(join(place, 'function.mjs'), functionSource);
  return start(process.execPath, [join(root, 'test/support/function-host.cjs'), place], place, around.env);
}
