import { LruMap } from 'toad-cache';

import type { Clock, Entropy } from '../clock.ts';
import { StorageUnavailable } from './append-log.ts';
import type { OutputBlobs } from './output-blobs.ts';
import type { Delivery } from './delivery.ts';
import { deliveryRow, outboxRow } from './table-deliveries.ts';
import { isFinished } from './records.ts';
import type { CommandRecord } from './records.ts';
import { placeOf, pointerRow, readPlace, readRecord, recordRow, stateRow, unfinishedRow } from './table-entities.ts';
import type { RowPlace } from './table-entities.ts';
import { safeKey } from './table-rows.ts';
import type { Row, Rows, StoredRow } from './table-rows.ts';

/** What the steps work with: the table, the outputs, and what this process remembers of records to save a request. */
export interface TableStore {
  readonly rows: Rows;
  readonly blobs: OutputBlobs;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Where records lie, by id. */
  readonly places: LruMap<RowPlace>;
  /** The etag of one version of a record, by id. */
  readonly etags: LruMap<{ readonly version: number; readonly etag: string }>;
}

const MAX_REMEMBERED = 10_000;

export const createTableStore = (
  rows: Rows,
  blobs: OutputBlobs,
  options: { readonly clock: Clock; readonly entropy: Entropy },
): TableStore => ({ rows, blobs, ...options, places: new LruMap(MAX_REMEMBERED), etags: new LruMap(MAX_REMEMBERED) });

export async function createRecord(store: TableStore, record: CommandRecord): Promise<void> {
  const write = store.entropy.uuid();
  const row = recordRow(record, write);
  if (!(await insertOnce(store, pointerRow(record, write)))) throw new Error(`record ${record.id} is there already`);
  await store.rows.put(stateRow(record));
  if (!(await insertOnce(store, row))) throw new Error(`record ${record.id} is there already`);
  store.places.set(record.id, placeOf(record));
}

export async function findRecord(store: TableStore, id: string): Promise<CommandRecord | undefined> {
  const known = store.places.get(id);
  if (known !== undefined) return readAt(store, known);
  const pointer = await store.rows.get(`id:${safeKey(id)}`, 'at');
  if (pointer === undefined) return undefined;
  const place = readPlace(pointer);
  store.places.set(id, place);
  return readAt(store, place);
}

/** The record that a row points to. A body that something else wrote must not hold up the others. */
export async function readBehind(store: TableStore, row: StoredRow): Promise<CommandRecord | 'unreadable' | undefined> {
  try {
    return await readAt(store, readPlace(row));
  } catch (error) {
    if (error instanceof StorageUnavailable) throw error;
    return 'unreadable';
  }
}

/** The stored record, version + 1; undefined when another write came first. */
export async function replaceRecord(
  store: TableStore,
  record: CommandRecord,
  delivery?: Delivery,
): Promise<CommandRecord | undefined> {
  const etag = await etagOf(store, record);
  if (etag === undefined) return undefined;
  const next = { ...record, version: record.version + 1 };
  if (isFinished(next)) await store.rows.put(stateRow(next));
  const told = delivery && deliveryRow(delivery, placeOf(next).partition);
  if (delivery && told) await store.rows.put(outboxRow(delivery, told));
  const stored = await replaceOnce(store, recordRow(next, store.entropy.uuid()), etag, told);
  if (stored === undefined) return undefined;
  store.etags.set(next.id, { version: next.version, etag: stored });
  await updateUnfinished(store, next);
  return next;
}

async function readAt(store: TableStore, { partition, row }: RowPlace): Promise<CommandRecord | undefined> {
  const stored = await store.rows.get(partition, row);
  if (stored === undefined) return undefined;
  const record = readRecord(stored);
  store.etags.set(record.id, { version: record.version, etag: stored.etag });
  return record;
}

/** True when the row is ours: just inserted, or inserted by a request whose answer was lost and which was sent again. */
async function insertOnce({ rows }: TableStore, row: Row): Promise<boolean> {
  if ((await rows.insert(row)) !== undefined) return true;
  const stored = await rows.get(row.partition, row.row);
  return stored !== undefined && stored.columns['write'] === row.columns['write'];
}

/** The new etag: of a replace that won, also when its answer was lost and it was sent again. Undefined for one that lost. */
async function replaceOnce(
  { rows }: TableStore,
  row: Row,
  etag: string,
  other: Row | undefined,
): Promise<string | undefined> {
  const replaced = await (other ? rows.replaceAndInsert(row, etag, other) : rows.replace(row, etag));
  if (replaced !== undefined) return replaced;
  const stored = await rows.get(row.partition, row.row);
  return stored?.columns['write'] === row.columns['write'] ? stored?.etag : undefined;
}

/** The etag of the stored record, if that still has this version. */
async function etagOf(store: TableStore, record: CommandRecord): Promise<string | undefined> {
  const known = store.etags.get(record.id);
  if (known?.version === record.version) return known.etag;
  const stored = await readAt(store, placeOf(record));
  return stored?.version === record.version ? store.etags.get(record.id)?.etag : undefined;
}

/**
 * Brings the `unfinished` row in line with a record that is stored. A failure here must not look like a failure to store the record:
 * the row that is left behind is recognized when it is read.
 */
async function updateUnfinished({ rows }: TableStore, record: CommandRecord): Promise<void> {
  const row = unfinishedRow(record);
  try {
    if (isFinished(record)) await rows.delete(row.partition, row.row);
    else await rows.merge(row);
  } catch (error) {
    if (!(error instanceof StorageUnavailable)) throw error;
  }
}
