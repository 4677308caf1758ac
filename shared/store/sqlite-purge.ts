import type { CommandRecord, Records } from './records.ts';
import { body, number, readable, text } from './sqlite-rows.ts';
import type { Statements } from './sqlite-statements.ts';
import type { SqliteWriter } from './sqlite-writer.ts';

/** One transaction of a purge removes at most so many, so that commands need not wait behind it … */
const PURGE_BATCH = 100;
/** … and one purge runs at most so many transactions, so that the log stays small: the next purge goes on. */
const PURGE_BATCHES = 20;

/** What a purge works with. */
export interface Purging {
  readonly sql: Statements;
  readonly writer: SqliteWriter;
  readonly read: <Result>(work: () => Result) => Promise<Result>;
  /** Whether something that was purged may still stand in the log: after a start too, since the process before may have been killed. */
  logHoldsPurged: boolean;
}

/** Outputs, records and claims of keys past their retention: `Records.purge`. */
export async function purgeExpired(
  purging: Purging,
  { outputsBefore, recordsBefore, now }: Parameters<Records['purge']>[0],
): ReturnType<Records['purge']> {
  const { sql, writer, read } = purging;
  const unreadable = new Set<string>();
  await writer.write(() => void sql.dropKeys.run({ now }));
  const outputs = await inBatches(writer, () => purgeOutputs(sql, outputsBefore, unreadable));
  const records = await inBatches(writer, () => purgeRecords(sql, recordsBefore));
  // What was purged also leaves the log; while another process reads or writes, a later purge does it.
  purging.logHoldsPurged ||= outputs + records > 0;
  if (purging.logHoldsPurged) purging.logHoldsPurged = number(await read(() => sql.checkpoint.get()), 'busy') !== 0;
  return { outputs, records, unreadable: [...unreadable] };
}

async function inBatches(writer: SqliteWriter, purgeSome: () => number): Promise<number> {
  let removed = 0;
  for (let batches = 0; batches < PURGE_BATCHES; batches += 1) {
    const some = await writer.write(purgeSome);
    removed += some;
    if (some < PURGE_BATCH) break;
  }
  return removed;
}

function purgeOutputs(sql: Statements, before: number, unreadable: Set<string>): number {
  const due = sql.purgeable.all({ before, limit: PURGE_BATCH });
  for (const row of due) {
    const id = text(row, 'id');
    sql.dropOutput.run({ id });
    const record = readable(row);
    if (record) markPurged(sql, record);
    else {
      unreadable.add(id);
      sql.forgetOutput.run({ id });
    }
  }
  return due.length;
}

function markPurged(sql: Statements, record: CommandRecord): void {
  const next = { ...record, version: record.version + 1, outputPurged: true };
  sql.markPurged.run({ id: next.id, version: next.version, body: body(next) });
}

/** A record goes with its output, whatever became of that. */
function purgeRecords(sql: Statements, before: number): number {
  const due = sql.expired.all({ before, limit: PURGE_BATCH });
  for (const row of due) {
    const id = text(row, 'id');
    sql.dropOutput.run({ id });
    sql.dropRecord.run({ id });
  }
  return due.length;
}
