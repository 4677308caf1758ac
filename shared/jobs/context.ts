import type { AuditTrail } from '../audit/trail.ts';
import type { Clock, Entropy } from '../clock.ts';
import type { Config, ConfigSource } from '../config/config.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { Records } from '../store/records.ts';
import { compileJobs, type Job } from './job.ts';

/** What the steps of a job work with. */
export interface JobsContext {
  readonly config: ConfigSource;
  readonly jobsOf: (config: Config) => ReadonlyMap<string, Job>;
  readonly gateway: Pick<Gateway, 'admitCaller' | 'limitRate' | 'runCommand' | 'runBatch'>;
  readonly records: Pick<Records, 'get' | 'list' | 'getNote' | 'putNote' | 'lease' | 'releaseLease'>;
  readonly trail: AuditTrail;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Names this process in leases. */
  readonly holder: string;
  readonly onError: (error: unknown) => void;
}

/** Each configuration's jobs, compiled once. */
export function compiledOnce(clock: Pick<Clock, 'now'>): JobsContext['jobsOf'] {
  const compiled = new WeakMap<Config, ReadonlyMap<string, Job>>();
  return (config) => {
    const jobs = compiled.get(config) ?? compileJobs(config, clock.now());
    compiled.set(config, jobs);
    return jobs;
  };
}
