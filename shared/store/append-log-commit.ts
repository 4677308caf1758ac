import type { Position } from './append-log.ts';
import { StorageUnavailable } from './append-log.ts';

interface Appender {
  append(lines: readonly string[]): Promise<Position>;
  /** Runs a look at what was written between two batches; its failure ends the stream as a failed batch does. */
  check(look: () => Promise<void>): Promise<void>;
  /** Resolves when nothing is under way; takes nothing after that. */
  close(): Promise<void>;
}

/**
 * One batch under way, in call order. `write` resolves with where the batch starts once it is durable. After the first failure
 * nothing more is written: whether the failed batch is there is not known, and a retried fsync can report success for pages that
 * the kernel has dropped (postgresql.org/wiki/Fsync_Errors).
 */
export function createAppender(write: (batch: Buffer) => Promise<Position>): Appender {
  let ended: StorageUnavailable | undefined;
  let last: Promise<unknown> = Promise.resolve();

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = last.then(async () => {
      if (ended) throw ended;
      try {
        return await work();
      } catch (error) {
        ended = error instanceof StorageUnavailable ? error : unavailable('The audit store failed', error);
        throw ended;
      }
    });
    // The next one asks `ended`; the failure itself is the caller's.
    last = mine.catch(() => undefined);
    return mine;
  };

  return {
    append: (lines) => inTurn(() => write(Buffer.from(lines.map((line) => `${line}\n`).join(''), 'utf8'))),
    check: inTurn,
    close: async () => {
      await last;
      ended ??= new StorageUnavailable('The stream is closed');
    },
  };
}

/** The system's words (an errno code, a storage error code), never more. */
export function unavailable(what: string, cause: unknown): StorageUnavailable {
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? ` (${cause.code})` : '';
  return new StorageUnavailable(`${what}${code}`, { cause });
}
