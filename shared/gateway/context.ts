import type { Admission } from '../admission/admission.ts';
import type { Traffic } from '../admission/traffic.ts';
import type { Idempotency } from '../admission/idempotency.ts';
import type { AuditItem, EventQuery, Page } from '../audit/read/query.ts';
import type { AuditTrail } from '../audit/trail.ts';
import type { Clock, Entropy } from '../clock.ts';
import type { ConfigSource } from '../config/config.ts';
import type { Policy } from '../policy/policy.ts';
import type { Relay } from '../relay/relay.ts';
import type { Records } from '../store/records.ts';
import type { Lifecycle } from './lifecycle/lifecycle.ts';

/** What the steps of a request work with; the first argument of each. */
export interface GatewayContext {
  readonly config: ConfigSource;
  /** The policy in force now. */
  readonly policy: () => Policy;
  readonly trail: AuditTrail;
  readonly auditLog: AuditReader;
  readonly relay: Relay;
  readonly records: Records;
  readonly admission: Admission;
  readonly traffic: Traffic;
  readonly idempotency: Idempotency;
  readonly lifecycle: Lifecycle;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Gets what fails where no caller waits for it. */
  readonly onError: (error: unknown) => void;
}

/** The trail as it can be read back. */
interface AuditReader {
  events(query: EventQuery): Promise<Page<AuditItem>>;
  checkpoints(query: Pick<EventQuery, 'limit' | 'cursor'>): Promise<Page<unknown>>;
}
