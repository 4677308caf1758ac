import type { ExtraResource } from '../kubernetes/extra-resource.ts';
import type {
  AzureConfig,
  Cluster,
  Config,
  Entrance,
  IdentityConfig,
  Limits,
  MonitorLogs,
  StorageConfig,
  TrafficLimits,
} from './config.ts';
import { trimEnd } from '../lib/trim-end.ts';
import { anyCloud, cloudOf } from './cloud.ts';
import { isBuiltIn, isBuiltInWord } from '../kubernetes/known-kinds.ts';
import { wellKnownCustomResources } from '../kubernetes/well-known-custom-resources.ts';
import { didYouMean } from '../lib/suggest.ts';
import { settingFault } from './environment.ts';
import type { Path, Report } from './problem.ts';
import type { ConfigFile } from './schema.ts';
import { readStorage } from './storage-location.ts';
import {
  isDnsLabel,
  isEnvName,
  isLoopback,
  isName,
  readArmId,
  readGuid,
  readOrigin,
  readScope,
  type Checked,
} from './values.ts';

// Each section of the file: checked, with its defaults. What a reader reports makes the whole file unfit, so the value it then
// gives is never used.

/** The value, or '' after its problem was reported. */
function take(reading: Checked<string>, path: Path, report: Report): string {
  if (reading.ok) return reading.value;
  report.problem(path, reading.problem);
  return '';
}

export const readListen = (file: ConfigFile): Config['listen'] => ({
  host: file.listen?.host ?? '127.0.0.1',
  port: file.listen?.port ?? 7071,
});

// learn.microsoft.com/entra/identity-platform/v2-protocols ("Endpoints"): these stand for "whichever tenant", so that anybody's
// token would pass.
const anyTenant = ['common', 'organizations', 'consumers'];

export function readIdentity(file: ConfigFile, report: Report): IdentityConfig {
  const { authority = 'https://login.microsoftonline.com', tenants, audience, scopes } = file.identity;
  const at = (...path: Path): Path => ['identity', ...path];
  const ids = tenants.map((tenant, index) => {
    if (anyTenant.includes(tenant.toLowerCase())) {
      report.problem(at('tenants', index), `"${tenant}" would let any tenant in: name the tenants by their ids`);
    }
    return anyTenant.includes(tenant.toLowerCase()) ? tenant : take(readGuid(tenant), at('tenants', index), report);
  });
  ids.forEach((id, index) => {
    if (id !== '' && ids.indexOf(id) !== index) report.problem(at('tenants', index), 'this tenant is named twice');
  });
  const origin = take(readOrigin(authority), at('authority'), report);
  if (origin.startsWith('http:')) {
    report.warning(
      at('authority'),
      'plain http: the program behind this port decides who anybody is. For local use only',
    );
  }
  return {
    authority: origin,
    tenants: ids,
    audience: take(readGuid(audience), at('audience'), report),
    scopes: (scopes ?? ['Commands.Run']).map((scope, index) => {
      if (scope === 'Commands.Request')
        report.problem(
          at('scopes', index),
          'Commands.Request is the scope of a Requester-Token, and must open nothing by itself',
        );
      return take(readScope(scope), at('scopes', index), report);
    }),
    ...(file.identity.groupsClaim && { groupsClaim: file.identity.groupsClaim }),
  };
}

export function readAzure(file: ConfigFile, env: NodeJS.ProcessEnv | undefined, report: Report): AzureConfig {
  const { resourceManager = 'https://management.azure.com', credential, onBehalfOf } = file.azure;
  const origin = take(readOrigin(resourceManager), ['azure', 'resourceManager'], report);
  const fromEnv = (name: string, path: Path): void => {
    if (!isEnvName(name)) return report.problem(path, `"${name}" is not the name of an environment variable`);
    const fault = env && settingFault(env, name);
    if (fault !== undefined) report.problem(path, `the environment variable ${name} ${fault}`, name);
  };
  return {
    resourceManager: origin,
    credential: readCredential(),
    ...(onBehalfOf && { onBehalfOf: readOnBehalfOf(onBehalfOf) }),
  };

  function readCredential(): AzureConfig['credential'] {
    const path = ['azure', 'credential'];
    if (credential.kind === 'static') {
      fromEnv(credential.tokenEnv, [...path, 'tokenEnv']);
      if (origin !== '' && !isLoopback(new URL(origin).hostname)) {
        report.problem(path, 'kind: static is for an emulated Azure on loopback: use managedIdentity or default');
      } else report.warning(path, 'a fixed token: for an emulated Azure only');
      return credential;
    }
    if (credential.kind === 'default' || credential.clientId === undefined) return credential;
    return { ...credential, clientId: take(readGuid(credential.clientId), [...path, 'clientId'], report) };
  }

  function readOnBehalfOf(file: NonNullable<typeof onBehalfOf>): NonNullable<AzureConfig['onBehalfOf']> {
    const path = ['azure', 'onBehalfOf'];
    const clientId = take(readGuid(file.clientId), [...path, 'clientId'], report);
    if ('secretEnv' in file) {
      fromEnv(file.secretEnv, [...path, 'secretEnv']);
      return { clientId, secretEnv: file.secretEnv };
    }
    const federated = readGuid(file.federatedIdentityClientId);
    const federatedPath = [...path, 'federatedIdentityClientId'];
    return { clientId, federatedIdentityClientId: take(federated, federatedPath, report) };
  }
}

export function readClusters(file: ConfigFile, report: Report): ReadonlyMap<string, Cluster> {
  const clusters = new Map<string, Cluster>();
  const byArmId = new Map<string, string>();
  for (const [name, cluster] of Object.entries(file.clusters)) {
    const at = (...path: Path): Path => ['clusters', name, ...path];
    if (!isName(name)) report.problem(at(), 'a cluster\'s name is letters, digits, ".", "_" and "-", at most 63');
    const arm = readArmId(cluster.resourceId);
    if (!arm.ok) {
      report.problem(at('resourceId'), arm.problem);
      continue;
    }
    const twin = byArmId.get(arm.value.id.toLowerCase());
    if (twin !== undefined) {
      report.problem(
        at('resourceId'),
        `is the same cluster as "${twin}": policy for one name could be evaded by the other`,
      );
    }
    byArmId.set(arm.value.id.toLowerCase(), name);
    const { runAs = 'gateway', impersonate = false, defaultNamespace = 'default' } = cluster;
    if (runAs === 'caller' && impersonate) {
      report.problem(
        at('impersonate'),
        'cannot go with runAs: caller: the command runs as the user already, who would need the right to impersonate',
      );
    }
    if (runAs === 'caller' && !file.azure?.onBehalfOf) {
      report.problem(at('runAs'), 'runAs: caller needs azure.onBehalfOf, to get a token for the caller');
    }
    if (!isDnsLabel(defaultNamespace)) {
      report.problem(at('defaultNamespace'), `"${defaultNamespace}" is not the name of a namespace`);
    } else if (defaultNamespace === 'aks-command') {
      report.problem(at('defaultNamespace'), "aks-command holds other callers' commands: it cannot be the default");
    }
    const discover = cluster.resources === 'discover';
    if (discover && runAs === 'caller') {
      report.problem(
        at('resources'),
        "discover cannot go with runAs: caller: the gateway has no rights of its own to read the cluster's definitions",
      );
    }
    const listed = cluster.resources === 'discover' ? [] : (cluster.resources ?? []);
    const resources = readExtraResources(listed, at('resources'), report);
    const { frozen } = cluster;
    clusters.set(name, {
      name,
      arm: arm.value,
      runAs,
      impersonate,
      defaultNamespace,
      resources,
      ...(discover && { discover }),
      ...(frozen !== undefined && { frozen }),
    });
  }
  if (Object.keys(file.clusters).length === 0) report.problem(['clusters'], 'must name at least one cluster');
  return clusters;
}

const resourcePattern = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const groupPattern = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/;
const versionPattern = /^v[0-9]+(?:(?:alpha|beta)[0-9]+)?$/;
const kindPattern = /^[A-Z][A-Za-z0-9]*$/;

/** A custom resource by name alone. */
function findWellKnown(name: string, path: Path, report: Report): ExtraResource | undefined {
  const known = wellKnownCustomResources.get(name);
  if (known) return known;
  const guess = didYouMean(name, wellKnownCustomResources.keys());
  const advice = 'Spell it out: group, version, resource, kind, namespaced';
  report.problem(path, `"${name}" is not a well-known custom resource.${guess} ${advice}`);
  return undefined;
}

/** Custom resources. None may pass as one of Kubernetes' own: policy would judge another object than the cluster sees. */
function readExtraResources(
  files: Exclude<NonNullable<ConfigFile['clusters'][string]['resources']>, string>,
  path: Path,
  report: Report,
): readonly ExtraResource[] {
  const seen = new Set<string>();
  return files.flatMap((entry, index) => {
    const at = (...rest: Path): Path => [...path, index, ...rest];
    const file = typeof entry === 'string' ? findWellKnown(entry, at(), report) : entry;
    if (!file) return [];
    const { group, version, resource, kind, namespaced } = file;
    // Of two well-known ones with one short name the first keeps it; what goes out is the qualified name in any case.
    const shortNames = (file.shortNames ?? []).filter((word) => typeof entry !== 'string' || !seen.has(word));
    if (!groupPattern.test(group)) report.problem(at('group'), `"${group}" is no API group of a custom resource`);
    if (!resourcePattern.test(resource))
      report.problem(at('resource'), `"${resource}" is not a plural name in lower case`);
    if (!versionPattern.test(version))
      report.problem(at('version'), `"${version}" is no API version such as v1 or v1beta1`);
    if (!kindPattern.test(kind)) report.problem(at('kind'), `"${kind}" is not a kind such as Certificate`);
    if (isBuiltIn(`${resource}.${group}`)) report.problem(at(), `${resource}.${group} is built in`);
    const unique = (word: string, where: Path): void => {
      if (seen.has(word)) report.problem(where, `"${word}" is given twice on this cluster`);
      seen.add(word);
    };
    unique(`${resource}.${group}`, at('resource'));
    shortNames.forEach((word, place) => {
      if (isBuiltInWord(word))
        report.problem(at('shortNames', place), `"${word}" means a resource of Kubernetes itself`);
      unique(word, at('shortNames', place));
    });
    return [{ group, version, resource, kind, namespaced, shortNames }];
  });
}

/** A fixed token is taken for an emulated Azure on loopback alone: nothing of it is anybody's. */
export const isEmulated = ({ credential }: AzureConfig): boolean => credential.kind === 'static';

export function readStorageSection(
  file: ConfigFile,
  baseDir: string,
  {
    azure,
    reachable,
    entrance,
  }: { readonly azure: AzureConfig; readonly reachable: string | undefined; readonly entrance: Entrance },
  report: Report,
): StorageConfig {
  // '' stands for an address that was found wrong before: the file is refused, and this is not what is wrong with it.
  const cloud = azure.resourceManager === '' ? anyCloud : cloudOf(azure.resourceManager);
  const read = (
    service: 'audit' | 'records' | 'signingKey',
    member: keyof ConfigFile['storage'] = service,
    text = file.storage[service],
  ): StorageConfig['audit'] => {
    const location = readStorage(service, text, baseDir, cloud);
    if (location.ok) return location.value;
    report.problem(['storage', member], location.problem);
    return { kind: 'azure', url: '' };
  };
  const { auditorKey, checkpoints } = file.storage;
  const wrongKey = auditorKey && whyNotPublicKey(auditorKey);
  if (wrongKey) report.problem(['storage', 'auditorKey'], wrongKey);
  const storage = {
    audit: read('audit'),
    records: read('records'),
    signingKey: read('signingKey'),
    ...(auditorKey !== undefined && { auditorKey }),
    ...(checkpoints !== undefined && { checkpoints: read('audit', 'checkpoints', checkpoints) }),
    resultsHours: file.storage.retention?.resultsHours ?? 24,
    recordsDays: file.storage.retention?.recordsDays ?? 90,
  };
  if (storage.recordsDays * 24 < storage.resultsHours) {
    report.problem(
      ['storage', 'retention', 'recordsDays'],
      'is shorter than resultsHours: a result goes with its record',
    );
  }
  if (entrance === 'functions' && !isEmulated(azure)) {
    for (const member of ['audit', 'records', 'checkpoints'] as const) {
      if (storage[member] === undefined || storage[member].kind === 'azure') continue;
      report.problem(
        ['storage', member],
        'is on one instance: on Azure Functions each would have records and a trail of its own. Use https://…',
      );
    }
  }
  if (storage.signingKey.kind === 'file') {
    const path = ['storage', 'signingKey'];
    if (reachable === undefined) {
      report.warning(path, 'a local key: anyone who can read the file can forge the audit trail. For local use only');
    } else report.problem(path, `a key in a local file is for loopback only, but ${reachable}: use a Key Vault key`);
  }
  return storage;
}

/** Members of a private JWK (RFC 7518, sections 6.2.2, 6.3.2 and 6.4). */
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

function whyNotPublicKey(jwk: Readonly<Record<string, unknown>>): string | undefined {
  if (privateMembers.some((member) => Object.hasOwn(jwk, member)))
    return 'is a private key: give its public half; anyone with this file could read what the trail hides';
  const { kty, crv } = jwk;
  const fits =
    kty === 'RSA' ||
    (kty === 'EC' && ['P-256', 'P-384', 'P-521'].includes(String(crv))) ||
    (kty === 'OKP' && crv === 'X25519');
  return fits ? undefined : 'must be a public JWK for encryption: RSA, EC (P-256, P-384, P-521) or OKP (X25519)';
}

export function readMonitorLogs(file: ConfigFile, report: Report): MonitorLogs | undefined {
  const { monitorLogs } = file;
  if (monitorLogs === undefined) return undefined;
  const { endpoint, ruleId, stream } = monitorLogs;
  if (!URL.canParse(endpoint) || new URL(endpoint).protocol !== 'https:')
    report.problem(['monitorLogs', 'endpoint'], 'must be an https address, such as https://….ingest.monitor.azure.com');
  if (!/^dcr-[0-9a-f]{32}$/.test(ruleId))
    report.problem(
      ['monitorLogs', 'ruleId'],
      'must be the immutable id of a data collection rule: dcr- and 32 hex digits',
    );
  return { endpoint, ruleId, stream };
}

const MIB = 1024 * 1024;
const ownTraffic: TrafficLimits = {
  requestsPerMinute: 1_200,
  auditLinesPerMinute: 2_400,
  bytesInPerMinute: 64 * MIB,
  bytesOutPerMinute: 256 * MIB,
  openRequests: 100,
  heldBytes: 32 * MIB,
};
const allTraffic: TrafficLimits = {
  requestsPerMinute: 30_000,
  auditLinesPerMinute: 60_000,
  bytesInPerMinute: 512 * MIB,
  bytesOutPerMinute: 2_048 * MIB,
  openRequests: 1_000,
  heldBytes: 64 * MIB,
};

const withDefaults = (given: Partial<TrafficLimits>, defaults: TrafficLimits): TrafficLimits => ({
  requestsPerMinute: given.requestsPerMinute ?? defaults.requestsPerMinute,
  auditLinesPerMinute: given.auditLinesPerMinute ?? defaults.auditLinesPerMinute,
  bytesInPerMinute: given.bytesInPerMinute ?? defaults.bytesInPerMinute,
  bytesOutPerMinute: given.bytesOutPerMinute ?? defaults.bytesOutPerMinute,
  openRequests: given.openRequests ?? defaults.openRequests,
  heldBytes: given.heldBytes ?? defaults.heldBytes,
});

export function readPublicUrl({ publicUrl }: ConfigFile, report: Report): string | undefined {
  if (publicUrl === undefined) return undefined;
  const url = URL.canParse(publicUrl) ? new URL(publicUrl) : undefined;
  if (!url || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    report.problem(
      ['publicUrl'],
      'must be the address of the gateway alone, such as https://gateway.example.com/prefix',
    );
    return undefined;
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname)))
    report.problem(['publicUrl'], 'must be https: callers send their tokens there');
  return trimEnd(url.href, '/');
}

export function readLimits(file: ConfigFile, report: Report): Limits {
  const {
    perPrincipal = {},
    total = {},
    perCluster = {},
    bodyBytes = 8 * 1024 * 1024,
    timeoutSeconds = {},
  } = file.limits ?? {};
  const max = timeoutSeconds.max ?? Math.max(3600, timeoutSeconds.default ?? 0);
  const timeout = { default: timeoutSeconds.default ?? Math.min(300, max), max };
  if (timeout.default > timeout.max) {
    report.problem(['limits', 'timeoutSeconds', 'default'], `is more than max, which is ${timeout.max}`);
  }
  return {
    perPrincipal: {
      running: perPrincipal.running ?? 4,
      queued: perPrincipal.queued ?? 20,
      submitsPerMinute: perPrincipal.submitsPerMinute ?? 30,
      storedBytes: perPrincipal.storedBytes ?? 1_024 * MIB,
      ...withDefaults(perPrincipal, ownTraffic),
    },
    total: withDefaults(total, allTraffic),
    perCluster: { running: perCluster.running ?? 8 },
    bodyBytes,
    timeoutSeconds: timeout,
  };
}
