import { isLoopback } from './values.ts';

/** Where one Azure cloud keeps storage accounts and keys: the suffixes of their host names. */
export interface Cloud {
  readonly storage: readonly string[];
  readonly keys: readonly string[];
}

// learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure ("Guidance for developers"),
// learn.microsoft.com/azure/china/resources-developer-guide, learn.microsoft.com/azure/storage/common/storage-account-overview
// ("Storage account endpoints": storage.azure.net is that of accounts with Azure DNS zone endpoints).
const clouds: Readonly<Record<string, Cloud>> = {
  'management.azure.com': {
    storage: ['core.windows.net', 'storage.azure.net'],
    keys: ['vault.azure.net', 'managedhsm.azure.net'],
  },
  'management.usgovcloudapi.net': {
    storage: ['core.usgovcloudapi.net'],
    keys: ['vault.usgovcloudapi.net', 'managedhsm.usgovcloudapi.net'],
  },
  'management.chinacloudapi.cn': {
    storage: ['core.chinacloudapi.cn'],
    keys: ['vault.azure.cn', 'managedhsm.azure.cn'],
  },
};

/** Every cloud that Microsoft runs: for what is read before any configuration says which one it is. */
export const anyCloud: Cloud = {
  storage: Object.values(clouds).flatMap(({ storage }) => storage),
  keys: Object.values(clouds).flatMap(({ keys }) => keys),
};

/**
 * The cloud of a Resource Manager endpoint. An emulated one on loopback may go with storage in any; one that is not listed (Azure
 * Stack) has its storage and vaults under its own domain (learn.microsoft.com/azure-stack/user/azure-stack-acs-differences).
 */
export function cloudOf(resourceManager: string): Cloud {
  const host = new URL(resourceManager).hostname;
  if (isLoopback(host)) return anyCloud;
  const known = clouds[host];
  if (known) return known;
  const domain = host.slice(host.indexOf('.') + 1);
  return { storage: [domain], keys: [`vault.${domain}`] };
}

const accountPattern = /^[a-z0-9]{3,24}(?:-secondary)?$/;
const zonePattern = /^z[0-9]{1,2}$/;

/**
 * Whether a host is a storage account's endpoint for the service: `acct.blob.core.windows.net`, `acct.z01.blob.storage.azure.net`. A
 * token for storage goes to nothing else: it would be good for every account that the gateway may use.
 */
export function isStorageHost(host: string, service: 'blob' | 'table', { storage }: Cloud): boolean {
  return storage.some((suffix) => {
    if (!host.endsWith(`.${service}.${suffix}`)) return false;
    const [account = '', zone, ...rest] = host.slice(0, -`.${service}.${suffix}`.length).split('.');
    return accountPattern.test(account) && rest.length === 0 && (zone === undefined || zonePattern.test(zone));
  });
}

/** Whether a host is a Key Vault or a managed HSM: one label before the suffix. */
export const isKeyHost = (host: string, { keys }: Cloud): boolean =>
  keys.some((suffix) => host.endsWith(`.${suffix}`) && /^[a-z0-9-]{1,63}$/.test(host.slice(0, -suffix.length - 1)));
