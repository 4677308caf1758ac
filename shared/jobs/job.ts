import type { CommandRequest } from '../command/invocation.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import { sha256 } from '../lib/digest.ts';
import type { Config, JobConfig, JobOption, JobStepConfig } from '../config/config.ts';
import { placeOf, takesValue } from '../config/jobs.ts';
import { Problem } from '../errors.ts';
import { createSchedule, type Schedule } from './schedule.ts';

/** A job ready to be looked at. */
export interface Job extends Omit<JobConfig, 'schedule'> {
  /** Left out: run by hand only. */
  readonly schedule?: Schedule | undefined;
  /** SHA-256, hex, of what it runs, where and when: another digest is another job under the same name. */
  readonly digest: string;
}

/** The jobs of a checked configuration, by name. */
export function compileJobs({ jobs }: Pick<Config, 'jobs'>, now: number): ReadonlyMap<string, Job> {
  return new Map(
    jobs.map((job) => {
      const { cluster, schedule, steps, batch, health, onError, reason, enabled } = job;
      const options = Object.fromEntries(job.options);
      return [
        job.name,
        {
          ...job,
          schedule: schedule && createSchedule(schedule.cron, schedule.timeZone, now),
          digest: sha256(
            canonicalJson({
              cluster,
              schedule,
              steps,
              batch,
              onError,
              reason,
              enabled,
              options,
              ...(health && { health }),
            }),
          ),
        },
      ];
    }),
  );
}

export type OptionValues = ReadonlyMap<string, string>;

/** The values for one run: those given, and defaults for the rest. Throws Problem `request-invalid` with the option's name. */
export function chooseValues(
  { name: job, options }: Pick<Job, 'name' | 'options'>,
  given: ReadonlyMap<string, string>,
): OptionValues {
  for (const name of given.keys()) {
    if (!options.has(name)) {
      const known = [...options.keys()].join(', ') || 'none';
      throw new Problem(
        'request-invalid',
        `The job ${job} has no option ${JSON.stringify(name)}. Its options: ${known}.`,
      );
    }
  }
  return new Map(
    [...options].map(([name, option]) => {
      const value = given.get(name) ?? option.default;
      if (value === undefined)
        throw new Problem('request-invalid', `The option ${name} has no default: give ${describe(option)}.`);
      if (!takesValue(option, value)) {
        throw new Problem(
          'request-invalid',
          `The option ${name} takes ${describe(option)}, not ${JSON.stringify(value)}.`,
        );
      }
      return [name, value];
    }),
  );
}

const describe = (option: JobOption): string => {
  switch (option.kind) {
    case 'enum':
      return `one of ${option.values.join(', ')}`;
    case 'name':
      return 'the name of a Kubernetes object';
    case 'integer':
      return `a whole number from ${option.min} to ${option.max}`;
  }
};

/** A step as the command room takes it: each place of an option is one word, its value. */
export function fillStep({ argv, files, stdin, timeoutSeconds }: JobStepConfig, values: OptionValues): CommandRequest {
  return {
    argv: argv.map((word) => {
      const place = placeOf(word);
      return place === undefined ? word : (values.get(place) ?? word);
    }),
    files: files.map(({ path, content }) => ({ path, bytes: Buffer.from(content) })),
    stdin,
    timeoutSeconds,
  };
}
