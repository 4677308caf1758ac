import type { CommandRecord } from '../../store/records.ts';
import { cancelUnsent } from './cancel-unsent.ts';
import type { ActiveCommand, LifecycleContext } from './context.ts';
import { recoverOrphans } from './recover.ts';
import { startCommand, type NewCommand } from './start.ts';

/**
 * The life of a command, in durable steps: record `accepted` → audit intent → compare-and-set to `submitting` → POST → `running` → outcome
 * decided in the record → audited → finished. Each step is stored before the next begins, so that a kill or a power cut between any two leaves
 * a record that tells what may have happened. The process whose changes move a record's version carries it; the sweep recovers those that
 * stand still. Two writes may be late without harm, and be lost in a power cut: `running`, since `submitting` says that the command may have
 * run, and the last one, since the trail has the outcome already.
 */
export interface Lifecycle {
  /**
   * Creates the record of a command and carries it to its end: see ActiveCommand.finished. Resolves when the record is durable. Rejects
   * when it is not certain to be, and then starts nothing.
   */
  start(command: NewCommand): Promise<ActiveCommand>;
  /** The command if this process carries it. */
  active(id: string): ActiveCommand | undefined;
  /** How many commands this process carries. */
  carried(): number;
  /** See cancelUnsent. */
  cancelUnsent(record: CommandRecord): Promise<CommandRecord | undefined>;
  /** Takes over up to `limit` commands whose process is gone and brings each to its end. Returns how many. */
  recover(limit: number): Promise<number>;
  /** Resolves when every command that is active now has ended. */
  idle(): Promise<void>;
  /** Aborts when the gateway stops. */
  readonly stopping: AbortSignal;
  /** Stops carrying commands. Those that run keep running in Azure; their leases are given back for the next process. */
  close(): Promise<void>;
}

type LifecycleOptions = Omit<LifecycleContext, 'active' | 'starting' | 'recovery' | 'stopping' | 'leaseMs'> & {
  readonly leaseMs?: number;
};

const DEFAULT_LEASE_MS = 60_000;

export function createLifecycle(options: LifecycleOptions): Lifecycle {
  const context: LifecycleContext = {
    leaseMs: DEFAULT_LEASE_MS,
    ...options,
    active: new Map(),
    starting: new Set(),
    recovery: { seen: new Map(), told: new Set(), notBefore: 0, failures: 0 },
    stopping: new AbortController(),
  };
  return {
    start: (command) => startCommand(context, command),
    active: (id) => context.active.get(id),
    carried: () => context.active.size,
    cancelUnsent: (record) => cancelUnsent(context, record),
    recover: (limit) => recoverOrphans(context, limit),
    idle: () => allFinished([...context.active.values()]),
    stopping: context.stopping.signal,
    close: () => stop(context),
  };
}

async function allFinished(commands: readonly ActiveCommand[]): Promise<void> {
  await Promise.allSettled(commands.map(({ finished }) => finished));
}

async function stop(context: LifecycleContext): Promise<void> {
  context.stopping.abort(new Error('the gateway is stopping'));
  await allFinished([...context.active.values()]);
}
