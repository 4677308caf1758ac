import { createKeyVault } from '../../../audit/key-vault.ts';
import type { RootKey } from '../../../audit/root-key.ts';
import { loadRootKey, readRootKey } from '../../../audit/keys.ts';
import { systemClock } from '../../../clock.ts';
import type { StorageLocation } from '../../../config/config.ts';
import { storageCredential } from '../../../store/azure-storage.ts';
import type { Host } from '../../host.ts';
import { operatorCredential } from '../log.ts';

const vaultOf = (location: StorageLocation, host: Host) =>
  location.kind === 'azure'
    ? createKeyVault(location.url, storageCredential(operatorCredential(host), systemClock))
    : undefined;

/** The thumbprint of the root key at a place: of its public half only. Rejects with Problem when it cannot be read. */
export const readRootKeyId = (location: StorageLocation, host: Host): Promise<string> =>
  readRootKey(location, vaultOf(location, host));

/** The root key to sign with, by the operator's own rights. Rejects with Problem when it cannot be used. */
export const openRootKey = (location: StorageLocation, host: Host): Promise<RootKey> =>
  loadRootKey(location, { loopback: true, vault: vaultOf(location, host) });
