import type { ArmId, StorageLocation } from './config.ts';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A checked value, or why it is none. */
export type Reading<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

const ok = <T>(value: T): Reading<T> => ({ ok: true, value });
const no = (problem: string): { readonly ok: false; readonly problem: string } => ({ ok: false, problem });

const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Lower-cased: Entra writes GUIDs so in tokens, portals and people do not always. */
export function readGuid(text: string): Reading<string> {
  return GUID.test(text) ? ok(text.toLowerCase()) : no(`"${text}" is no GUID (00000000-0000-0000-0000-000000000000)`);
}

/** This machine only, by the name itself: nothing is looked up (RFC 6761, 6.3 for localhost). */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host);

function readUrl(text: string): Reading<URL> {
  if (!URL.canParse(text)) return no(`"${text}" is no URL`);
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return no('must be an https URL');
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    return no('plain http is for loopback only: everybody on the way could read and change it. Write https');
  }
  if (url.username !== '' || url.password !== '') return no('must not hold a user name or password');
  if (url.search !== '' || url.hash !== '') {
    return no('must not have a query or fragment (a SAS token is a secret and has no place here)');
  }
  return ok(url);
}

/** `https://host[:port]`, without a trailing slash: where Entra's authority or Azure Resource Manager is. */
export function readOrigin(text: string): Reading<string> {
  const url = readUrl(text);
  if (!url.ok) return url;
  return url.value.pathname === '/' ? ok(url.value.origin) : no(`must not have a path: ${url.value.origin}`);
}

const ARM_ID =
  /^\/subscriptions\/([^/]+)\/resourceGroups\/([^/]+)\/providers\/Microsoft\.ContainerService\/managedClusters\/([^/]+)\/?$/i;
// learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
const RESOURCE_GROUP = /^(?=.{1,90}$)[\p{L}\p{N}_().-]*[\p{L}\p{N}_()-]$/u;
const CLUSTER_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$/;

/** ARM compares ids without regard to case; the id is taken apart and built anew, so that nothing else is ever called. */
export function readArmId(text: string): Reading<ArmId> {
  const [, subscriptionText = '', resourceGroup = '', name = ''] = ARM_ID.exec(text) ?? [];
  if (subscriptionText === '') {
    return no(
      'must be /subscriptions/<id>/resourceGroups/<name>/providers/Microsoft.ContainerService/managedClusters/<name>',
    );
  }
  const subscription = readGuid(subscriptionText);
  if (!subscription.ok) return no(`subscription ${subscription.problem}`);
  if (!RESOURCE_GROUP.test(resourceGroup)) return no(`"${resourceGroup}" is no name of a resource group`);
  if (!CLUSTER_NAME.test(name)) return no(`"${name}" is no name of a managed cluster`);
  const id = `/subscriptions/${subscription.value}/resourceGroups/${resourceGroup}/providers/Microsoft.ContainerService/managedClusters/${name}`;
  return ok({ id, subscription: subscription.value, resourceGroup, name });
}

/** The three places of `storage:`, and what each may be. */
const services = {
  audit: { local: 'file', hosts: ['blob'], form: 'https://<account>.blob.core.windows.net/<container>', depth: [1, 1] },
  records: { local: 'sqlite', hosts: ['table'], form: 'https://<account>.table.core.windows.net', depth: [0, 0] },
  signingKey: {
    local: 'file',
    hosts: ['vault', 'managedhsm'],
    form: 'https://<vault>.vault.azure.net/keys/<name>',
    // A version may follow the key's name.
    depth: [2, 3],
  },
} as const;

/** `file:` and `sqlite:` are resolved against `baseDir`, the configuration's folder. */
export function readStorage(service: keyof typeof services, text: string, baseDir: string): Reading<StorageLocation> {
  const { local, hosts, form, depth } = services[service];
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
  const wrongHost = !isLoopback(hostname) && !hosts.some((host) => hostname.split('.').slice(1).includes(host));
  // Azurite, on loopback, puts the account's name before the rest of the path.
  const wrongPath = segments.length < least || segments.length > (isLoopback(hostname) ? most + 1 : most);
  const wrongKey = service === 'signingKey' && !segments.includes('keys');
  if (wrongHost || wrongPath || wrongKey) return no(`must be like ${form}`);
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

// RFC 1123 label, as Kubernetes names namespaces.
const DNS_LABEL = /^(?=.{1,63}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
export const isDnsLabel = (text: string): boolean => DNS_LABEL.test(text);

const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62})$/;
/** Names that the file gives: clusters stand in URLs, roles in impersonated groups. */
export const isName = (text: string): boolean => NAME.test(text);

export const isEnvName = (text: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(text);
