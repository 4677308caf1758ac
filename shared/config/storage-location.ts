import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isKeyHost, isStorageHost, type Cloud } from './cloud.ts';
import type { StorageLocation } from './config.ts';
import { isLoopback, no, ok, readUrl, type Checked } from './values.ts';

/** The places of `storage:`, and what each may be. `depth`: segments of the path. */
const services = {
  audit: { local: 'file', form: 'https://<account>.blob.core.windows.net/<container>', depth: [1, 1] },
  records: { local: 'sqlite', form: 'https://<account>.table.core.windows.net', depth: [0, 0] },
  signingKey: {
    local: 'file',
    form: 'https://<vault>.vault.azure.net/keys/<name>',
    // A version may follow the key's name.
    depth: [2, 3],
  },
} as const;
type Service = keyof typeof services;

const isHostOf = (service: Service, host: string, cloud: Cloud): boolean =>
  service === 'signingKey'
    ? isKeyHost(host, cloud)
    : isStorageHost(host, service === 'records' ? 'table' : 'blob', cloud);

/**
 * `file:` and `sqlite:` are resolved against `baseDir`, the configuration's folder. A place in Azure must be one of `cloud`: it is
 * sent the gateway's token.
 */
export function readStorage(service: Service, text: string, baseDir: string, cloud: Cloud): Checked<StorageLocation> {
  const { local, form, depth } = services[service];
  const [least, most] = depth;
  if (text.startsWith(`${local}:`)) {
    const path = text.startsWith('file://') ? fileUrlPath(text) : text.slice(local.length + 1);
    if (!path) return no(`names no ${local === 'file' ? 'path' : 'database file'}: ${local}:./data/…`);
    return ok({ kind: local, path: resolve(baseDir, path) });
  }
  if (!/^https?:/i.test(text)) return no(`must be ${local}:<path> or ${form}`);
  const url = readUrl(text);
  if (!url.ok) return url;
  const segments = url.value.pathname.split('/').filter((segment) => segment !== '');
  const { hostname } = url.value;
  // Azurite, on loopback, puts the account's name before the rest of the path.
  const wrongPath = segments.length < least || segments.length > (isLoopback(hostname) ? most + 1 : most);
  const wrongKey = service === 'signingKey' && !segments.includes('keys');
  if (wrongPath || wrongKey) return no(`must be like ${form}`);
  if (!isLoopback(hostname) && !isHostOf(service, hostname, cloud))
    return no(`must be like ${form}, in the cloud of azure.resourceManager: it is sent the gateway's token`);
  return ok({ kind: 'azure', url: url.value.origin + segments.map((segment) => `/${segment}`).join('') });
}

function fileUrlPath(text: string): string | undefined {
  try {
    return fileURLToPath(text);
  } catch {
    // A file URL with a foreign host: no path of this machine, and refused as such by the caller.
    return undefined;
  }
}
