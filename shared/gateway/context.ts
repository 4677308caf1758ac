import type { Admission } from '../admission/admission.ts';
import type { StoredResults } from '../admission/stored-results.ts';
import type { LargeTexts } from '../admission/large-texts.ts';
import type { Traffic } from '../admission/traffic.ts';
import type { Idempotency } from '../admission/idempotency.ts';
import type { AuditItem, EventQuery, Page } from '../audit/read/match.ts';
import type { AuditTrail } from '../audit/trail.ts';
import type { Clock, Entropy } from '../clock.ts';
import type { Config, ConfigSource, Discovered } from '../config/config.ts';
import type { Policy } from '../policy/policy.ts';
import type { Relay } from '../relay/relay.ts';
import type { Records } from '../store/records.ts';
import type { Lifecycle } from './lifecycle/lifecycle.ts';

/** What the steps of a request work with; the first argument of each. */
export interface GatewayContext {
  readonly config: ConfigSource;
  readonly policyOf: (config: Config) => Policy;
  readonly trail: AuditTrail;
  readonly auditLog: AuditReader;
  readonly relay: Relay;
  readonly records: Records;
  readonly admission: Admission;
  readonly traffic: Traffic;
  readonly largeTexts: LargeTexts;
  readonly results: StoredResults;
  readonly idempotency: Idempotency;
  readonly lifecycle: Lifecycle;
  /** Clusters (by ARM id) that let the gateway into no pod, and when (monotonic) they last did not. */
  readonly cancelRefused: Map<string, number>;
  /** What was read of clusters' own definitions, and when (monotonic), by cluster: see discovered.ts. */
  readonly discovered: Map<string, { readonly readAt: number; readonly is: Discovered | undefined }>;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Gets what fails where no caller waits for it. */
  readonly onError: (error: unknown) => void;
  /** Does a step of a room, and gives its result. Telemetry measures it here. */
  readonly inRoom: <T>(room: 'command' | 'policy', step: () => T) => T;
}

/** The trail as it can be read back. */
interface AuditReader {
  events(query: EventQuery): Promise<Page<AuditItem>>;
  checkpoints(query: Pick<EventQuery, 'limit' | 'cursor'>): Promise<Page<unknown>>;
}

/** What a request is decided by: one configuration, and the policy that is in it. */
export interface InForce {
  readonly config: Config;
  readonly policy: Policy;
}

/** What is in force now, at most a minute old. Rejects only with the signal's reason. */
export async function inForce({ config, policyOf }: GatewayContext, signal?: AbortSignal): Promise<InForce> {
  const current = await config.fresh(signal);
  return { config: current, policy: policyOf(current) };
}
