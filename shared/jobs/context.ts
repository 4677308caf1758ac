import type { AuditTrail } from '../audit/trail.ts';
import type { Clock, Entropy } from '../clock.ts';
import type { Config, ConfigSource } from '../config/config.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { AuthenticatedRequest, RequestedBatch } from '../gateway/request.ts';
import type { StartedCommand } from '../gateway/run-command.ts';
import type { Records } from '../store/records.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { compileJobs, type Job } from './job.ts';

/** A look at a cluster's health, for jobs that are one. */
interface HealthLook {
  /** Starts it as the job. Throws Problem. */
  start(
    request: AuthenticatedRequest,
    cluster: string,
    about: Pick<RequestedBatch, 'reason' | 'job' | 'requester' | 'idempotency'>,
    /** Epoch ms: until when its numbers say something of now. */
    until: number,
    signal?: AbortSignal,
  ): Promise<StartedCommand>;
  /** Judges one that has ended, and keeps its numbers as metrics. One line on how the cluster is. */
  note(request: AuthenticatedRequest, cluster: string, batchId: string, until: number): Promise<string>;
}

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
