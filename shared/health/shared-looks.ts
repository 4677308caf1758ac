import type { BatchResult } from '../gateway/read-batch.ts';
import { sha256 } from '../lib/digest.ts';
import { StorageUnavailable } from '../store/append-log.ts';
import type { Records } from '../store/records.ts';

/**
 * Looks of one caller at one cluster, as all processes know them: which batch is whose. A note of the records' holds the last few. It is a
 * convenience: where it cannot be read or written, another pod starts.
 */
export interface SharedLooks {
  /** The batches that may serve, newest first. */
  find(owner: string, cluster: string, key: string): Promise<readonly string[]>;
  put(owner: string, cluster: string, key: string, batch: string): Promise<void>;
}

/** How long a look may go on, and then some: an older entry serves nobody. */
const OLDEST_MS = 15 * 60_000;
/** A caller looks at a few namespaces, as one or two of its roles. */
const MOST = 8;

interface Entry {
  readonly key: string;
  readonly at: number;
  readonly batch: string;
}

export function createSharedLooks(
  records: Pick<Records, 'getNote' | 'putNote'>,
  clock: { readonly now: () => number },
): SharedLooks {
  const nameOf = (owner: string, cluster: string): string => `look/${sha256(`${owner} ${cluster}`)}`;
  const read = async (name: string): Promise<{ readonly version: number; readonly entries: readonly Entry[] }> => {
    const note = await records.getNote(name);
    if (!note) return { version: 0, entries: [] };
    const entries = (JSON.parse(note.text) as readonly Entry[]).filter(({ at }) => clock.now() - at < OLDEST_MS);
    return { version: note.version, entries };
  };
  return {
    find: async (owner, cluster, key) =>
      (await unlessAway(() => read(nameOf(owner, cluster))))?.entries
        .filter((entry) => entry.key === sha256(key))
        .map(({ batch }) => batch) ?? [],
    put: async (owner, cluster, key, batch) => {
      const name = nameOf(owner, cluster);
      await unlessAway(async () => {
        const { version, entries } = await read(name);
        const mine = { key: sha256(key), at: clock.now(), batch };
        await records.putNote(name, { version, text: JSON.stringify([mine, ...entries].slice(0, MOST)) });
      });
    },
  };
}

async function unlessAway<T>(step: () => Promise<T>): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof StorageUnavailable) return undefined;
    throw error;
  }
}

/** Whether a batch goes on, or has ended less than `freshMs` ago. */
export function isFresh({ status, items }: BatchResult, now: number, freshMs: number): boolean {
  if (status === 'running') return true;
  const ends = items.flatMap(({ record }) => ('finishedAt' in record && record.finishedAt) || []);
  return status === 'completed' && ends.length > 0 && now - Math.max(...ends) < freshMs;
}
