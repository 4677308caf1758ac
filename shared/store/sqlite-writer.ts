import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DatabaseSync } from 'node:sqlite';

import type { Clock } from '../clock.ts';
import { StorageUnavailable } from './append-log.ts';

const maxBatchWrites = 256;
const maxBatchBytes = 16 * 1024 * 1024;
const maxWaiting = 10_000;
/** How long another process may hold the write lock: its own commits take milliseconds. */
const busyForMs = 5_000;

/** sqlite.org/rescode.html, primary codes. */
const busy = 5;
const locked = 6;
const constraint = 19;

export interface SqliteWriter {
  /**
   * Runs `work` in a transaction and resolves once that is durable. Writes asked for in one turn of the event loop share a
   * transaction, and so an fsync; each stands or falls alone. Rejects with what `work` threw, or StorageUnavailable.
   * @param bytes roughly what is written, so that a transaction stays bounded.
   */
  write<Result>(work: () => Result, bytes?: number): Promise<Result>;
  /** Resolves when everything asked for so far has settled. Nothing is taken after it. */
  close(): Promise<void>;
}

interface Write {
  readonly bytes: number;
  /** Runs the work and keeps its end, to be told when the transaction's is known. */
  attempt(): void;
  settle(): void;
  fail(error: unknown): void;
}

/** Group commit over one connection. node:sqlite is synchronous, so that a batch is never seen half done by our own reads. */
export function createSqliteWriter(database: DatabaseSync, clock: Clock): SqliteWriter {
  const waiting: Write[] = [];
  let draining: Promise<void> | undefined;
  let closed = false;

  const drain = async (): Promise<void> => {
    for (;;) {
      await nextTurn();
      const batch = takeBatch(waiting);
      if (batch.length === 0) break;
      try {
        await whileBusy(clock, () => database.exec('BEGIN IMMEDIATE'));
        commit(database, batch);
      } catch (error) {
        for (const write of batch) write.fail(unavailable(error));
        continue;
      }
      for (const write of batch) write.settle();
    }
    draining = undefined;
  };

  return {
    write: <Result>(work: () => Result, bytes = 0) => {
      if (closed) return Promise.reject(new StorageUnavailable('the records are closed'));
      if (waiting.length >= maxWaiting) return Promise.reject(new StorageUnavailable('too many writes are waiting'));
      const { promise, resolve, reject } = Promise.withResolvers<Result>();
      let end: (() => void) | undefined;
      waiting.push({
        bytes,
        attempt: () => {
          end = inSavepoint(database, work, resolve, reject);
        },
        settle: () => end?.(),
        fail: reject,
      });
      draining ??= drain();
      return promise;
    },
    close: async () => {
      closed = true;
      await draining;
    },
  };
}

function takeBatch(waiting: Write[]): readonly Write[] {
  let count = 0;
  let bytes = 0;
  for (const write of waiting) {
    bytes += write.bytes;
    if (count === maxBatchWrites || (count > 0 && bytes > maxBatchBytes)) break;
    count += 1;
  }
  return waiting.splice(0, count);
}

/**
 * Runs `work`, again while another process is in its way: waits beside the event loop, not in SQLite's own busy handler, which
 * would block it. Rejects with what `work` threw in the end.
 */
export async function whileBusy<Result>(clock: Clock, work: () => Result): Promise<Result> {
  const until = clock.monotonic() + busyForMs;
  for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || clock.monotonic() >= until) throw error;
    }
    await clock.sleep(pause);
  }
}

function commit(database: DatabaseSync, batch: readonly Write[]): void {
  try {
    for (const write of batch) write.attempt();
    database.exec('COMMIT');
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

/** What the database itself cannot do ends the whole batch (it throws); a violated constraint or a bug ends this write only. */
function inSavepoint<Result>(
  database: DatabaseSync,
  work: () => Result,
  resolve: (result: Result) => void,
  reject: (error: unknown) => void,
): () => void {
  database.exec('SAVEPOINT write');
  try {
    const result = work();
    database.exec('RELEASE write');
    return () => resolve(result);
  } catch (error) {
    if (isSqlite(error) && primaryCode(error) !== constraint) throw error;
    database.exec('ROLLBACK TO write; RELEASE write');
    return () => reject(error);
  }
}

/** SQLite has already rolled back by itself after some errors (full disk, I/O): then this one says so, and that is fine. */
function rollBack(database: DatabaseSync): void {
  try {
    database.exec('ROLLBACK');
  } catch (error) {
    if (!isSqlite(error)) throw error;
  }
}

interface SqliteError {
  readonly errcode: number;
  readonly message: string;
}

/** By its members, since an error of another realm (a test runner's) is no instance of this one's Error. */
const isSqlite = (error: unknown): error is SqliteError =>
  typeof error === 'object' && error !== null && 'errcode' in error && typeof error.errcode === 'number';

/** The low byte of an extended result code. */
const primaryCode = (error: SqliteError): number => error.errcode & 0xff;

const isBusy = (error: unknown): boolean => isSqlite(error) && [busy, locked].includes(primaryCode(error));

export function unavailable(error: unknown): StorageUnavailable {
  if (error instanceof StorageUnavailable) return error;
  const why = isSqlite(error) || error instanceof Error ? error.message : String(error);
  return new StorageUnavailable(`the records cannot be used: ${why}`, { cause: error });
}
