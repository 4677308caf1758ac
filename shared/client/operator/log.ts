import { existsSync } from 'node:fs';
import { systemClock } from '../../clock.ts';
import { openLog } from '../../open-stores.ts';
import { createCredential } from '../../relay/credential.ts';
import type { AppendLog } from '../../store/append-log.ts';
import type { Host } from '../main.ts';
import { readConfig } from './config.ts';

/** The trail at a place: named, or the configuration's, or the default's. Throws Error when there is none. */
export async function openTrail(place: string | undefined, config: string | undefined, host: Host): Promise<AppendLog> {
  const configured = place === undefined ? readConfig(config, host)?.storage.audit : undefined;
  const where = place ?? (configured?.kind === 'azure' ? configured.url : (configured?.path ?? 'data/audit'));
  const remote = /^https:\/\//i.test(where);
  if (!remote && !existsSync(where)) throw new Error(`there is no audit trail at ${where}`);
  // The reader's own Azure sign-in: an auditor needs no more than to read the container.
  const azure = { resourceManager: 'https://management.azure.com', credential: { kind: 'default' } } as const;
  const credential = createCredential({
    azure,
    authority: 'https://login.microsoftonline.com',
    clock: systemClock,
    env: host.env,
  });
  return openLog(remote ? { kind: 'azure', url: where } : { kind: 'file', path: where }, {
    credential,
    clock: systemClock,
  });
}
