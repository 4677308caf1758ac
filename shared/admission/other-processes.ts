import type { Clock } from '../clock.ts';
import type { InFlight, Records } from '../store/records.ts';

/** The processes of one gateway see each other's commands through the records, and look this often at most. */
export const LOOK_EVERY_MS = 1_000;

/** What other processes have with Azure now. */
export interface OtherProcesses {
  /** Looks at the records unless that was done less than LOOK_EVERY_MS ago. Rejects with StorageUnavailable. */
  look(): Promise<void>;
  ofOwner(owner: string): number;
  ofCluster(cluster: string): number;
  ofPair(owner: string, cluster: string): number;
}

/**
 * The records count this process's commands too, so those that it had slots for when it looked are taken off. That is not
 * exact: a slot is there a little before its record says `submitting`, and a little after it says finished.
 */
export function createOtherProcesses(options: {
  records: Pick<Records, 'inFlight'>;
  clock: Clock;
  local: () => readonly InFlight[];
}): OtherProcesses {
  const { records, clock } = options;
  let seen: readonly InFlight[] = [];
  let seenAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;

  const lookNow = async (): Promise<void> => {
    const local = options.local();
    const all = await records.inFlight();
    seen = all.map(({ owner, cluster, count }) => {
      const own = local.find((slot) => slot.owner === owner && slot.cluster === cluster)?.count ?? 0;
      return { owner, cluster, count: Math.max(0, count - own) };
    });
    seenAt = clock.monotonic();
  };

  const sum = (matches: (one: InFlight) => boolean): number =>
    seen.reduce((total, one) => (matches(one) ? total + one.count : total), 0);

  return {
    look: () => {
      if (looking === undefined && clock.monotonic() - seenAt < LOOK_EVERY_MS) return Promise.resolve();
      looking ??= lookNow().finally(() => (looking = undefined));
      return looking;
    },
    ofOwner: (owner) => sum((one) => one.owner === owner),
    ofCluster: (cluster) => sum((one) => one.cluster === cluster),
    ofPair: (owner, cluster) => sum((one) => one.owner === owner && one.cluster === cluster),
  };
}
