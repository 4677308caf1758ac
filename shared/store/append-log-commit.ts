import type { Position } from './append-log.ts';
import { StorageUnavailable } from './append-log.ts';

/** A batch is at most this much (spec/audit.md, "Writing"). */
export const MAX_BATCH_LINES = 256;
export const MAX_BATCH_BYTES = 1024 * 1024;

interface Waiting {
  readonly bytes: Buffer;
  readonly resolve: (position: Position) => void;
  readonly reject: (error: StorageUnavailable) => void;
}

export interface GroupCommit {
  readonly append: (line: string) => Promise<Position>;
  /** Resolves when nothing waits any more; takes nothing after that. */
  readonly close: () => Promise<void>;
}

/**
 * Group commit: one `write` under way, what arrives meanwhile goes out with the next. `write` gives where the batch starts and
 * resolves when it is durable. After its first failure nothing more is written: whether the failed batch is there is not known,
 * and a retried fsync can report success for pages that the kernel has dropped (postgresql.org/wiki/Fsync_Errors).
 */
export function createGroupCommit(write: (batch: Buffer, lines: number) => Promise<Position>): GroupCommit {
  let waiting: Waiting[] = [];
  let running: Promise<void> | undefined;
  let ended: StorageUnavailable | undefined;

  const take = (): readonly Waiting[] => {
    let bytes = 0;
    let count = 0;
    for (const { bytes: line } of waiting) {
      bytes += line.length;
      if (count === MAX_BATCH_LINES || (count > 0 && bytes > MAX_BATCH_BYTES)) break;
      count += 1;
    }
    const batch = waiting.slice(0, count);
    waiting = waiting.slice(count);
    return batch;
  };

  const run = async (): Promise<void> => {
    // Lines of the same turn of the event loop share the first write.
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = take();
      try {
        const { segment, offset } = await write(Buffer.concat(batch.map(({ bytes }) => bytes)), batch.length);
        let at = offset;
        for (const { bytes, resolve } of batch) {
          resolve({ segment, offset: at });
          at += bytes.length;
        }
      } catch (error) {
        const failure = error instanceof StorageUnavailable ? error : unavailable('The audit store failed', error);
        ended = failure;
        const lost = [...batch, ...waiting];
        waiting = [];
        for (const { reject } of lost) reject(failure);
      }
    }
    running = undefined;
  };

  return {
    append: (line) => {
      if (ended) return Promise.reject(ended);
      return new Promise((resolve, reject) => {
        waiting.push({ bytes: Buffer.from(`${line}\n`, 'utf8'), resolve, reject });
        running ??= run();
      });
    },
    close: async () => {
      await running;
      ended ??= new StorageUnavailable('The stream is closed');
    },
  };
}

/** The system's words (an errno code, a storage error code), never more. */
export function unavailable(what: string, cause: unknown): StorageUnavailable {
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? ` (${cause.code})` : '';
  return new StorageUnavailable(`${what}${code}`, { cause });
}
