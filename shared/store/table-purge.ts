import { endedAt, isFinished } from './records.ts';
import type { Records } from './records.ts';
import { ENDED_PARTITION, KEPT_PARTITION, readPlace } from './table-entities.ts';
import { readBehind, replaceRecord } from './table-record.ts';
import type { TableStore } from './table-record.ts';
import { inGroups, odata, PARALLEL, safeKey, sortable } from './table-rows.ts';
import type { Rows, StoredRow } from './table-rows.ts';

/** One purge removes about so many of each: the next one goes on. */
const MAX_PURGED = 2_000;

/** Outputs and records past their retention: `Records.purge`, without the claims of keys. */
export async function purgeExpired(
  store: TableStore,
  { outputsBefore, recordsBefore }: Parameters<Records['purge']>[0],
): ReturnType<Records['purge']> {
  let outputs = 0;
  let records = 0;
  const unreadable: string[] = [];
  for await (const some of due(store.rows, ENDED_PARTITION, outputsBefore)) {
    const done = await Promise.all(some.map((row) => purgeOutput(store, row, outputsBefore)));
    outputs += done.filter((what) => what === 'purged').length;
    unreadable.push(...some.filter((_, index) => done[index] === 'unreadable').map(idOf));
  }
  for await (const some of due(store.rows, KEPT_PARTITION, recordsBefore)) {
    await Promise.all(some.map((row) => purgeRecord(store, row)));
    records += some.length;
  }
  return { outputs, records, unreadable };
}

/** Up to maxPurged rows of a partition that are older than `before`, in groups. */
async function* due(rows: Rows, partition: string, before: number): AsyncIterable<readonly StoredRow[]> {
  let taken = 0;
  const found = rows.query(odata`PartitionKey eq ${partition} and RowKey lt ${sortable(before)}`);
  for await (const some of inGroups(found, PARALLEL)) {
    yield some;
    taken += some.length;
    if (taken >= MAX_PURGED) return;
  }
}

/** Purges the output behind an `ended` row, which then is a `kept` one. */
async function purgeOutput(
  store: TableStore,
  row: StoredRow,
  before: number,
): Promise<'purged' | 'nothing' | 'unreadable'> {
  const { rows, blobs } = store;
  const record = await readBehind(store, row);
  let purged = false;
  if (record === 'unreadable') await blobs.delete(idOf(row));
  else if (record !== undefined) {
    // Written just before the record that will say so, or by a process that lost: the record decides next time.
    if (!isFinished(record)) return 'nothing';
    if (endedAt(record) < before) {
      if (!record.outputPurged && (await blobs.has(record.id))) {
        if (!(await replaceRecord(store, { ...record, outputPurged: true }))) return 'nothing';
        purged = true;
      }
      await blobs.delete(record.id);
    }
  }
  if (record !== undefined) await rows.put({ partition: KEPT_PARTITION, row: row.row, columns: row.columns });
  await rows.delete(row.partition, row.row);
  if (record === 'unreadable') return record;
  return purged ? 'purged' : 'nothing';
}

/** Removes the record behind a `kept` row: that row last, so that what a crash leaves is found again. */
async function purgeRecord({ rows, blobs }: TableStore, row: StoredRow): Promise<void> {
  const { partition, row: at } = readPlace(row);
  const id = idOf(row);
  await rows.delete(partition, at);
  await blobs.delete(id);
  await rows.delete(`id:${safeKey(id)}`, 'at');
  await rows.delete(row.partition, row.row);
}

const idOf = ({ columns }: StoredRow): string => columns['id'] ?? '';
