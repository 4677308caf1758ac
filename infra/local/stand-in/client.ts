import { at, list, object, text, type Json, type JsonObject, type KubeObject } from '../kubernetes/json.ts';

/** One resource type, as discovery describes it. */
export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly name: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

/** An answer of the API server that is a failure, in kubectl's words. */
export class ServerError extends Error {
  override readonly name = 'ServerError';
  readonly status: number;

  constructor(status: number, reason: string, message: string) {
    super(`Error from server (${reason}): ${message}`);
    this.status = status;
  }
}

export interface Client {
  /** By plural, singular, short name or `plural.version.group` (`pods.v1.`); throws Error when there is none. */
  resource(spelling: string): Promise<Resource>;
  /** By apiVersion and kind, for manifests. */
  kindOf(manifest: KubeObject): Promise<Resource>;
  request(method: string, path: string, options?: { body?: Json; type?: string; accept?: string }): Promise<string>;
  /** A program in a container, over a WebSocket; gives its exit code. */
  exec(path: string, streams: Pick<Streams, 'out' | 'err'>): Promise<number>;
  json(method: string, path: string, options?: { body?: Json; type?: string; accept?: string }): Promise<JsonObject>;
}

const TIMEOUT_MS = 30_000;

/** `/api/v1/namespaces/shop/pods/x`, for a namespace of '' across all. */
export function pathOf({ group, version, name, namespaced }: Resource, namespace: string, object = ''): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const scope = namespaced && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${name}${object && `/${encodeURIComponent(object)}`}`;
}

/** A client of the API server that the kubeconfig's current context names; no authentication. */
export function createClient(kubeconfig: unknown): Client {
  const config = kubeconfig as Json;
  const named = (section: string, name: Json | undefined) =>
    list(at(config, section)).find((entry) => at(entry, 'name') === name);
  const context = named('contexts', at(config, 'current-context'));
  const server = text(at(named('clusters', at(context, 'context', 'cluster')), 'cluster', 'server'));
  if (server === '') throw new Error('the kubeconfig names no server');
  let everything: Promise<Resource[]> | undefined;

  const client: Client = {
    request: async (method, path, { body, type = 'application/json', accept = 'application/json' } = {}) => {
      const answer = await fetch(`${server}${path}`, {
        method,
        headers: { accept, 'content-type': type, 'user-agent': 'stand-in-kubectl' },
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const content = await answer.text();
      if (answer.ok) return content;
      if (answer.headers.get('content-type')?.startsWith('text/plain')) throw unstructured(answer.status, content);
      const status = parsed(content);
      throw new ServerError(
        answer.status,
        text(status['reason'], 'Unknown'),
        text(status['message'], `HTTP ${answer.status}`),
      );
    },
    exec: (path, streams) => execOver(`${server.replace(/^http/, 'ws')}${path}`, streams),
    json: async (method, path, options) => parsed(await client.request(method, path, options)),
    resource: async (spelling) => {
      const word = spelling.toLowerCase();
      const full = /^([^.]+)\.(v\d\w*)\.(.*)$/.exec(word);
      if (full) {
        const [, name = '', version = '', group = ''] = full;
        const found = (await resourcesOf(group, version)).find((entry) => entry.resource.name === name);
        if (found) return found.resource;
      }
      everything ??= all();
      const found = (await everything).find((entry) =>
        [entry.name, entry.singular, `${entry.name}.${entry.group}`].includes(word),
      );
      const shortName = found ?? (await shortNames()).get(word);
      if (!shortName) throw new Error(`the server doesn't have a resource type "${spelling}"`);
      return shortName;
    },
    kindOf: async (manifest) => {
      const [first = '', second] = text(manifest.apiVersion).split('/');
      const [group, version] = second === undefined ? ['', first] : [first, second];
      const found = (await resourcesOf(group, version)).find((entry) => entry.resource.kind === manifest.kind);
      if (!found) throw new Error(`no matches for kind "${manifest.kind}" in version "${manifest.apiVersion}"`);
      return found.resource;
    },
  };

  async function resourcesOf(group: string, version: string): Promise<{ resource: Resource; shortNames: string[] }[]> {
    const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
    return list((await client.json('GET', path))['resources'])
      .filter((entry) => !text(at(entry, 'name')).includes('/'))
      .map((entry) => ({
        shortNames: list(at(entry, 'shortNames')).map((name) => text(name)),
        resource: {
          group,
          version,
          name: text(at(entry, 'name')),
          singular: text(at(entry, 'singularName')),
          kind: text(at(entry, 'kind')),
          namespaced: at(entry, 'namespaced') === true,
        },
      }));
  }

  async function discovered() {
    const groups = list((await client.json('GET', '/apis'))['groups']);
    const preferred = groups.map((group): [string, string] => [
      text(at(group, 'name')),
      text(at(group, 'preferredVersion', 'version')),
    ]);
    return (
      await Promise.all([['', 'v1'] as [string, string], ...preferred].map((pair) => resourcesOf(...pair)))
    ).flat();
  }
  const all = async (): Promise<Resource[]> => (await discovered()).map(({ resource }) => resource);
  const shortNames = async (): Promise<Map<string, Resource>> =>
    new Map(
      (await discovered())
        .toReversed()
        .flatMap(({ resource, shortNames }) => shortNames.map((name) => [name, resource])),
    );

  return client;
}

interface Streams {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** The channels of v5.channel.k8s.io: 1 is stdout, 2 stderr, 3 how it ended. */
function execOver(url: string, { out, err }: Streams): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const socket = new WebSocket(url, ['v5.channel.k8s.io']);
  socket.binaryType = 'arraybuffer';
  let ended: number | undefined;
  socket.addEventListener('message', ({ data }: { readonly data: unknown }) => {
    if (!(data instanceof ArrayBuffer)) return;
    const [channel, ...bytes] = new Uint8Array(data);
    const content = Buffer.from(bytes).toString('utf8');
    if (channel === 1) out(content);
    if (channel === 2) err(content);
    if (channel !== 3) return;
    const status = parsed(content);
    const cause = list(at(status, 'details', 'causes')).find((one) => text(at(one, 'reason')) === 'ExitCode');
    ended = text(status['status']) === 'Success' ? 0 : Number(text(at(cause, 'message'), '1'));
  });
  const refused = new Error('unable to upgrade connection: the container cannot be reached');
  socket.addEventListener('error', () => reject(refused));
  socket.addEventListener('close', () => (ended === undefined ? reject(refused) : resolve(ended)));
  return promise;
}

/** As client-go tells of an answer that is no Status, such as that of `/readyz?verbose`. */
const unstructured = (status: number, content: string): ServerError =>
  new ServerError(
    status,
    status === 500 ? 'InternalError' : 'Unknown',
    `an error on the server (${JSON.stringify(content.trim())}) has prevented the request from succeeding`,
  );

const parsed = (content: string): JsonObject => object(JSON.parse(content) as Json);
