import type { StoredResults } from '../../admission/stored-results.ts';
import type { AuditTrail } from '../../audit/trail.ts';
import type { Clock, Entropy } from '../../clock.ts';
import type { Cluster } from '../../config/config.ts';
import type { Relay } from '../../relay/relay.ts';
import type { CommandRecord, Records } from '../../store/records.ts';
import type { LeaseContext } from './leased-record.ts';

/** What the steps of a command's life work with; the first argument of each. */
export interface LifecycleContext extends LeaseContext {
  readonly records: Records;
  readonly results: StoredResults;
  readonly trail: AuditTrail;
  readonly relay: Relay;
  readonly clock: Clock;
  readonly entropy: Pick<Entropy, 'bytes'>;
  /** The record's cluster if its ARM id is still configured. */
  readonly clusterOf: (record: CommandRecord) => Cluster | undefined;
  /** The outcomes that the trail already holds, by command: a crash may have come between audit and record. One pass for all. */
  readonly outcomesOf: (records: readonly CommandRecord[]) => Promise<ReadonlyMap<string, string>>;
  /** Gets what fails where no caller waits for it. */
  readonly onError: (error: unknown, commandId: string) => void;
  /** The commands that this process carries, by id. */
  readonly active: Map<string, ActiveCommand>;
  /** The ids whose records this process is storing: others may see one before this process hears that it is durable. */
  readonly starting: Set<string>;
  readonly recovery: Recovery;
  /** Aborts when the gateway stops. */
  readonly stopping: AbortController;
}

/** A command that this process carries. */
export interface ActiveCommand {
  /** The record as last stored. */
  current(): CommandRecord;
  /** The time so far that was not the gateway's own. */
  readonly spent: TimeSpent;
  /** Resolves with the record once this process is done with it; rejects with a Problem when nothing was started. */
  readonly finished: Promise<CommandRecord>;
  /** Another one has the record now: this process stops carrying it at once, rather than when it next writes. */
  lose(): void;
}

/** Milliseconds. */
export interface TimeSpent {
  /** With Azure: the POST, the run, the polls. */
  azure: number;
  /** Waiting for a slot. */
  queue: number;
}

/** What this process has seen of the records that others carry. */
interface Recovery {
  /** By id: the version that was seen, and since when (monotonic). */
  readonly seen: Map<string, { readonly version: number; readonly since: number }>;
  /** Unreadable records that were reported. */
  readonly told: Set<string>;
  /** Nothing is taken over before this (monotonic): this process could not finish what it took. */
  notBefore: number;
  /** How often in a row. */
  failures: number;
}
