import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { SQLOutputValue, StatementSync } from 'node:sqlite';

import { systemClock } from '../clock.ts';
import type { Clock } from '../clock.ts';
import { StorageUnavailable } from './append-log.ts';
import { readCursor, writeCursor } from './records-cursor.ts';
import { endedAt, isFinished, maxListed } from './records.ts';
import type { CommandId } from '../lib/ids.ts';
import type { CommandRecord, KeyClaim, Records, UnknownRecord } from './records.ts';
import { reopening, type Connection } from './reopening.ts';
import { createSqliteWriter, isConnectionLost, openWriteAheadLog, unavailable, whileBusy } from './sqlite-writer.ts';
import type { SqliteWriter, WriteAheadLog } from './sqlite-writer.ts';

/** Raised with every change of the schema; a file of another version is refused, never guessed at. */
const schemaVersion = 2;

const schema = `
  CREATE TABLE records (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, owner TEXT NOT NULL, cluster TEXT NOT NULL, status TEXT NOT NULL,
    finished INTEGER NOT NULL, submitted_at INTEGER NOT NULL, ended_at INTEGER NOT NULL,
    has_output INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX records_by_owner ON records (owner, submitted_at DESC, id DESC);
  CREATE INDEX unfinished_by_age ON records (submitted_at) WHERE finished = 0;
  CREATE INDEX outputs_by_end ON records (ended_at) WHERE has_output = 1 AND finished = 1;
  CREATE INDEX records_by_end ON records (ended_at) WHERE finished = 1;
  CREATE TABLE outputs (id TEXT PRIMARY KEY, stdout BLOB NOT NULL, stderr BLOB NOT NULL) STRICT;
  CREATE TABLE key_claims (
    scope TEXT PRIMARY KEY, body TEXT NOT NULL, command_id TEXT NOT NULL, expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX key_claims_by_expiry ON key_claims (expires_at);
  CREATE TABLE notes (name TEXT PRIMARY KEY, version INTEGER NOT NULL, text TEXT NOT NULL) STRICT;
  CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL) STRICT;
`;

/** One transaction of a purge removes at most so many, so that commands need not wait behind it … */
const purgeBatch = 100;
/** … and one purge runs at most so many transactions, so that the log stays small: the next purge goes on. */
const purgeBatches = 20;

/**
 * Records in one SQLite file, or `:memory:`. A write has outlived the process when it resolves; before a
 * command is sent, and when it was, all of it is durable over power loss too (WAL, synced by the writer). Several processes may
 * share the file. Rejects with StorageUnavailable when the file cannot be opened or is not ours.
 */
export async function openSqliteRecords(path: string, options: SqliteOptions = {}): Promise<Records> {
  return reopening(() => openConnection(path, options), options.clock ?? systemClock);
}

async function openConnection(path: string, options: SqliteOptions): Promise<Connection> {
  const { clock = systemClock, openLog = openWriteAheadLog } = options;
  const database = openDatabase(path);
  let log: WriteAheadLog | undefined;
  try {
    await whileBusy(clock, () => database.exec(pragmas));
    // Nothing is promised of a database in memory. The schema itself becomes durable with the first record.
    await createSqliteWriter(database, clock).write(() => prepareSchema(database), { lazy: true });
    if (path !== IN_MEMORY) log = await openLog(path);
    const sql = await whileBusy(clock, () => prepare(database));
    // After a failed sync the kernel may hold pages as clean that are not on the disk: what is in the log is written once more, into the
    // database, and synced there. Another process that reads or writes has done so, or will.
    if (log) sql.checkpoint.get();
    return createRecords({ database, log, writer: createSqliteWriter(database, clock, log), sql, clock });
  } catch (error) {
    await log?.close();
    database.close();
    throw unavailable(error);
  }
}

interface SqliteOptions {
  readonly clock?: Clock;
  readonly openLog?: (path: string) => Promise<WriteAheadLog>;
}

const IN_MEMORY = ':memory:';
const isUnknown = (record: CommandRecord | undefined): record is UnknownRecord => record?.status === 'unknown';
/** The row that a look at the store writes. */
const PING = 'ping';

/**
 * busy_timeout 0: whileBusy does the waiting. A checkpoint holds up the event loop for two syncs, however much it moves, so there
 * is one every 32 MiB and not, as by default, every 4.
 */
const pragmas = `
  PRAGMA busy_timeout = 0; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA checkpoint_fullfsync = ON;
  PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 8000; PRAGMA journal_size_limit = 67108864;
`;

function openDatabase(path: string): DatabaseSync {
  try {
    if (path !== IN_MEMORY) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      // Results are in it: SQLite gives its WAL and shm files the mode that it finds on the database.
      closeSync(openSync(path, 'a', 0o600));
      for (const file of [path, `${path}-wal`, `${path}-shm`]) if (existsSync(file)) chmodSync(file, 0o600);
    }
    return new DatabaseSync(path);
  } catch (error) {
    throw unavailable(error);
  }
}

function prepareSchema(database: DatabaseSync): void {
  const found = number(database.prepare('PRAGMA user_version').get(), 'user_version');
  if (found === schemaVersion) return;
  if (found !== 0) throw new Error(`the file has schema ${found}, this gateway needs ${schemaVersion}`);
  database.exec(`${schema}; PRAGMA user_version = ${schemaVersion}`);
}

interface Parts {
  readonly database: DatabaseSync;
  readonly log: WriteAheadLog | undefined;
  readonly writer: SqliteWriter;
  readonly sql: ReturnType<typeof prepare>;
  readonly clock: Clock;
}

function createRecords({ database, log, writer, sql, clock }: Parts): Connection {
  /** Whether something that was purged may still stand in the log: after a start too, since the one before may have been killed. */
  let logHoldsPurged = true;
  let lost: StorageUnavailable | undefined;

  const read = async <Result>(work: () => Result): Promise<Result> => {
    try {
      return await whileBusy(clock, work);
    } catch (error) {
      if (isConnectionLost(error)) lost = unavailable(error);
      throw unavailable(error);
    }
  };

  const purgeOutputs = (before: number, unreadable: Set<string>): number => {
    const due = sql.purgeable.all({ before, limit: purgeBatch });
    for (const row of due) {
      const id = text(row, 'id');
      sql.dropOutput.run({ id });
      const record = readable(row);
      if (record) markPurged(record);
      else {
        unreadable.add(id);
        sql.forgetOutput.run({ id });
      }
    }
    return due.length;
  };

  const markPurged = (record: CommandRecord): void => {
    const next = { ...record, version: record.version + 1, outputPurged: true };
    sql.markPurged.run({ id: next.id, version: next.version, body: body(next) });
  };

  /** A record goes with its output, whatever became of that. */
  const purgeRecords = (before: number): number => {
    const due = sql.expired.all({ before, limit: purgeBatch });
    for (const row of due) {
      const id = text(row, 'id');
      sql.dropOutput.run({ id });
      sql.dropRecord.run({ id });
    }
    return due.length;
  };

  const inBatches = async (purgeSome: () => number): Promise<number> => {
    let removed = 0;
    for (let batches = 0; batches < purgeBatches; batches += 1) {
      const some = await writer.write(purgeSome);
      removed += some;
      if (some < purgeBatch) break;
    }
    return removed;
  };

  return {
    create: (record) => writer.write(() => void sql.insert.run(columns(record))),

    get: (id) => read(() => optional(sql.get.get({ id }), parseRecord)),

    replace: (record) =>
      writer.write(
        () => {
          const next = { ...record, version: record.version + 1 };
          return sql.replace.run({ ...columns(next), old: record.version }).changes === 1 ? next : undefined;
        },
        { lazy: isFinished(record) || record.ending !== undefined },
      ),

    list: async ({ owner, cluster, status, limit, cursor }) => {
      const after = cursor === undefined ? undefined : readCursor(cursor);
      const wanted = Math.max(1, Math.min(limit, maxListed));
      const rows = await read(() =>
        sql.list.all({
          owner,
          cluster: cluster ?? null,
          status: status ?? null,
          submittedAt: after?.submittedAt ?? Number.MAX_SAFE_INTEGER,
          id: after?.id ?? '',
          limit: wanted + 1,
        }),
      );
      const items = rows.slice(0, wanted).map(parseRecord);
      const last = items.at(-1);
      return rows.length > wanted && last !== undefined ? { items, next: writeCursor(last) } : { items };
    },

    unfinished: (limit) =>
      read(() => {
        const rows = sql.unfinished.all({ limit });
        const records = rows.map(readable).filter((record) => record !== undefined);
        return { records, unreadable: rows.filter((row) => !readable(row)).map((row) => text(row, 'id')) };
      }),

    unknown: (since, limit) => read(() => sql.unknown.all({ since, limit }).map(readable).filter(isUnknown)),

    inFlight: () =>
      read(() =>
        sql.inFlight
          .all()
          .map((row) => ({ owner: text(row, 'owner'), cluster: text(row, 'cluster'), count: number(row, 'n') })),
      ),

    putOutput: (id, { stdout, stderr }) =>
      writer.write(
        () => {
          if (sql.markOutput.run({ id }).changes === 0) throw new Error(`no record ${id} for this output`);
          sql.putOutput.run({ id, stdout, stderr });
        },
        { bytes: stdout.byteLength + stderr.byteLength, lazy: true },
      ),

    getOutput: (id) =>
      read(() =>
        optional(sql.getOutput.get({ id }), (row) => ({ stdout: bytes(row, 'stdout'), stderr: bytes(row, 'stderr') })),
      ),

    purge: async ({ outputsBefore, recordsBefore, now }) => {
      const unreadable = new Set<string>();
      await writer.write(() => void sql.dropKeys.run({ now }));
      const outputs = await inBatches(() => purgeOutputs(outputsBefore, unreadable));
      const records = await inBatches(() => purgeRecords(recordsBefore));
      // What was purged also leaves the log; while another process reads or writes, a later purge does it.
      logHoldsPurged ||= outputs + records > 0;
      if (logHoldsPurged) logHoldsPurged = number(await read(() => sql.checkpoint.get()), 'busy') !== 0;
      return { outputs, records, unreadable: [...unreadable] };
    },

    claimKey: (claim, now) =>
      writer.write(
        () => {
          const { scope, body, commandId, expiresAt } = claim;
          if (sql.claim.run({ scope, body, commandId, expiresAt, now }).changes === 1) return { claimed: true };
          return { claimed: false, by: parseClaim(sql.claimed.get({ scope })) };
        },
        { lazy: true },
      ),

    releaseKey: ({ scope, commandId }) => writer.write(() => void sql.unclaim.run({ scope, commandId })),

    lease: (name, holder, until, now) =>
      writer.write(() => sql.lease.run({ name, holder, until, now }).changes === 1, { lazy: true }),

    releaseLease: (name, holder) => writer.write(() => void sql.unlease.run({ name, holder }), { lazy: true }),

    getNote: (name) =>
      read(() =>
        optional(sql.getNote.get({ name }), (row) => ({ version: number(row, 'version'), text: text(row, 'text') })),
      ),

    putNote: (name, { version, text: written }) =>
      writer.write(() => sql.putNote.run({ name, old: version, text: written }).changes === 1),

    ping: async () => {
      const now = clock.now();
      const found = await writer.write(() => {
        sql.lease.run({ name: PING, holder: PING, until: now, now });
        return number(sql.pinged.get({ name: PING }), 'until');
      });
      if (found !== now) throw new StorageUnavailable('the records do not give back what was written');
      // Where a command's record would be read: a damaged page shows only when it is looked at.
      await read(() => void sql.inFlight.all());
    },

    broken: () => lost ?? writer.broken(),

    close: async () => {
      try {
        await writer.close();
      } finally {
        await log?.close();
        if (database.isOpen) database.close();
      }
    },
  };
}

function prepare(database: DatabaseSync) {
  const statement = (text: string): StatementSync => database.prepare(text);
  return {
    insert: statement(`INSERT INTO records (id, version, owner, cluster, status, finished, submitted_at, ended_at, body)
      VALUES (:id, :version, :owner, :cluster, :status, :finished, :submittedAt, :endedAt, :body)`),
    get: statement('SELECT body FROM records WHERE id = :id'),
    replace: statement(`UPDATE records SET version = :version, owner = :owner, cluster = :cluster, status = :status,
      finished = :finished, submitted_at = :submittedAt, ended_at = :endedAt, body = :body
      WHERE id = :id AND version = :old`),
    list: statement(`SELECT body FROM records WHERE owner = :owner AND (submitted_at, id) < (:submittedAt, :id)
      AND (:cluster IS NULL OR cluster = :cluster) AND (:status IS NULL OR status = :status)
      ORDER BY submitted_at DESC, id DESC LIMIT :limit`),
    unfinished: statement('SELECT id, body FROM records WHERE finished = 0 ORDER BY submitted_at LIMIT :limit'),
    unknown: statement(`SELECT id, body FROM records WHERE finished = 1 AND ended_at > :since AND status = 'unknown'
      ORDER BY ended_at LIMIT :limit`),
    inFlight: statement(`SELECT owner, cluster, count(*) AS n FROM records
      WHERE finished = 0 AND status IN ('submitting', 'running') AND coalesce(json_extract(body, '$.batch.step'), 0) = 0
      GROUP BY owner, cluster`),
    markOutput: statement('UPDATE records SET has_output = 1 WHERE id = :id'),
    putOutput: statement(`INSERT INTO outputs (id, stdout, stderr) VALUES (:id, :stdout, :stderr)
      ON CONFLICT (id) DO UPDATE SET stdout = :stdout, stderr = :stderr`),
    getOutput: statement('SELECT stdout, stderr FROM outputs WHERE id = :id'),
    purgeable: statement(
      `SELECT id, body FROM records WHERE has_output = 1 AND finished = 1 AND ended_at < :before LIMIT :limit`,
    ),
    expired: statement('SELECT id FROM records WHERE finished = 1 AND ended_at < :before LIMIT :limit'),
    dropRecord: statement('DELETE FROM records WHERE id = :id'),
    forgetOutput: statement('UPDATE records SET has_output = 0 WHERE id = :id'),
    dropOutput: statement('DELETE FROM outputs WHERE id = :id'),
    markPurged: statement('UPDATE records SET has_output = 0, version = :version, body = :body WHERE id = :id'),
    dropKeys: statement('DELETE FROM key_claims WHERE expires_at <= :now'),
    checkpoint: statement('PRAGMA wal_checkpoint(TRUNCATE)'),
    claim: statement(`INSERT INTO key_claims (scope, body, command_id, expires_at)
      VALUES (:scope, :body, :commandId, :expiresAt)
      ON CONFLICT (scope) DO UPDATE SET body = :body, command_id = :commandId, expires_at = :expiresAt
      WHERE expires_at <= :now OR command_id = :commandId`),
    claimed: statement('SELECT scope, body, command_id, expires_at FROM key_claims WHERE scope = :scope'),
    unclaim: statement('DELETE FROM key_claims WHERE scope = :scope AND command_id = :commandId'),
    lease: statement(`INSERT INTO leases (name, holder, until) VALUES (:name, :holder, :until)
      ON CONFLICT (name) DO UPDATE SET holder = :holder, until = :until WHERE holder = :holder OR leases.until <= :now`),
    unlease: statement('DELETE FROM leases WHERE name = :name AND holder = :holder'),
    pinged: statement('SELECT until FROM leases WHERE name = :name'),
    getNote: statement('SELECT version, text FROM notes WHERE name = :name'),
    putNote: statement(`INSERT INTO notes (name, version, text) SELECT :name, 1, :text
      WHERE :old = 0 OR EXISTS (SELECT 1 FROM notes WHERE name = :name)
      ON CONFLICT (name) DO UPDATE SET version = version + 1, text = :text WHERE version = :old`),
  };
}

const columns = (record: CommandRecord) => ({
  id: record.id,
  version: record.version,
  owner: record.owner,
  cluster: record.cluster,
  status: record.status,
  finished: isFinished(record) ? 1 : 0,
  submittedAt: record.submittedAt,
  endedAt: endedAt(record),
  body: body(record),
});

const body = (record: CommandRecord): string => JSON.stringify(record);

type Row = Record<string, SQLOutputValue>;

/** What stands in the body was written by `body` above, by this schema version. */
const parseRecord = (row: Row): CommandRecord => JSON.parse(text(row, 'body'));

/** Undefined for a body that something else wrote: it must not hold up the others. */
function readable(row: Row): CommandRecord | undefined {
  try {
    return parseRecord(row);
  } catch {
    return undefined;
  }
}

const parseClaim = (row: Row | undefined): KeyClaim => ({
  scope: text(row, 'scope'),
  body: text(row, 'body'),
  commandId: text(row, 'command_id') as CommandId,
  expiresAt: number(row, 'expires_at'),
});

const optional = <Result>(row: Row | undefined, read: (row: Row) => Result): Result | undefined =>
  row === undefined ? undefined : read(row);

function text(row: Row | undefined, column: string): string {
  const value = row?.[column];
  if (typeof value !== 'string') throw new TypeError(`column ${column} is not text`);
  return value;
}

function number(row: Row | undefined, column: string): number {
  const value = row?.[column];
  if (typeof value !== 'number') throw new TypeError(`column ${column} is not a number`);
  return value;
}

function bytes(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (value === null || typeof value !== 'object') throw new TypeError(`column ${column} is not bytes`);
  return value;
}
