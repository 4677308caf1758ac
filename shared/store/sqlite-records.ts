import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { systemClock } from '../clock.ts';
import type { Clock } from '../clock.ts';
import { StorageUnavailable } from './append-log.ts';
import { readCursor, writeCursor } from './records-cursor.ts';
import { MAX_LISTED } from './records.ts';
import type { Delivery } from './delivery.ts';
import type { CommandId } from '../lib/ids.ts';
import type { CommandOutput, CommandRecord, KeyClaim, Records, UnknownRecord } from './records.ts';
import { reopening, type Connection } from './reopening.ts';
import { purgeExpired, type Purging } from './sqlite-purge.ts';
import {
  columns,
  deliveryColumns,
  parseDelivery,
  number,
  optional,
  parseClaim,
  parseInFlight,
  parseNote,
  parseOutput,
  parseRecord,
  readable,
  text,
  type Row,
} from './sqlite-rows.ts';
import { prepare, prepareSchema, type Statements } from './sqlite-statements.ts';
import { createSqliteWriter, isConnectionLost, openWriteAheadLog, unavailable, whileBusy } from './sqlite-writer.ts';
import type { SqliteWriter, WriteAheadLog } from './sqlite-writer.ts';

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
    await whileBusy(clock, () => database.exec(PRAGMAS));
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

/**
 * busy_timeout 0: whileBusy does the waiting. A checkpoint holds up the event loop for two syncs, however much it moves, so there
 * is one every 32 MiB and not, as by default, every 4.
 */
const PRAGMAS = `
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

interface Parts {
  readonly database: DatabaseSync;
  readonly log: WriteAheadLog | undefined;
  readonly writer: SqliteWriter;
  readonly sql: Statements;
  readonly clock: Clock;
}

/** An open file, and the failure that ended its connection. */
interface SqliteStore extends Parts, Purging {
  lost: StorageUnavailable | undefined;
}

/** Each call over the store. A `lazy` write may need the next one, or a moment, to outlive a power cut (records.ts). */
function createRecords(parts: Parts): Connection {
  const store: SqliteStore = { ...parts, read: (work) => read(store, work), logHoldsPurged: true, lost: undefined };
  const { sql, writer } = store;

  return {
    create: (record) => writer.write(() => void sql.insert.run(columns(record))),
    get: (id) => store.read(() => optional(sql.get.get({ id }), parseRecord)),
    replace: (record, delivery) => replace(store, record, delivery),
    list: (query) => list(store, query),
    unfinished: (limit) => store.read(() => unfinished(sql.unfinished.all({ limit }))),
    unknown: (since, limit) => store.read(() => sql.unknown.all({ since, limit }).map(readable).filter(isUnknown)),
    inFlight: () => store.read(() => sql.inFlight.all().map(parseInFlight)),
    putOutput: (id, output) => putOutput(store, id, output),
    getOutput: (id) => store.read(() => optional(sql.getOutput.get({ id }), parseOutput)),
    purge: (limits) => purgeExpired(store, limits),
    claimKey: (claim, now) => writer.write(() => claimKey(sql, claim, now), { lazy: true }),
    releaseKey: ({ scope, commandId }) => writer.write(() => void sql.unclaim.run({ scope, commandId })),
    lease: (name, holder, until, now) =>
      writer.write(() => sql.lease.run({ name, holder, until, now }).changes === 1, { lazy: true }),
    releaseLease: (name, holder) => writer.write(() => void sql.unlease.run({ name, holder }), { lazy: true }),
    getNote: (name) => store.read(() => optional(sql.getNote.get({ name }), parseNote)),
    putNote: (name, note, options) =>
      writer.write(() => sql.putNote.run({ name, old: note.version, text: note.text }).changes === 1, options),
    addDelivery: (delivery) => writer.write(() => void sql.addDelivery.run(deliveryColumns(delivery))),
    dueDeliveries: (now, limit, except = new Set()) =>
      store.read(() => sql.dueDeliveries.all({ now, limit, except: JSON.stringify([...except]) }).map(parseDelivery)),
    replaceDelivery: (delivery) =>
      writer.write(() => {
        const next = { ...delivery, version: delivery.version + 1 };
        return sql.replaceDelivery.run({ ...deliveryColumns(next), old: delivery.version }).changes === 1
          ? next
          : undefined;
      }),
    dropDelivery: ({ id, version }) => writer.write(() => sql.dropDelivery.run({ id, version }).changes === 1),
    ping: () => ping(store),
    broken: () => store.lost ?? writer.broken(),
    close: () => close(store),
  };
}

async function read<Result>(store: SqliteStore, work: () => Result): Promise<Result> {
  try {
    return await whileBusy(store.clock, work);
  } catch (error) {
    if (isConnectionLost(error)) store.lost = unavailable(error);
    throw unavailable(error);
  }
}

const replace = (
  { writer, sql }: SqliteStore,
  record: CommandRecord,
  delivery: Delivery | undefined,
): Promise<CommandRecord | undefined> =>
  writer.write(
    () => {
      const next = { ...record, version: record.version + 1 };
      const change = { ...columns(next), old: record.version };
      if (sql.replaceUnindexed.run(change).changes !== 1 && sql.replace.run(change).changes !== 1) return undefined;
      if (delivery) sql.addDelivery.run(deliveryColumns(delivery));
      return next;
    },
    { lazy: !isAboutToBeSent(record) },
  );

/** The one change that has to be on the disk before what comes after it: the POST. What is lost of the others is `unknown`, or in the trail. */
const isAboutToBeSent = (record: CommandRecord): boolean =>
  record.status === 'submitting' && record.ending === undefined;

async function list(
  store: SqliteStore,
  { owner, cluster, status, limit, cursor }: Parameters<Records['list']>[0],
): ReturnType<Records['list']> {
  const after = cursor === undefined ? undefined : readCursor(cursor);
  const wanted = Math.max(1, Math.min(limit, MAX_LISTED));
  const rows = await store.read(() =>
    store.sql.list.all({
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
}

const unfinished = (rows: readonly Row[]): Awaited<ReturnType<Records['unfinished']>> => ({
  records: rows.map(readable).filter((record) => record !== undefined),
  unreadable: rows.filter((row) => !readable(row)).map((row) => text(row, 'id')),
});

const isUnknown = (record: CommandRecord | undefined): record is UnknownRecord => record?.status === 'unknown';

const putOutput = ({ writer, sql }: SqliteStore, id: CommandId, { stdout, stderr }: CommandOutput): Promise<void> =>
  writer.write(
    () => {
      if (sql.markOutput.run({ id }).changes === 0) throw new Error(`no record ${id} for this output`);
      sql.putOutput.run({ id, stdout, stderr });
    },
    { bytes: stdout.byteLength + stderr.byteLength, lazy: true },
  );

function claimKey(sql: Statements, claim: KeyClaim, now: number): Awaited<ReturnType<Records['claimKey']>> {
  const { scope, body, commandId, expiresAt } = claim;
  if (sql.claim.run({ scope, body, commandId, expiresAt, now }).changes === 1) return { claimed: true };
  return { claimed: false, by: parseClaim(sql.claimed.get({ scope })) };
}

/** The row that a look at the store writes. */
const PING = 'ping';

async function ping({ writer, sql, clock, read }: SqliteStore): Promise<void> {
  const now = clock.now();
  const found = await writer.write(() => {
    sql.lease.run({ name: PING, holder: PING, until: now, now });
    return number(sql.pinged.get({ name: PING }), 'until');
  });
  if (found !== now) throw new StorageUnavailable('the records do not give back what was written');
  // Where a command's record would be read: a damaged page shows only when it is looked at.
  await read(() => void sql.inFlight.all());
}

async function close({ writer, log, database }: SqliteStore): Promise<void> {
  try {
    await writer.close();
  } finally {
    await log?.close();
    if (database.isOpen) database.close();
  }
}
