import type { Limits } from '../config/config.ts';
import { createFairQueue } from '../lib/fair-queue.ts';
import type { InFlight } from '../store/records.ts';
import type { OtherProcesses } from './other-processes.ts';

/** Someone who wants to run one command on one cluster. */
export interface QueuedCommand {
  readonly owner: string;
  readonly cluster: string;
  /** Called once, when the slot is its own. */
  granted(): void;
}

/** Who runs and who waits, without time or promises. */
export interface Slots {
  /** Puts a command at the end of its owner's queue, and grants what can be granted. */
  join(command: QueuedCommand): void;
  /** Takes a command that still waits out of its queue; false when it does not wait. */
  leave(command: QueuedCommand): boolean;
  /** Gives a granted slot back, and grants it on. */
  release(command: QueuedCommand): void;
  /** Grants what can be granted, after something outside has changed. */
  grant(): void;
  waiting(owner?: string): number;
  /** How many callers wait for a cluster. */
  callersWaiting(cluster: string): number;
  running(): readonly InFlight[];
}

/**
 * Callers take turns, not commands: a caller with many commands queued delays another's first one by a single turn. The last free
 * slot of a cluster only goes to a caller that has nothing there, so that no caller can fill a cluster alone.
 */
export function createSlots(limits: () => Limits, otherProcesses: OtherProcesses): Slots {
  const queue = createFairQueue<QueuedCommand>();
  const running = new Map<string, { owner: string; cluster: string; count: number }>();

  const pair = (owner: string, cluster: string): string => JSON.stringify([owner, cluster]);

  const sum = (matches: (one: InFlight) => boolean): number =>
    [...running.values()].reduce((total, one) => (matches(one) ? total + one.count : total), 0);

  const callerFits = (owner: string): boolean =>
    sum((one) => one.owner === owner) + otherProcesses.ofOwner(owner) < limits().perPrincipal.running;

  const clusterFits = (owner: string, cluster: string): boolean => {
    const taken = sum((one) => one.cluster === cluster) + otherProcesses.ofCluster(cluster);
    const own = (running.get(pair(owner, cluster))?.count ?? 0) + otherProcesses.ofPair(owner, cluster);
    return limits().perCluster.running - taken > (own > 0 ? 1 : 0);
  };

  const start = (command: QueuedCommand): void => {
    const { owner, cluster } = command;
    const key = pair(owner, cluster);
    running.set(key, { owner, cluster, count: (running.get(key)?.count ?? 0) + 1 });
    command.granted();
  };

  /** The first command of a caller whose cluster has room; each cluster is looked at once, a queue may be long. */
  const firstThatFits = (owner: string, commands: readonly QueuedCommand[]): number => {
    if (!callerFits(owner)) return -1;
    const full = new Set<string>();
    return commands.findIndex(({ cluster }) => {
      if (full.has(cluster)) return false;
      if (clusterFits(owner, cluster)) return true;
      full.add(cluster);
      return false;
    });
  };

  const grant = (): void => {
    for (let next = queue.next(firstThatFits); next !== undefined; next = queue.next(firstThatFits)) start(next);
  };

  return {
    join: (command) => {
      queue.add(command.owner, command);
      grant();
    },
    leave: (command) => queue.remove(command.owner, command),
    release: ({ owner, cluster }) => {
      const key = pair(owner, cluster);
      const count = (running.get(key)?.count ?? 0) - 1;
      if (count > 0) running.set(key, { owner, cluster, count });
      else running.delete(key);
      grant();
    },
    grant,
    waiting: (owner) => queue.size(owner),
    callersWaiting: (cluster) => queue.owners((command) => command.cluster === cluster),
    running: () => [...running.values()],
  };
}
