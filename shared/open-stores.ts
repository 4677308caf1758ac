import { type CopySink, createCopySink } from './audit/sinks/copies.ts';
import type { RootKey } from './audit/root-key.ts';
import { loadRootKey } from './audit/keys.ts';
import { createSeal, type Seal } from './audit/seal.ts';
import { createLogsUpload, createSiemSink, type SiemSink } from './audit/sinks/siem.ts';
import type { Clock, Entropy } from './clock.ts';
import type { Config, MonitorLogs, StorageLocation } from './config/config.ts';
import { isLoopback } from './config/values.ts';
import type { ContainerClient } from '@azure/storage-blob';
import { type AppendLog, StorageUnavailable } from './store/append-log.ts';
import { azuriteAccount, AZURITE_ACCOUNT, AZURITE_KEY, isAzurite } from './store/azurite.ts';
import { storageCredential, type StorageToken } from './store/azure-storage.ts';
import { createFileLog } from './store/file-log.ts';
import type { Records } from './store/records.ts';

interface Stores {
  readonly records: Records;
  readonly log: AppendLog;
  readonly key: RootKey;
  /** The second place for signatures, where one is configured. */
  readonly copies: readonly CopySink[];
  /** Encrypts to the auditor, where a key is configured. */
  readonly seal: Seal | undefined;
  /** Azure Monitor Logs, where it is configured. */
  readonly siem: SiemSink | undefined;
}

interface StoreOptions {
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** The gateway's own identity in Azure. */
  readonly credential: StorageToken;
  /** Gets what fails where no caller waits for it. */
  readonly onError: (error: unknown) => void;
  /** Gets what works, but is less than it should be. */
  readonly warn: (warning: Error) => void;
}

/**
 * The stores and the signing key that the configuration names. What only one kind needs is loaded with that kind. Rejects with
 * Problem `audit-unavailable` or StorageUnavailable when one cannot be opened.
 */
export async function openStores({ storage, listen, monitorLogs }: Config, options: StoreOptions): Promise<Stores> {
  const { clock, entropy, credential, onError, warn } = options;
  const loopback = isLoopback(listen.host);
  const vault =
    storage.signingKey.kind === 'azure' ? await openVault(storage.signingKey.url, credential, clock) : undefined;
  const key = await loadRootKey(storage.signingKey, { loopback, entropy, vault });
  const log = await openLog(storage.audit, { credential, clock, onMutable: warn });
  const records = await openRecords(storage, { credential, clock });
  const copies = storage.checkpoints
    ? [
        createCopySink({
          log: await openLog(storage.checkpoints, { credential, clock, onMutable: warn }),
          clock,
          onError,
        }),
      ]
    : [];
  const siem =
    monitorLogs &&
    createSiemSink({
      clock,
      upload: logsUpload(monitorLogs, options),
      onDropped: ({ sent, dropped }) =>
        warn(new Error(`Azure Monitor Logs: ${sent} audit events sent since the start, ${dropped} lost`)),
    });
  const seal = storage.auditorKey && (await createSeal(storage.auditorKey));
  return { records, log, key, copies, seal, siem };
}

const logsUpload = ({ endpoint, ruleId, stream }: MonitorLogs, { credential, clock }: StoreOptions) =>
  createLogsUpload({ endpoint, ruleId, streamName: stream, credential: storageCredential(credential, clock) });

type AzureAccess = Pick<StoreOptions, 'credential' | 'clock'>;

interface LogAccess extends AzureAccess {
  /** Called soon after when everyone who may write to a container can also change it. Readers leave it out. */
  readonly onMutable?: (warning: Error) => void;
}

/** The audit trail's place: a folder, or a container of append blobs. */
export async function openLog(place: StorageLocation, { credential, clock, onMutable }: LogAccess): Promise<AppendLog> {
  if (place.kind !== 'azure') return createFileLog({ folder: place.path });
  const [{ ContainerClient, StorageSharedKeyCredential }, { createBlobLog, warnIfMutable }] = await Promise.all([
    import('./store/blob-sdk.ts'),
    import('./store/blob-log.ts'),
  ]);
  // No retries of the SDK's own: after a lost answer it would append a block twice.
  const emulated = isAzurite(place.url);
  const access = emulated
    ? new StorageSharedKeyCredential(AZURITE_ACCOUNT, AZURITE_KEY)
    : storageCredential(credential, clock);
  const container = new ContainerClient(place.url, access, { retryOptions: { maxTries: 1 } });
  if (emulated) await ready(container); // in Azure, infra/terraform makes it, with its immutability
  else if (onMutable) void warnIfMutable(container, onMutable);
  return createBlobLog({ container, clock });
}

async function ready(container: ContainerClient): Promise<void> {
  try {
    await container.createIfNotExists();
  } catch (error) {
    throw new StorageUnavailable(`${container.url} cannot be used`, { cause: error });
  }
}

async function openRecords(
  { records, audit }: Pick<Config['storage'], 'records' | 'audit'>,
  { credential, clock }: AzureAccess,
): Promise<Records> {
  if (records.kind !== 'azure')
    return (await import('./store/sqlite-records.ts')).openSqliteRecords(records.path, { clock });
  const { openAzuriteRecords, openTableRecords } = await import('./store/table-records.ts');
  if (!isAzurite(records.url)) return openTableRecords(records.url, { credential, clock });
  // Azurite has a port for each service, so that the blobs' address does not follow from the tables'.
  if (audit.kind !== 'azure' || !isAzurite(audit.url))
    throw new StorageUnavailable(
      'storage.records names Azurite, whose blobs it needs as well: let storage.audit name them',
    );
  return openAzuriteRecords(records.url, { blobs: azuriteAccount(audit.url), clock });
}

async function openVault(url: string, credential: StorageToken, clock: Clock) {
  const { createKeyVault } = await import('./audit/key-vault.ts');
  return createKeyVault(url, storageCredential(credential, clock));
}
