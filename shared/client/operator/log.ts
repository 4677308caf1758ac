import { existsSync, statSync } from 'node:fs';
import { systemClock } from '../../clock.ts';
import type { StorageLocation } from '../../config/config.ts';
import { openLog } from '../../open-stores.ts';
import { createCredential } from '../../relay/credential.ts';
import type { StorageToken } from '../../store/azure-storage.ts';
import type { AppendLog } from '../../store/append-log.ts';
import type { Host } from '../host.ts';
import { readConfig } from './config.ts';

/** The operator's own Azure sign-in: an auditor needs no more than to read. */
export const operatorCredential = ({ env }: Pick<Host, 'env'>): StorageToken =>
  createCredential({
    azure: { resourceManager: 'https://management.azure.com', credential: { kind: 'default' } },
    authority: 'https://login.microsoftonline.com',
    clock: systemClock,
    env,
  });

/** The trail at a place: named, or the configuration's, or the default's. Throws Error when there is none. */
export async function openTrail(place: string | undefined, config: string | undefined, host: Host): Promise<AppendLog> {
  const configured = place === undefined ? readConfig(config, host)?.storage.audit : undefined;
  const log = await openPlace(configured ?? locationOf(place ?? 'data/audit'), host);
  if (!log) throw new Error(`there is no audit trail at ${place ?? placeOf(configured) ?? 'data/audit'}`);
  return log;
}

const placeOf = (location: StorageLocation | undefined): string | undefined =>
  location && (location.kind === 'azure' ? location.url : location.path);

export const locationOf = (place: string): StorageLocation =>
  /^https:\/\//i.test(place) ? { kind: 'azure', url: place } : { kind: 'file', path: place };

/** The log at a place; undefined when there is no such folder. */
export async function openPlace(location: StorageLocation, host: Host): Promise<AppendLog | undefined> {
  if (location.kind !== 'azure' && !(existsSync(location.path) && statSync(location.path).isDirectory()))
    return undefined;
  return openLog(location, { credential: operatorCredential(host), clock: systemClock });
}
