import { interpret } from '../command/interpret.ts';
import type { Invocation } from '../command/invocation.ts';
import type { Cluster, Config, JobConfig, JobOption, JobStepConfig } from '../config/config.ts';
import type { ConfigCheck } from '../config/load.ts';
import type { Path, Report } from '../config/problem.ts';
import { Problem } from '../errors.ts';
import { fillStep, type OptionValues } from './job.ts';
import { createSchedule, ScheduleError } from './schedule.ts';

/** Names that no cluster has: what a name option is tried with. Two, so that what depends on the value shows. */
const sampleNames = ['aksgw-sample-a', 'aksgw-sample-b'];
/** Ways to fill a job that are tried at most; each of them is parsed. */
const MOST_COMBINATIONS = 200;

/**
 * What only this room can say of a job: a schedule that never comes, a command that the grammar refuses, an option that chooses more
 * than a name. A job that fails at three in the morning for what the file says is an error of the file.
 */
export const checkJobs =
  (now: () => number): ConfigCheck =>
  (config, report) => {
    config.jobs.forEach((job, index) => {
      const at = (...path: Path): Path => ['jobs', index, ...path];
      checkSchedule(job, at, now(), report);
      const cluster = config.clusters.get(job.cluster);
      if (cluster) checkSteps(job, cluster, config.limits, at, report);
    });
  };

type At = (...path: Path) => Path;

function checkSchedule({ schedule }: JobConfig, at: At, now: number, report: Report): void {
  if (!schedule) return;
  try {
    createSchedule(schedule.cron, schedule.timeZone, now);
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    report.problem(at(error.message.includes('time zone') ? 'timeZone' : 'schedule'), error.message);
  }
}

function checkSteps(job: JobConfig, cluster: Cluster, limits: Config['limits'], at: At, report: Report): void {
  checkTime(job, limits.timeoutSeconds.max, at, report);
  job.steps.forEach((step, index) => {
    checkStep(step, job.options, cluster, job.batch ? at('steps', index) : at(), report);
  });
}

/** Steps share the time of one command; one that names none still needs a second. */
function checkTime({ steps, batch }: JobConfig, most: number, at: At, report: Report): void {
  const needed = steps.reduce((sum, { timeoutSeconds = 1 }) => sum + timeoutSeconds, 0);
  if (needed <= most) return;
  if (batch)
    report.problem(at('steps'), `take ${needed} s together: more than limits.timeoutSeconds.max, which is ${most}`);
  else report.problem(at('timeoutSeconds'), `is more than limits.timeoutSeconds.max, which is ${most}`);
}

function checkStep(
  step: JobStepConfig,
  options: JobConfig['options'],
  cluster: Cluster,
  path: Path,
  report: Report,
): void {
  const used = new Map([...options].filter(([name]) => step.argv.includes(`{${name}}`)));
  const combinations = samples(used);
  if (combinations.length > MOST_COMBINATIONS) {
    return report.problem(
      [...path, 'argv'],
      `can be filled in more than ${MOST_COMBINATIONS} ways: use options of kind name, or fewer values`,
    );
  }
  let first: string | undefined;
  for (const values of combinations) {
    const filled = fillStep(step, values);
    try {
      const shape = shapeOf(interpret(filled, cluster));
      first ??= shape;
      if (shape !== first) {
        return report.problem(
          [...path, 'argv'],
          'an option chooses more than a name or a namespace: name the verb and the kind in the command',
        );
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return report.problem([...path, 'argv'], `${filled.argv.join(' ')}: ${error.message}`);
    }
  }
}

/** Every way to fill the options, with two values for those that are open. */
function samples(options: ReadonlyMap<string, JobOption>): readonly OptionValues[] {
  let ways: readonly (readonly (readonly [string, string])[])[] = [[]];
  for (const [name, option] of options) {
    ways = ways.flatMap((way) => valuesOf(option).map((value) => [...way, [name, value] as const]));
    if (ways.length > MOST_COMBINATIONS) break;
  }
  return ways.map((way) => new Map(way));
}

function valuesOf(option: JobOption): readonly string[] {
  switch (option.kind) {
    case 'enum':
      return option.values;
    case 'name':
      return sampleNames;
    case 'integer':
      return [String(option.min), String(option.max)];
  }
}

/** What a command is, whatever it is done to: tool, verb, and what Kubernetes is asked, without names and namespaces. */
function shapeOf({ tool, verb, attributes }: Invocation): string {
  const kinds = attributes.map((asked) => [asked.verb, asked.group, asked.resource, asked.subresource].join(' '));
  return JSON.stringify([tool, verb, [...new Set(kinds)].sort()]);
}
