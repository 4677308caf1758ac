import { fstatSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DatabaseSync } from 'node:sqlite';

import { after, type Clock } from '../clock.ts';
import { StorageUnavailable } from './append-log.ts';

const MAX_BATCH_WRITES = 256;
const MAX_BATCH_BYTES = 16 * 1024 * 1024;
const MAX_WAITING = 10_000;
const SOON_MS = 50;
/** How long another process may hold the write lock: its own commits take milliseconds. */
const BUSY_FOR_MS = 5_000;

/** sqlite.org/rescode.html, primary codes. */
const BUSY = 5;
const LOCKED = 6;
const CONSTRAINT = 19;
/** Read-only, I/O error, corrupt, cannot open, not a database: what this connection does next is not to be trusted. */
const connectionLost = new Set([8, 10, 11, 14, 26]);

export interface SqliteWriter {
  /**
   * Runs `work` in a transaction and resolves once that is durable. Writes asked for in one turn of the event loop share a
   * transaction, and what waits for the disk meanwhile shares the next; each stands or falls alone. Rejects with what `work`
   * threw, or StorageUnavailable.
   */
  write<Result>(work: () => Result, options?: WriteOptions): Promise<Result>;
  /** Why this connection takes nothing more, if it does not: another one has to be opened. */
  broken(): StorageUnavailable | undefined;
  /** Resolves when everything asked for so far has settled. Nothing is taken after it. */
  close(): Promise<void>;
}

interface WriteOptions {
  /** Roughly what is written, so that a transaction stays bounded. */
  readonly bytes?: number;
  /** Resolve once it is committed: it survives the process then, and a power cut after the next sync, soonMs later at most. */
  readonly lazy?: boolean;
}

/** Where transactions go before they are in the database file, and how to have them on the disk. */
export interface WriteAheadLog {
  /** Resolves when all that was written to it is on the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

interface Write {
  readonly bytes: number;
  readonly lazy: boolean;
  readonly work: () => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What became of one write of a transaction, to be told once the transaction is durable. */
type End = () => void;

/** What the steps below share. */
interface Context {
  readonly database: DatabaseSync;
  readonly clock: Clock;
  readonly log: WriteAheadLog | undefined;
  readonly statements: ReturnType<typeof prepareStatements>;
  readonly waiting: Write[];
  draining: Promise<void> | undefined;
  /** While durable writes wait for the disk: what commits those that do not. */
  passing: Promise<void> | undefined;
  isSyncing: boolean;
  closed: boolean;
  broken: StorageUnavailable | undefined;
  cancelSoon: (() => void) | undefined;
  syncing: Promise<void>;
}

/**
 * Group commit over one connection. node:sqlite is synchronous, so that a batch is never seen half done by our own reads. The
 * disk is waited for beside the event loop: SQLite commits into its log without waiting (synchronous = NORMAL), and the log is
 * synced here before anybody hears of the commit, which is what synchronous = FULL does within the commit (sqlite.org/wal.html).
 */
export function createSqliteWriter(database: DatabaseSync, clock: Clock, log?: WriteAheadLog): SqliteWriter {
  const context: Context = {
    database,
    clock,
    log,
    statements: prepareStatements(database),
    waiting: [],
    draining: undefined,
    passing: undefined,
    isSyncing: false,
    closed: false,
    broken: undefined,
    cancelSoon: undefined,
    syncing: Promise.resolve(),
  };
  return {
    write: (work, options) => enqueue(context, work, options),
    broken: () => context.broken,
    close: async () => {
      context.closed = true;
      await context.draining;
      await context.passing;
      await (context.cancelSoon ? sync(context) : context.syncing.catch(() => undefined)); // of a failed one its own writes have heard
    },
  };
}

const prepareStatements = (database: DatabaseSync) => ({
  begin: database.prepare('BEGIN IMMEDIATE'),
  commit: database.prepare('COMMIT'),
  savepoint: database.prepare('SAVEPOINT write'),
  release: database.prepare('RELEASE write'),
});

function enqueue<Result>(
  context: Context,
  work: () => Result,
  { bytes = 0, lazy = false }: WriteOptions = {},
): Promise<Result> {
  const { waiting } = context;
  if (context.closed) return Promise.reject(new StorageUnavailable('the records are closed'));
  if (waiting.length >= MAX_WAITING) return Promise.reject(new StorageUnavailable('too many writes are waiting'));
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  // What `work` gives is what its own promise is resolved with: the queue need not know its type.
  waiting.push({ bytes, lazy, work, resolve: resolve as (result: unknown) => void, reject });
  context.draining ??= drain(context);
  if (lazy && context.isSyncing) context.passing ??= passLazy(context);
  return promise;
}

/** Commits batch after batch, until nothing waits. */
async function drain(context: Context): Promise<void> {
  for (;;) {
    await nextTurn();
    const batch = takeBatch(context.waiting);
    if (batch.length === 0) break;
    await commitBatch(context, batch);
  }
  context.draining = undefined;
}

/** What need not be on the disk does not wait for what must be: only for its turn. */
async function passLazy(context: Context): Promise<void> {
  await nextTurn();
  context.passing = undefined;
  const { waiting } = context;
  const lazy = waiting.filter((write) => write.lazy);
  const batch = takeBatch(lazy);
  if (!context.isSyncing || batch.length === 0) return; // it is drain's turn
  waiting.splice(0, waiting.length, ...waiting.filter((write) => !batch.includes(write)));
  if (lazy.length > 0) context.passing = passLazy(context);
  await commitBatch(context, batch);
}

async function commitBatch(context: Context, batch: readonly Write[]): Promise<void> {
  try {
    if (context.broken) throw context.broken;
    // In one go: another batch may wait for its turn at the same time.
    const ends = await whileBusy(context.clock, () => {
      context.statements.begin.run();
      return commit(context, batch);
    });
    if (batch.some(({ lazy }) => !lazy)) await waitForSync(context);
    else syncSoon(context);
    for (const end of ends) end();
  } catch (error) {
    if (isConnectionLost(error)) context.broken ??= unavailable(error);
    for (const { reject } of batch) reject(unavailable(error));
  }
}

async function waitForSync(context: Context): Promise<void> {
  context.isSyncing = true;
  try {
    await sync(context);
  } finally {
    context.isSyncing = false;
  }
}

function syncSoon(context: Context): void {
  context.cancelSoon ??= after(
    context.clock,
    SOON_MS,
    () => {
      sync(context).catch(() => undefined); // the next write hears of it
    },
    { unref: true },
  );
}

/** One at a time: the kernel tells a descriptor of an error once (fsync(2)), so of two syncs side by side one would hear of none. */
function sync(context: Context): Promise<void> {
  context.cancelSoon?.();
  context.cancelSoon = undefined;
  context.syncing = context.syncing.catch(() => undefined).then(() => syncNow(context));
  return context.syncing;
}

/** After a failed sync the kernel may have dropped pages and call the next one good (postgresql.org/wiki/Fsync_Errors). */
async function syncNow(context: Context): Promise<void> {
  if (context.broken) throw context.broken;
  try {
    await context.log?.sync();
  } catch (error) {
    context.broken = unavailable(error);
    throw context.broken;
  }
}

/** Does what a batch asks in one transaction; gives what to tell each write when that is durable. */
function commit(context: Context, batch: readonly Write[]): readonly End[] {
  const { database, statements } = context;
  try {
    const ends = batch.map((write) => (batch.length === 1 ? alone(context, write) : inSavepoint(context, write)));
    if (database.isTransaction) statements.commit.run();
    return ends;
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

function alone({ database }: Context, { work, resolve, reject }: Write): End {
  try {
    const result = work();
    return () => resolve(result);
  } catch (error) {
    if (!isItsOwn(error)) throw error;
    rollBack(database);
    return () => reject(error);
  }
}

function inSavepoint({ database, statements }: Context, { work, resolve, reject }: Write): End {
  statements.savepoint.run();
  try {
    const result = work();
    statements.release.run();
    return () => resolve(result);
  } catch (error) {
    if (!isItsOwn(error)) throw error;
    database.exec('ROLLBACK TO write; RELEASE write');
    return () => reject(error);
  }
}

/** The log of the database at `path`: SQLite gives it this name (sqlite.org/fileformat2.html, section 4), and keeps it while it is open. */
export async function openWriteAheadLog(path: string): Promise<WriteAheadLog> {
  // For writing: some systems sync nothing through a descriptor that only reads. It is never written through.
  const file = await open(`${path}-wal`, 'r+');
  const { ino } = statSync(path, { bigint: true });
  return {
    sync: async () => {
      await file.datasync();
      // What is written to a file that was removed or replaced is gone with this process. Synchronous: two calls of microseconds.
      if (fstatSync(file.fd).nlink === 0 || statSync(path, { bigint: true }).ino !== ino)
        throw new Error('the file of the records was removed or replaced');
    },
    close: () => file.close(),
  };
}

function takeBatch(waiting: Write[]): readonly Write[] {
  let count = 0;
  let bytes = 0;
  for (const write of waiting) {
    bytes += write.bytes;
    if (count === MAX_BATCH_WRITES || (count > 0 && bytes > MAX_BATCH_BYTES)) break;
    count += 1;
  }
  return waiting.splice(0, count);
}

/**
 * Runs `work`, again while another process is in its way: waits beside the event loop, not in SQLite's own busy handler, which
 * would block it. Rejects with what `work` threw in the end.
 */
export async function whileBusy<Result>(clock: Clock, work: () => Result): Promise<Result> {
  const until = clock.monotonic() + BUSY_FOR_MS;
  for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || clock.monotonic() >= until) throw error;
    }
    await clock.sleep(pause);
  }
}

/** What the database itself cannot do ends the whole batch; a violated constraint or a bug ends this write only. */
const isItsOwn = (error: unknown): boolean => !isSqlite(error) || primaryCode(error) === CONSTRAINT;

/** SQLite has already rolled back by itself after some errors (full disk, I/O). */
function rollBack(database: DatabaseSync): void {
  if (database.isTransaction) database.exec('ROLLBACK');
}

interface SqliteError {
  readonly errcode: number;
  readonly message: string;
}

/** By its members, since an error of another realm (a test runner's) is not an instance of this one's Error. */
const isSqlite = (error: unknown): error is SqliteError =>
  typeof error === 'object' && error !== null && 'errcode' in error && typeof error.errcode === 'number';

/** The low byte of an extended result code. */
const primaryCode = (error: SqliteError): number => error.errcode & 0xff;

export const isConnectionLost = (error: unknown): boolean => isSqlite(error) && connectionLost.has(primaryCode(error));

const isBusy = (error: unknown): boolean => isSqlite(error) && [BUSY, LOCKED].includes(primaryCode(error));

export function unavailable(error: unknown): StorageUnavailable {
  if (error instanceof StorageUnavailable) return error;
  const why = isSqlite(error) || error instanceof Error ? error.message : String(error);
  return new StorageUnavailable(`the records cannot be used: ${why}`, { cause: error });
}
