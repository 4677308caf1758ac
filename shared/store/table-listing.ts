import { readCursor, writeCursor } from './records-cursor.ts';
import { isFinished, MAX_LISTED } from './records.ts';
import type { CommandRecord, InFlight, Records, UnknownRecord } from './records.ts';
import {
  DELIVERY_ROWS,
  ENDED_PARTITION,
  ownerPartition,
  readRecord,
  timeRow,
  UNFINISHED_PARTITION,
} from './table-entities.ts';
import { readBehind } from './table-record.ts';
import type { TableStore } from './table-record.ts';
import { inGroups, odata, PARALLEL, sortable } from './table-rows.ts';
import type { StoredRow } from './table-rows.ts';

/** A record is stored within seconds of its `unfinished` row; a row without one for this long was cut off by a crash. */
const ABANDONED_MS = 3_600_000;

/** A caller's own, newest first: `Records.list`. */
export async function listRecords(
  { rows }: TableStore,
  { owner, cluster, status, limit, cursor }: Parameters<Records['list']>[0],
): ReturnType<Records['list']> {
  const after = cursor === undefined ? '' : timeRowAfter(cursor);
  const wanted = Math.max(1, Math.min(limit, MAX_LISTED));
  const filter = [
    odata`PartitionKey eq ${ownerPartition(owner)} and RowKey gt ${after} and RowKey lt ${DELIVERY_ROWS}`,
    ...(cluster === undefined ? [] : [odata`cluster eq ${cluster}`]),
    ...(status === undefined ? [] : [odata`status eq ${status}`]),
  ].join(' and ');
  const items: CommandRecord[] = [];
  for await (const row of rows.query(filter, { pageSize: wanted + 1 })) {
    const last = items.at(-1);
    if (items.length === wanted && last !== undefined) return { items, next: writeCursor(last) };
    items.push(readRecord(row));
  }
  return { items };
}

function timeRowAfter(cursor: string): string {
  const { submittedAt, id } = readCursor(cursor);
  return timeRow(submittedAt, id);
}

/** Oldest first, with the rows whose record cannot be read beside them: `Records.unfinished`. */
export async function listUnfinished(store: TableStore, limit: number): ReturnType<Records['unfinished']> {
  const records: CommandRecord[] = [];
  const unreadable: string[] = [];
  const all = store.rows.query(odata`PartitionKey eq ${UNFINISHED_PARTITION}`);
  for await (const some of inGroups(all, PARALLEL)) {
    const found = await Promise.all(some.map((row) => unfinishedBehind(store, row)));
    found.forEach((record, index) => {
      if (record === 'unreadable') unreadable.push(some[index]?.row ?? '');
      else if (record !== undefined) records.push(record);
    });
    if (records.length >= limit) break;
  }
  return { records: records.slice(0, limit), unreadable };
}

/** The record behind an `unfinished` row, or why there is none; a row that a crash left over is cleared away. */
async function unfinishedBehind(store: TableStore, row: StoredRow): Promise<CommandRecord | 'unreadable' | undefined> {
  const record = await readBehind(store, row);
  if (record === 'unreadable') return record;
  if (record !== undefined && !isFinished(record)) return record;
  const isLeftOver = record !== undefined || Number(row.columns['submittedAt']) < store.clock.now() - ABANDONED_MS;
  if (isLeftOver) await store.rows.delete(row.partition, row.row);
  return undefined;
}

/** Those that ended as `unknown` after `since` (epoch ms): `Records.unknown`. */
export async function listUnknown(store: TableStore, since: number, limit: number): Promise<readonly UnknownRecord[]> {
  const unknown: UnknownRecord[] = [];
  const recent = store.rows.query(odata`PartitionKey eq ${ENDED_PARTITION} and RowKey ge ${sortable(since + 1)}`);
  for await (const some of inGroups(recent, PARALLEL)) {
    for (const record of await Promise.all(some.map((row) => readBehind(store, row))))
      if (record !== undefined && record !== 'unreadable' && record.status === 'unknown') unknown.push(record);
    if (unknown.length >= limit) break;
  }
  return unknown.slice(0, limit);
}

/** How many are with Azure, by caller and cluster: `Records.inFlight`. */
export async function countInFlight({ rows }: TableStore): Promise<readonly InFlight[]> {
  const counts = new Map<string, InFlight>();
  const filter = odata`PartitionKey eq ${UNFINISHED_PARTITION} and (status eq 'submitting' or status eq 'running')`;
  for await (const { columns } of rows.query(filter, { select: ['owner', 'cluster'] })) {
    const { owner = '', cluster = '' } = columns;
    const key = JSON.stringify([owner, cluster]);
    counts.set(key, { owner, cluster, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts.values()];
}
