import type { JsonObject } from './json.ts';
import { groupVersion, splitGroupVersion, type Kind } from './kinds.ts';
import { SERVER_VERSION } from './seed-objects.ts';

/**
 * What kubectl asks before it asks anything: the legacy discovery documents (the aggregated ones may be left out:
 * kubectl up to 1.29 knows only their v2beta1), the version, and OpenAPI v3. Undefined where nothing is served.
 */
export function discovery(path: string, kinds: readonly Kind[]): JsonObject | undefined {
  const parts = path.split('/').filter((part) => part !== '');
  switch (parts[0] ?? '') {
    case 'version':
      return versionInfo;
    case 'api':
      return parts.length === 1
        ? { kind: 'APIVersions', versions: ['v1'] }
        : resources('v1', parts[1] === 'v1' ? kinds : []);
    case 'apis': {
      const [, group, version] = parts;
      if (group === undefined) return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups(kinds) };
      if (version === undefined) {
        const found = groups(kinds).find((entry) => entry['name'] === group);
        return found && { kind: 'APIGroup', apiVersion: 'v1', ...found };
      }
      return resources(`${group}/${version}`, kinds);
    }
    case 'openapi':
      return parts[1] === 'v3' ? openApi(parts.slice(2).join('/'), kinds) : undefined;
    default:
      return undefined;
  }
}

const versionInfo: JsonObject = {
  major: '1',
  minor: '32',
  gitVersion: SERVER_VERSION,
  gitCommit: 'emulated',
  gitTreeState: 'clean',
  buildDate: '2025-04-22T16:02:58Z',
  goVersion: 'go1.23.6',
  compiler: 'gc',
  platform: 'linux/amd64',
};

function groups(kinds: readonly Kind[]): JsonObject[] {
  const names = [...new Set(kinds.map((kind) => kind.group))].filter((group) => group !== '');
  return names.map((name) => {
    const served = [...new Set(kinds.filter((kind) => kind.group === name).map(groupVersion))];
    const versions = served.map((groupVersion) => ({ groupVersion, version: splitGroupVersion(groupVersion)[1] }));
    return { name, versions, preferredVersion: versions[0] };
  });
}

function resources(wanted: string, kinds: readonly Kind[]): JsonObject | undefined {
  const served = kinds.filter((kind) => groupVersion(kind) === wanted);
  if (served.length === 0) return undefined;
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: wanted,
    resources: served.flatMap((kind) => [
      {
        name: kind.resource,
        singularName: kind.kind.toLowerCase(),
        namespaced: kind.namespaced,
        kind: kind.kind,
        verbs: [...kind.verbs],
        ...(kind.shortNames.length > 0 && { shortNames: [...kind.shortNames] }),
        ...(kind.categories.length > 0 && { categories: [...kind.categories] }),
      },
      ...kind.subresources.map((name) => ({
        name: `${kind.resource}/${name}`,
        singularName: '',
        namespaced: kind.namespaced,
        ...subresourceShape(kind, name),
      })),
    ]),
  };
}

function subresourceShape(kind: Kind, name: string): JsonObject {
  switch (name) {
    case 'scale':
      return { group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: ['get', 'patch', 'update'] };
    case 'eviction':
      // Without group and version kubectl drain deletes instead of evicting.
      return { group: 'policy', version: 'v1', kind: 'Eviction', verbs: ['create'] };
    case 'token':
      return { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest', verbs: ['create'] };
    case 'exec':
    case 'attach':
    case 'portforward':
    case 'proxy':
      return {
        kind: `${kind.kind}${name === 'portforward' ? 'PortForward' : capital(name)}Options`,
        verbs: ['create', 'get'],
      };
    case 'binding':
      return { kind: 'Binding', verbs: ['create'] };
    case 'log':
      return { kind: kind.kind, verbs: ['get'] };
    default:
      return { kind: kind.kind, verbs: ['get', 'patch', 'update'] };
  }
}

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

/**
 * OpenAPI v3, as far as kubectl needs it to believe in dry runs and field validation: each kind's PATCH with its
 * `x-kubernetes-group-version-kind` and a `fieldValidation` parameter. The schemas say no more than the kinds' names.
 */
function openApi(document: string, kinds: readonly Kind[]): JsonObject | undefined {
  const root = (kind: Kind) => (kind.group === '' ? `api/${kind.version}` : `apis/${groupVersion(kind)}`);
  if (document === '')
    return {
      paths: Object.fromEntries(
        [...new Set(kinds.map(root))].map((path) => [path, { serverRelativeURL: `/openapi/v3/${path}?hash=EMULATED` }]),
      ),
    };
  const served = kinds.filter((kind) => root(kind) === document);
  if (served.length === 0) return undefined;
  const identity = ({ group, version, kind }: Kind): JsonObject => ({ group, version, kind });
  const query = (name: string): JsonObject => ({ name, in: 'query', schema: { type: 'string', uniqueItems: true } });
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes (emulated)', version: SERVER_VERSION },
    paths: Object.fromEntries(
      served.map((kind) => [
        `/${document}${kind.namespaced ? '/namespaces/{namespace}' : ''}/${kind.resource}/{name}`,
        {
          patch: {
            operationId: `patch${kind.kind}`,
            parameters: ['dryRun', 'fieldManager', 'fieldValidation', 'force'].map(query),
            responses: { '200': { description: 'OK' } },
            'x-kubernetes-action': 'patch',
            'x-kubernetes-group-version-kind': identity(kind),
          },
        },
      ]),
    ),
    components: {
      schemas: Object.fromEntries(
        served.map((kind) => [
          `io.emulated.${kind.kind}`,
          {
            description: `${kind.kind}, as the emulated cluster knows it: no fields are described.`,
            type: 'object',
            properties: {
              apiVersion: { type: 'string', description: 'The version of the schema.' },
              kind: { type: 'string', description: 'The name of the kind.' },
              metadata: { type: 'object', description: 'Name, namespace, labels and annotations.' },
            },
            'x-kubernetes-group-version-kind': [identity(kind)],
          },
        ]),
      ),
    },
  };
}
