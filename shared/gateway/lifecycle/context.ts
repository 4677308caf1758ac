import type { AuditTrail } from '../../audit/trail.ts';
import type { Clock } from '../../clock.ts';
import type { Cluster } from '../../config/config.ts';
import type { Relay } from '../../relay/relay.ts';
import type { CommandRecord, Records } from '../../store/records.ts';
import type { LeaseContext } from './leased-record.ts';

/** What the steps of a command's life work with; the first argument of each. */
export interface LifecycleContext extends LeaseContext {
  readonly records: Records;
  readonly trail: AuditTrail;
  readonly relay: Relay;
  readonly clock: Clock;
  /** The record's cluster if it is still configured, under the same ARM id. */
  readonly clusterOf: (record: CommandRecord) => Cluster | undefined;
  /** The outcome that the trail already holds for a command: a crash may have come between audit and record. */
  readonly outcomeOf: (record: CommandRecord) => Promise<string | undefined>;
  /** Gets what fails where no caller waits for it. */
  readonly onError: (error: unknown, commandId: string) => void;
  /** The commands that this process carries, by id. */
  readonly active: Map<string, ActiveCommand>;
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
}

/** Milliseconds. */
export interface TimeSpent {
  /** With Azure: the POST, the run, the polls. */
  azure: number;
  /** Waiting for a slot. */
  queue: number;
}
