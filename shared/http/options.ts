import type { Traffic } from '../admission/traffic.ts';
import type { AuditTrail } from '../audit/trail.ts';
import type { Clock, Entropy } from '../clock.ts';
import type { Config } from '../config/config.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { Looks } from '../health/looks.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { Caller, Principal } from '../identity/principal.ts';

/** What the app and its routes work with. */
export interface AppOptions {
  readonly config: () => Config;
  readonly authenticate: (header: string | undefined, signal?: AbortSignal) => Promise<Caller>;
  readonly authenticateRequester: (header: string, caller: Principal, signal?: AbortSignal) => Promise<Caller>;
  readonly gateway: Gateway;
  readonly jobs: Jobs;
  readonly looks: Looks;
  readonly trail: AuditTrail;
  readonly traffic: Traffic;
  /** What /readyz asks, by name. */
  readonly checks: Readonly<Record<string, Check>>;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly version: string;
  readonly telemetry: Telemetry;
  /** The metrics as Prometheus' text, if the configuration asks for them. */
  readonly prometheus?: (() => Promise<string>) | undefined;
  readonly logger: LogOptions;
}

/** Where the process's own log goes; false for nowhere. */
export type LogOptions = false | { readonly level: string; readonly stream?: { write(line: string): void } };

/** Throws when the dependency cannot do its part; `degraded` when it does less than the operator asked for. */
type Check = (signal: AbortSignal) => Promise<'degraded' | undefined | void>;
