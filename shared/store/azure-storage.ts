import type { TokenCredential } from '@azure/identity';

import type { Clock } from '../clock.ts';
import type { Secret } from '../secret.ts';
import { StorageUnavailable } from './append-log.ts';

/** Gives an access token for a scope, and keeps it in mind itself for as long as it lives. */
export type StorageToken = (scope: string) => Promise<Secret>;

/** How long an SDK may hold on to a token before it asks again. Its giver keeps them fresh for longer than this. */
const HELD_MS = 4 * 60_000;

/** The gateway's own credential as the Azure SDKs want it. */
export const storageCredential = (token: StorageToken, clock: Clock): TokenCredential => ({
  getToken: async (scopes) => ({
    token: (await token(typeof scopes === 'string' ? scopes : scopes.join(' '))).reveal(),
    expiresOnTimestamp: clock.now() + HELD_MS,
  }),
});

/** The blob endpoint beside a table endpoint, in every cloud: the second label of the host name says which service. */
export function blobEndpoint(tableUrl: string): string {
  const url = new URL(tableUrl);
  const [account, service, ...rest] = url.hostname.split('.');
  if (service !== 'table') throw new StorageUnavailable(`${url.origin} is not a table endpoint of Azure Storage`);
  return `https://${[account, 'blob', ...rest].join('.')}`;
}
