import { loadRootKey, type RootKey } from './audit/keys.ts';
import type { Clock, Entropy } from './clock.ts';
import type { Config } from './config/config.ts';
import { isLoopback } from './config/values.ts';
import { Problem } from './errors.ts';
import type { Credential } from './relay/credential.ts';
import type { AppendLog } from './store/append-log.ts';
import { createFileLog } from './store/file-log.ts';
import type { Records } from './store/records.ts';
import { openSqliteRecords } from './store/sqlite-records.ts';

export interface Stores {
  readonly records: Records;
  readonly log: AppendLog;
  readonly key: RootKey;
}

export interface StoreOptions {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly credential: Credential;
}

/** The stores and the signing key that the configuration names. Rejects with Problem when one cannot be opened. */
export async function openStores({ storage, listen }: Config, { clock, entropy }: StoreOptions): Promise<Stores> {
  if (storage.audit.kind === 'azure' || storage.records.kind === 'azure') throw new Problem('internal-error', 'x');
  const key = await loadRootKey(storage.signingKey, { loopback: isLoopback(listen.host), entropy });
  const log = createFileLog({ folder: storage.audit.path });
  const records = await openSqliteRecords(storage.records.path, { clock });
  return { records, log, key };
}
