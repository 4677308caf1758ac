import { AzureNamedKeyCredential, TableClient } from '@azure/data-tables';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';

import { systemEntropy } from '../clock.ts';
import type { Clock, Entropy } from '../clock.ts';
import { StorageUnavailable } from './append-log.ts';
import { blobEndpoint, storageCredential } from './azure-storage.ts';
import type { StorageToken } from './azure-storage.ts';
import { AZURITE_ACCOUNT, AZURITE_KEY } from './azurite.ts';
import { createOutputBlobs } from './output-blobs.ts';
import type { Records } from './records.ts';
import { createClaims } from './table-claims.ts';
import { LEASE_PARTITION } from './table-entities.ts';
import { countInFlight, listRecords, listUnfinished, listUnknown } from './table-listing.ts';
import { createDeliveries } from './table-deliveries.ts';
import { createNotes } from './table-notes.ts';
import { purgeExpired } from './table-purge.ts';
import { createRecord, createTableStore, findRecord, replaceRecord } from './table-record.ts';
import type { TableStore } from './table-record.ts';
import { createRows, describeError, sortable } from './table-rows.ts';

const TABLE_NAME = 'aksgwrecords';
const CONTAINER_NAME = 'aksgw-outputs';
const tableOptions = { retryOptions: { maxRetries: 3, maxRetryDelayInMs: 2_000 } };
const blobOptions = { retryOptions: { maxTries: 4, maxRetryDelayInMs: 2_000 } };

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
    table: new TableClient(url, TABLE_NAME, credential, tableOptions),
    outputs: new ContainerClient(`${blobEndpoint(url)}/${CONTAINER_NAME}`, credential, blobOptions),
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
    table: new TableClient(url, TABLE_NAME, new AzureNamedKeyCredential(...named), {
      ...tableOptions,
      allowInsecureConnection: true, // loopback
    }),
    outputs: new ContainerClient(
      `${options.blobs}/${CONTAINER_NAME}`,
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
  return createRecords(createTableStore(createRows(table), createOutputBlobs(outputs), { clock, entropy }));
}

/** Each call over the store, while it is open. */
function createRecords(store: TableStore): Records {
  const { rows, blobs, entropy } = store;
  const claims = createClaims(rows);
  const notes = createNotes(rows, entropy);
  const deliveries = createDeliveries(rows, store.clock);
  let closed = false;
  const whileOpen =
    <Args extends readonly unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      if (closed) throw new StorageUnavailable('the records are closed');
      return call(...args);
    };

  return {
    create: whileOpen((record) => createRecord(store, record)),
    get: whileOpen((id) => findRecord(store, id)),
    replace: whileOpen((record, delivery) => replaceRecord(store, record, delivery)),
    list: whileOpen((query) => listRecords(store, query)),
    unfinished: whileOpen((limit) => listUnfinished(store, limit)),
    unknown: whileOpen((since, limit) => listUnknown(store, since, limit)),
    inFlight: whileOpen(() => countInFlight(store)),
    putOutput: whileOpen(blobs.put),
    getOutput: whileOpen(blobs.get),
    purge: whileOpen(async (limits) => {
      await claims.purgeKeys(limits.now);
      return purgeExpired(store, limits);
    }),
    claimKey: whileOpen(claims.claimKey),
    releaseKey: whileOpen(claims.releaseKey),
    lease: whileOpen(claims.lease),
    releaseLease: whileOpen(claims.releaseLease),
    getNote: whileOpen(notes.getNote),
    putNote: whileOpen(notes.putNote),
    addDelivery: whileOpen(deliveries.addDelivery),
    dueDeliveries: whileOpen(deliveries.dueDeliveries),
    replaceDelivery: whileOpen(deliveries.replaceDelivery),
    dropDelivery: whileOpen(deliveries.dropDelivery),
    ping: whileOpen(() => ping(store)),
    close: async () => {
      closed = true;
    },
  };
}

async function ping({ rows, blobs }: TableStore): Promise<void> {
  const row = { partition: LEASE_PARTITION, row: 'ping', columns: { until: sortable(0) } };
  await rows.put(row);
  if ((await rows.get(row.partition, row.row)) === undefined)
    throw new StorageUnavailable('Azure Tables does not give back what was written');
  await blobs.has('ping');
}
