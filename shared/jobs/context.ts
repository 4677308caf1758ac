import type { AuditTrail } from '../audit/trail.ts';
import type { Clock, Entropy } from '../clock.ts';
import type { Config, ConfigSource } from '../config/config.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { Records } from '../store/records.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { HealthLook } from './health-look.ts';
import { compileJobs, type Job } from './job.ts';

/** What the steps of a job work with. */
export interface JobsContext {
  readonly config: ConfigSource;
  readonly jobsOf: (config: Config) => ReadonlyMap<string, Job>;
  readonly gateway: Pick<Gateway, 'admitCaller' | 'limitRate' | 'runCommand' | 'runBatch'>;
  readonly health: HealthLook;
  readonly records: Pick<Records, 'get' | 'list' | 'getNote' | 'putNote' | 'lease' | 'releaseLease' | 'addDelivery'>;
  /** Something was stored that a webhook is to be told. */
  readonly onDelivery?: (() => void) | undefined;
  readonly trail: AuditTrail;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Names this process in leases. */
  readonly holder: string;
  readonly onError: (error: unknown) => void;
  readonly telemetry: Telemetry;
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
