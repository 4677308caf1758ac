import type { Cluster, JobConfig, JobOption, JobStepConfig } from './config.ts';
import type { Path, Report } from './problem.ts';
import type { ConfigFile, JobFile } from './schema.ts';
import { isName } from './values.ts';
import { didYouMean } from '../lib/suggest.ts';

/** Most jobs of one gateway: each is looked at by every timer. */
const MAX_JOBS = 200;
/** As many steps as a batch takes. */
const MAX_STEPS = 20;

type Clusters = ReadonlyMap<string, Pick<Cluster, 'runAs'>>;

/** The section `jobs`: form and references. Schedules and commands are checked by those who understand them (ParseOptions.checks). */
export function readJobs(file: ConfigFile, clusters: Clusters, report: Report): readonly JobConfig[] {
  const jobs = file.jobs ?? [];
  if (jobs.length > MAX_JOBS)
    report.problem(['jobs'], `has ${jobs.length} jobs; at most ${MAX_JOBS} are looked at in time`);
  const names = new Set<string>();
  return jobs.map((job, index) => {
    const at = (...path: Path): Path => ['jobs', index, ...path];
    if (!isName(job.name)) report.problem(at('name'), 'a job\'s name is letters, digits, ".", "_" and "-", at most 63');
    if (names.has(job.name)) report.problem(at('name'), `"${job.name}" is the name of another job`);
    names.add(job.name);
    readCluster(job, clusters, at('cluster'), report);
    const steps = readSteps(job, at, report);
    const options = readOptions(job, at, report);
    checkPlaces(job, steps, options, at, report);
    checkNotify(job, Object.keys(file.webhooks ?? {}), at, report);
    return {
      name: job.name,
      cluster: job.cluster,
      schedule: readSchedule(job, options, at, report),
      steps,
      batch: job.steps !== undefined,
      health: job.health === true,
      onError: job.onError ?? 'stop',
      reason: job.reason,
      options,
      ...(job.notify !== undefined && { notify: { webhook: job.notify, on: job.notifyOn ?? 'failure' } }),
      onMissed: job.onMissed ?? 'skip',
      onOverlap: job.onOverlap ?? 'skip',
      enabled: job.enabled ?? true,
    };
  });
}

type At = (...path: Path) => Path;

function readCluster({ cluster }: JobFile, clusters: Clusters, path: Path, report: Report): void {
  const found = clusters.get(cluster);
  if (!found) report.problem(path, `no cluster is called "${cluster}".${didYouMean(cluster, clusters.keys())}`);
  else if (found.runAs === 'caller') {
    report.problem(path, `${cluster} has runAs: caller, and a job has no token of its own to run a command with`);
  }
}

function checkNotify({ notify, notifyOn }: JobFile, webhooks: readonly string[], at: At, report: Report): void {
  if (notify === undefined && notifyOn !== undefined) report.problem(at('notifyOn'), 'needs notify');
  if (notify !== undefined && !webhooks.includes(notify))
    report.problem(at('notify'), `no webhook is called "${notify}".${didYouMean(notify, webhooks)}`);
}

function readSchedule(job: JobFile, options: JobConfig['options'], at: At, report: Report): JobConfig['schedule'] {
  const { schedule: cron, timeZone = 'UTC' } = job;
  if (cron === undefined) {
    if (job.timeZone !== undefined) report.problem(at('timeZone'), 'needs a schedule');
    return undefined;
  }
  for (const [name, option] of options) {
    if (option.default === undefined)
      report.problem(at('options', name), 'needs a default: nobody chooses a value when the job runs by schedule');
  }
  return { cron, timeZone };
}

function readSteps(job: JobFile, at: At, report: Report): readonly JobStepConfig[] {
  const { argv, files, stdin, timeoutSeconds, steps } = job;
  if (job.health) return readHealth(job, at, report);
  if (steps === undefined) {
    if (argv === undefined) report.problem(at('argv'), 'is missing: a job has argv, steps or health: true');
    if (job.onError !== undefined) report.problem(at('onError'), 'is for a job with steps');
    return [{ argv: argv ?? [], files: files ?? [], stdin, timeoutSeconds }];
  }
  for (const [key, value] of Object.entries({ argv, files, stdin, timeoutSeconds })) {
    if (value !== undefined) report.problem(at(key), 'belongs to a step where a job has steps');
  }
  if (steps.length > MAX_STEPS)
    report.problem(at('steps'), `has ${steps.length} steps; a batch has at most ${MAX_STEPS}`);
  return steps.map((step, index) => {
    if (step.argv === undefined) report.problem(at('steps', index, 'argv'), 'is missing');
    return { argv: step.argv ?? [], files: step.files ?? [], stdin: step.stdin, timeoutSeconds: step.timeoutSeconds };
  });
}

/** A look's commands are the gateway's own: nothing stands beside it that would say another thing. */
function readHealth(job: JobFile, at: At, report: Report): readonly JobStepConfig[] {
  const { argv, files, stdin, timeoutSeconds, steps, onError, options } = job;
  for (const [key, value] of Object.entries({ argv, files, stdin, timeoutSeconds, steps, onError, options })) {
    if (value !== undefined) report.problem(at(key), 'has no place in a job with health: true');
  }
  return [];
}

const optionName = /^[a-z][a-zA-Z0-9-]{0,39}$/;
/** One plain word: no flag, no list, no path, no pair. */
const optionWord = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,252}$/;
/** RFC 1123 subdomain, as Kubernetes has it (kubernetes.io/docs/concepts/overview/working-with-objects/names). */
const kubernetesName = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const integer = /^-?(?:0|[1-9][0-9]{0,15})$/;

function readOptions(job: JobFile, at: At, report: Report): JobConfig['options'] {
  const options = new Map<string, JobOption>();
  for (const [name, file] of Object.entries(job.options ?? {})) {
    const path = at('options', name);
    if (!optionName.test(name))
      report.problem(path, "an option's name is a letter, then letters, digits and hyphens, at most 40");
    const option: JobOption =
      'enum' in file
        ? { kind: 'enum', values: file.enum, default: file.default }
        : file.type === 'name'
          ? { kind: 'name', default: file.default }
          : { kind: 'integer', min: file.min, max: file.max, default: file.default?.toString() };
    if (option.kind === 'enum') {
      option.values.forEach((word, index) => {
        if (!optionWord.test(word)) {
          report.problem(
            [...path, 'enum', index],
            `"${word}" is not a plain word (letters, digits, ".", "_", ":" and "-", the first no hyphen)`,
          );
        }
      });
    }
    if (option.kind === 'integer' && (option.min < 0 || option.min > option.max)) {
      report.problem([...path, 'min'], 'must be from 0 to max: a number below 0 would be a flag');
    }
    if (option.default !== undefined && !takesValue(option, option.default)) {
      report.problem([...path, 'default'], `"${option.default}" is not a value of this option`);
    }
    options.set(name, option);
  }
  return options;
}

/** Whether a text is one of an option's values. */
export function takesValue(option: JobOption, text: string): boolean {
  switch (option.kind) {
    case 'enum':
      return option.values.includes(text);
    case 'name':
      return kubernetesName.test(text);
    case 'integer':
      return integer.test(text) && Number(text) >= option.min && Number(text) <= option.max;
  }
}

const placePattern = /^\{([^{}]*)\}$/;

/** The option that a word of argv stands for. Only whole words are places, so that a value is one word wherever it goes. */
export const placeOf = (word: string): string | undefined => placePattern.exec(word)?.[1];

function checkPlaces(
  job: JobFile,
  steps: readonly JobStepConfig[],
  options: JobConfig['options'],
  at: At,
  report: Report,
): void {
  const used = new Set<string>();
  steps.forEach(({ argv }, step) =>
    argv.forEach((word, index) => {
      const name = placeOf(word);
      if (name === undefined) return;
      used.add(name);
      if (!options.has(name)) {
        const path = job.steps ? at('steps', step, 'argv', index) : at('argv', index);
        report.problem(path, `no option is called "${name}".${didYouMean(name, options.keys())}`);
      }
    }),
  );
  for (const name of options.keys()) {
    if (!used.has(name)) report.problem(at('options', name), `is used nowhere: write {${name}} as a word of argv`);
  }
}
