import { loadRootKey, type RootKey } from './audit/keys.ts';
import type { Clock, Entropy } from './clock.ts';
import type { Config, StorageLocation } from './config/config.ts';
import { isLoopback } from './config/values.ts';
import type { AppendLog } from './store/append-log.ts';
import { storageCredential, type StorageToken } from './store/azure-storage.ts';
import { createFileLog } from './store/file-log.ts';
import type { Records } from './store/records.ts';

export interface Stores {
  readonly records: Records;
  readonly log: AppendLog;
  readonly key: RootKey;
}

export interface StoreOptions {
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** The gateway's own identity in Azure. */
  readonly credential: StorageToken;
}

/**
 * The stores and the signing key that the configuration names. What only one kind needs is loaded with that kind. Rejects with
 * Problem `audit-unavailable` or StorageUnavailable when one cannot be opened.
 */
export async function openStores({ storage, listen }: Config, options: StoreOptions): Promise<Stores> {
  const { clock, entropy, credential } = options;
  const loopback = isLoopback(listen.host);
  const vault =
    storage.signingKey.kind === 'azure' ? await openVault(storage.signingKey.url, credential, clock) : undefined;
  const key = await loadRootKey(storage.signingKey, { loopback, entropy, vault });
  const log = await openLog(storage.audit, { credential, clock });
  const records = await openRecords(storage.records, { credential, clock });
  return { records, log, key };
}

type AzureAccess = Pick<StoreOptions, 'credential' | 'clock'>;

/** The audit trail's place: a folder, or a container of append blobs. */
export async function openLog(place: StorageLocation, { credential, clock }: AzureAccess): Promise<AppendLog> {
  if (place.kind !== 'azure') return createFileLog({ folder: place.path });
  const [{ ContainerClient }, { createBlobLog }] = await Promise.all([
    import('@azure/storage-blob'),
    import('./store/blob-log.ts'),
  ]);
  // No retries of the SDK's own: after a lost answer it would append a block twice.
  const container = new ContainerClient(place.url, storageCredential(credential, clock), {
    retryOptions: { maxTries: 1 },
  });
  return createBlobLog({ container, clock });
}

async function openRecords(place: StorageLocation, { credential, clock }: AzureAccess): Promise<Records> {
  if (place.kind === 'azure') {
    return (await import('./store/table-records.ts')).openTableRecords(place.url, { credential, clock });
  }
  return (await import('./store/sqlite-records.ts')).openSqliteRecords(place.path, { clock });
}

async function openVault(url: string, credential: StorageToken, clock: Clock) {
  const { createAzureVault } = await import('./audit/azure-vault.ts');
  return createAzureVault(storageCredential(credential, clock), new URL(url).origin);
}
