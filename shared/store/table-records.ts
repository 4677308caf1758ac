import { AzureNamedKeyCredential, TableClient } from '@azure/data-tables';
import { LruMap } from 'toad-cache';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';

import { systemEntropy } from '../clock.ts';
import type { Clock, Entropy } from '../clock.ts';
import { StorageUnavailable } from './append-log.ts';
import { blobEndpoint, storageCredential } from './azure-storage.ts';
import type { StorageToken } from './azure-storage.ts';
import { AZURITE_ACCOUNT, AZURITE_KEY } from './azurite.ts';
import { createOutputBlobs } from './output-blobs.ts';
import { readCursor, writeCursor } from './records-cursor.ts';
import { endedAt, isFinished, maxListed } from './records.ts';
import type { CommandRecord, Records, UnknownRecord } from './records.ts';
import { createClaims } from './table-claims.ts';
import { createNotes } from './table-notes.ts';
import {
  endedPartition,
  keptPartition,
  leasePartition,
  ownerPartition,
  placeOf,
  pointerRow,
  readPlace,
  readRecord,
  recordRow,
  stateRow,
  timeRow,
  unfinishedPartition,
  unfinishedRow,
} from './table-entities.ts';
import type { Place } from './table-entities.ts';
import { createRows, describeError, inGroups, odata, parallel, safeKey, sortable } from './table-rows.ts';
import type { Row, Rows, StoredRow } from './table-rows.ts';

const tableName = 'aksgwrecords';
const containerName = 'aksgw-outputs';
const tableOptions = { retryOptions: { maxRetries: 3, maxRetryDelayInMs: 2_000 } };
const blobOptions = { retryOptions: { maxTries: 4, maxRetryDelayInMs: 2_000 } };

/** What is remembered of records: where they lie and their etags, to save a request. */
const MAX_REMEMBERED = 10_000;
/** A record is stored within seconds of its `unfinished` row; a row without one for this long was cut off by a crash. */
const abandonedMs = 3_600_000;
/** One purge removes about so many of each: the next one goes on. */
const maxPurged = 2_000;
/**
 * Records in the storage account whose table endpoint is `url` (https://<account>.table.core.windows.net), outputs in its
 * blobs. Makes table and container if they are missing. Rejects with StorageUnavailable.
 */
export async function openTableRecords(
  url: string,
  options: { readonly credential: StorageToken; readonly clock: Clock },
): Promise<Records> {
  const credential = storageCredential(options.credential, options.clock);
  return createTableRecords({
    clock: options.clock,
    table: new TableClient(url, tableName, credential, tableOptions),
    outputs: new ContainerClient(`${blobEndpoint(url)}/${containerName}`, credential, blobOptions),
  });
}

/** The same in Azurite: `url` are its tables, `blobs` its blobs, both with the account's name. */
export async function openAzuriteRecords(
  url: string,
  options: { readonly blobs: string; readonly clock: Clock },
): Promise<Records> {
  const named = [AZURITE_ACCOUNT, AZURITE_KEY] as const;
  return createTableRecords({
    clock: options.clock,
    table: new TableClient(url, tableName, new AzureNamedKeyCredential(...named), {
      ...tableOptions,
      allowInsecureConnection: true, // loopback
    }),
    outputs: new ContainerClient(
      `${options.blobs}/${containerName}`,
      new StorageSharedKeyCredential(...named),
      blobOptions,
    ),
  });
}

interface TableRecordsOptions {
  readonly table: TableClient;
  readonly outputs: ContainerClient;
  readonly clock: Clock;
  readonly entropy?: Entropy;
}

export async function createTableRecords(options: TableRecordsOptions): Promise<Records> {
  const { table, outputs, clock, entropy = systemEntropy } = options;
  try {
    await Promise.all([table.createTable(), outputs.createIfNotExists()]);
  } catch (error) {
    throw new StorageUnavailable(`Azure Storage cannot be used: ${describeError(error)}`);
  }
  return createRecords(createRows(table), outputs, clock, entropy);
}

function createRecords(rows: Rows, container: ContainerClient, clock: Clock, entropy: Entropy): Records {
  const blobs = createOutputBlobs(container);
  const claims = createClaims(rows);
  const notes = createNotes(rows, entropy);
  const places = new LruMap<Place>(MAX_REMEMBERED);
  const etags = new LruMap<{ readonly version: number; readonly etag: string }>(MAX_REMEMBERED);
  let closed = false;

  const open = (): void => {
    if (closed) throw new StorageUnavailable('the records are closed');
  };

  /** True when the row is ours: just inserted, or inserted by a request whose answer was lost and which was sent again. */
  const insertOnce = async (row: Row): Promise<boolean> => {
    if ((await rows.insert(row)) !== undefined) return true;
    const stored = await rows.get(row.partition, row.row);
    return stored !== undefined && stored.columns['write'] === row.columns['write'];
  };

  const read = async ({ partition, row }: Place): Promise<CommandRecord | undefined> => {
    const stored = await rows.get(partition, row);
    if (stored === undefined) return undefined;
    const record = readRecord(stored);
    etags.set(record.id, { version: record.version, etag: stored.etag });
    return record;
  };

  const find = async (id: string): Promise<CommandRecord | undefined> => {
    const known = places.get(id);
    if (known !== undefined) return read(known);
    const pointer = await rows.get(`id:${safeKey(id)}`, 'at');
    if (pointer === undefined) return undefined;
    const place = readPlace(pointer);
    places.set(id, place);
    return read(place);
  };

  /** The etag of the stored record if that has this version still. */
  const etagOf = async (record: CommandRecord): Promise<string | undefined> => {
    const known = etags.get(record.id);
    if (known?.version === record.version) return known.etag;
    const stored = await read(placeOf(record));
    return stored?.version === record.version ? etags.get(record.id)?.etag : undefined;
  };

  const replace = async (record: CommandRecord): Promise<CommandRecord | undefined> => {
    const etag = await etagOf(record);
    if (etag === undefined) return undefined;
    const next = { ...record, version: record.version + 1 };
    const row = recordRow(next, entropy.uuid());
    if (isFinished(next)) await rows.put(stateRow(next));
    let stored = await rows.replace(row, etag);
    if (stored === undefined) {
      // Lost, or won by a request whose answer was lost on the way and which was then sent again.
      const found = await rows.get(row.partition, row.row);
      if (found === undefined || found.columns['write'] !== row.columns['write']) return undefined;
      stored = found.etag;
    }
    etags.set(next.id, { version: next.version, etag: stored });
    await tellUnfinished(next);
    return next;
  };

  /**
   * Brings the `unfinished` row in line with a record that is stored. When that fails the record is stored all the same, so
   * it must not look otherwise: a row that is behind is found out by whoever reads it.
   */
  const tellUnfinished = async (record: CommandRecord): Promise<void> => {
    const row = unfinishedRow(record);
    try {
      if (isFinished(record)) await rows.delete(row.partition, row.row);
      else await rows.merge(row);
    } catch (error) {
      if (!(error instanceof StorageUnavailable)) throw error;
    }
  };

  /** The record behind an `unfinished` row, or why there is none; a row that a crash left over is cleared away. */
  const unfinishedBehind = async (row: StoredRow): Promise<CommandRecord | 'unreadable' | undefined> => {
    const record = await readable(row);
    if (record === 'unreadable') return record;
    if (record !== undefined && !isFinished(record)) return record;
    const isLeftOver = record !== undefined || Number(row.columns['submittedAt']) < clock.now() - abandonedMs;
    if (isLeftOver) await rows.delete(row.partition, row.row);
    return undefined;
  };

  /** A body that something else wrote must not hold up the others. */
  const readable = async (row: StoredRow): Promise<CommandRecord | 'unreadable' | undefined> => {
    try {
      return await read(readPlace(row));
    } catch (error) {
      if (error instanceof StorageUnavailable) throw error;
      return 'unreadable';
    }
  };

  /** Purges the output behind an `ended` row, which then is a `kept` one. */
  const purgeOutput = async (row: StoredRow, before: number): Promise<'purged' | 'nothing' | 'unreadable'> => {
    const record = await readable(row);
    const id = row.columns['id'] ?? '';
    let purged = false;
    if (record === 'unreadable') await blobs.delete(id);
    else if (record !== undefined) {
      // Written just before the record that will say so, or by one who lost: the record decides next time.
      if (!isFinished(record)) return 'nothing';
      if (endedAt(record) < before) {
        if (!record.outputPurged && (await blobs.has(record.id))) {
          if (!(await replace({ ...record, outputPurged: true }))) return 'nothing';
          purged = true;
        }
        await blobs.delete(record.id);
      }
    }
    if (record !== undefined) await rows.put({ partition: keptPartition, row: row.row, columns: row.columns });
    await rows.delete(row.partition, row.row);
    if (record === 'unreadable') return record;
    return purged ? 'purged' : 'nothing';
  };

  /** Removes the record behind a `kept` row: that row last, so that what a crash leaves is found again. */
  const purgeRecord = async (row: StoredRow): Promise<void> => {
    const { partition, row: at } = readPlace(row);
    const id = row.columns['id'] ?? '';
    await rows.delete(partition, at);
    await blobs.delete(id);
    await rows.delete(`id:${safeKey(id)}`, 'at');
    await rows.delete(row.partition, row.row);
  };

  /** Up to maxPurged rows of a partition that are older than `before`, in groups. */
  async function* due(partition: string, before: number): AsyncIterable<readonly StoredRow[]> {
    let taken = 0;
    const found = rows.query(odata`PartitionKey eq ${partition} and RowKey lt ${sortable(before)}`);
    for await (const some of inGroups(found, parallel)) {
      yield some;
      taken += some.length;
      if (taken >= maxPurged) return;
    }
  }

  return {
    create: async (record) => {
      open();
      const write = entropy.uuid();
      const row = recordRow(record, write);
      if (!(await insertOnce(pointerRow(record, write)))) throw new Error(`record ${record.id} is there already`);
      await rows.put(stateRow(record));
      if (!(await insertOnce(row))) throw new Error(`record ${record.id} is there already`);
      places.set(record.id, placeOf(record));
    },

    get: async (id) => {
      open();
      return find(id);
    },

    replace: async (record) => {
      open();
      return replace(record);
    },

    list: async ({ owner, cluster, status, limit, cursor }) => {
      open();
      const after = cursor === undefined ? '' : timeRowAfter(cursor);
      const wanted = Math.max(1, Math.min(limit, maxListed));
      const filter = [
        odata`PartitionKey eq ${ownerPartition(owner)} and RowKey gt ${after}`,
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
    },

    unfinished: async (limit) => {
      open();
      const records: CommandRecord[] = [];
      const unreadable: string[] = [];
      for await (const some of inGroups(rows.query(odata`PartitionKey eq ${unfinishedPartition}`), parallel)) {
        const found = await Promise.all(some.map(unfinishedBehind));
        found.forEach((record, index) => {
          if (record === 'unreadable') unreadable.push(some[index]?.row ?? '');
          else if (record !== undefined) records.push(record);
        });
        if (records.length >= limit) break;
      }
      return { records: records.slice(0, limit), unreadable };
    },

    unknown: async (since, limit) => {
      open();
      const unknown: UnknownRecord[] = [];
      const recent = rows.query(odata`PartitionKey eq ${endedPartition} and RowKey ge ${sortable(since + 1)}`);
      for await (const some of inGroups(recent, parallel)) {
        for (const record of await Promise.all(some.map(readable)))
          if (record !== undefined && record !== 'unreadable' && record.status === 'unknown') unknown.push(record);
        if (unknown.length >= limit) break;
      }
      return unknown.slice(0, limit);
    },

    inFlight: async () => {
      open();
      const counts = new Map<string, { owner: string; cluster: string; count: number }>();
      const filter = odata`PartitionKey eq ${unfinishedPartition} and (status eq 'submitting' or status eq 'running')`;
      for await (const { columns } of rows.query(filter, { select: ['owner', 'cluster'] })) {
        const { owner = '', cluster = '' } = columns;
        const key = JSON.stringify([owner, cluster]);
        counts.set(key, { owner, cluster, count: (counts.get(key)?.count ?? 0) + 1 });
      }
      return [...counts.values()];
    },

    putOutput: async (id, output) => {
      open();
      await blobs.put(id, output);
    },

    getOutput: async (id) => {
      open();
      return blobs.get(id);
    },

    purge: async ({ outputsBefore, recordsBefore, now }) => {
      open();
      await claims.purgeKeys(now);
      let outputs = 0;
      let records = 0;
      const unreadable: string[] = [];
      for await (const some of due(endedPartition, outputsBefore)) {
        const done = await Promise.all(some.map((row) => purgeOutput(row, outputsBefore)));
        outputs += done.filter((what) => what === 'purged').length;
        unreadable.push(
          ...some.filter((_, index) => done[index] === 'unreadable').map(({ columns }) => columns['id'] ?? ''),
        );
      }
      for await (const some of due(keptPartition, recordsBefore)) {
        await Promise.all(some.map(purgeRecord));
        records += some.length;
      }
      return { outputs, records, unreadable };
    },

    claimKey: async (claim, now) => {
      open();
      return claims.claimKey(claim, now);
    },

    releaseKey: async (claim) => {
      open();
      await claims.releaseKey(claim);
    },

    lease: async (name, holder, until, now) => {
      open();
      return claims.lease(name, holder, until, now);
    },

    releaseLease: async (name, holder) => {
      open();
      await claims.releaseLease(name, holder);
    },

    getNote: async (name) => {
      open();
      return notes.getNote(name);
    },

    putNote: async (name, note) => {
      open();
      return notes.putNote(name, note);
    },

    ping: async () => {
      open();
      const row = { partition: leasePartition, row: 'ping', columns: { until: sortable(0) } };
      await rows.put(row);
      if ((await rows.get(row.partition, row.row)) === undefined)
        throw new StorageUnavailable('Azure Tables does not give back what was written');
      await blobs.has('ping');
    },

    close: async () => {
      closed = true;
    },
  };
}

function timeRowAfter(cursor: string): string {
  const { submittedAt, id } = readCursor(cursor);
  return timeRow(submittedAt, id);
}
