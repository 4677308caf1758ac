import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parse as parseYaml } from 'yaml';
import { systemClock, type Clock } from '../../../shared/clock.ts';
import { createApi, type Api, type Reply } from './api.ts';
import { reconcile } from './controllers.ts';
import { discovery } from './discovery.ts';
import { answerExec, type Exec } from './exec.ts';
import { isObject, text, at, type Json, type KubeObject } from './json.ts';
import { builtInKinds, customKinds, groupVersion, type Kind } from './kinds.ts';
import type { RecordedRequest } from './recorded-request.ts';
import { decodeProtobuf, PROTOBUF_TYPE } from './protobuf/decode.ts';
import { openApiV2, OPEN_API_V2_TYPE } from './protobuf/openapi-v2.ts';
import { requestInfo, toAttributes, type ResourceRequestInfo } from './request-info.ts';
import { seed } from './seed.ts';
import { badRequest, noSuchResource, StatusError, statusBody } from './status.ts';
import { createStorage } from './storage.ts';

export type { RecordedRequest };

export interface EmulatedKubernetes {
  readonly url: string;
  /** Every request for a resource, in order of arrival. */
  readonly requests: RecordedRequest[];
  /** Every other request: discovery, version, OpenAPI. */
  readonly nonResource: { verb: string; path: string }[];
  /** Objects and records back to the beginning. */
  reset(): void;
  /** YAML text with one context that names no namespace. */
  kubeconfig(): string;
  /** When set and false, the request is answered with 403. */
  allow?: (request: RecordedRequest) => boolean;
  /** Creates or replaces an object behind the API's back: not recorded, never refused. */
  put(object: KubeObject): KubeObject;
  /** The same with the controllers out until the next reset: what is wrong with the object stays wrong. */
  place(object: KubeObject): KubeObject;
  /** Checks of /readyz and /livez that fail. */
  readonly failing: Set<string>;
  /** Reads an object without being recorded. */
  find(kind: string, namespace: string, name: string): KubeObject | undefined;
  /** Removes an object behind the API's back; nothing happens when it is not there. */
  remove(kind: string, namespace: string, name: string): void;
  /** What runs in pods, by namespace/name: for exec, and to be told when the pod is deleted. */
  readonly containers: Map<string, { readonly exec: Exec; readonly deleted: () => void }>;
  close(): Promise<void>;
}

/** etcd's own limit is 1.5 MiB; the API server reads at most 3 MiB of body. */
const BODY_LIMIT = 3 * 1024 * 1024;

/**
 * A Kubernetes API server in memory, enough for the real kubectl: discovery, JSON and Table, watch, all kinds of patch,
 * sub-resources, and workloads that are ready at once. Plain HTTP on loopback, no authentication.
 */
export async function startKubernetes(
  options: { port?: number; clock?: Clock; seed?: boolean } = {},
): Promise<EmulatedKubernetes> {
  const clock = options.clock ?? systemClock;
  const storage = createStorage(clock);
  const definitions = builtInKinds.find((kind) => kind.resource === 'customresourcedefinitions');
  const kinds = (): readonly Kind[] => [
    ...builtInKinds,
    ...(definitions ? storage.list(definitions).flatMap(customKinds) : []),
  ];
  const fill = (): void => {
    storage.clear();
    if (options.seed ?? true) seed(storage, clock);
  };
  fill();

  const api: Api = createApi({ storage, clock, kinds, allows: (request) => emulated.allow?.(request) ?? true });

  const server = createServer((request, response) => {
    void handle(request, response);
  });
  // exec, attach and port-forward ask for an upgrade. It is recorded and refused: kubectl then tries its older way.
  server.on('upgrade', (request: IncomingMessage, socket) => {
    const record = recordResource(request);
    const allowed = record === undefined || (emulated.allow?.(record) ?? true);
    const error = allowed
      ? new StatusError(501, 'NotImplemented', 'the emulated cluster does not run exec, attach or port-forward')
      : forbidden(record);
    const running = allowed && record?.info.subresource === 'exec' ? containerOf(record) : undefined;
    if (running) {
      const words = new URL(request.url ?? '/', 'http://emulated').searchParams.getAll('command');
      if (record) record.status = 101;
      answerExec(request, socket, words, running.exec).catch(() => socket.destroy());
      return;
    }
    if (record) record.status = error.code;
    const body = JSON.stringify(statusBody(error));
    socket.end(
      `HTTP/1.1 ${error.code} ${error.reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  });

  const containerOf = ({ info }: RecordedRequest) => emulated.containers.get(`${info.namespace}/${info.name}`);
  const podKind = kinds().find(({ kind }) => kind === 'Pod');
  if (podKind)
    storage.watch(podKind, storage.version(), ({ type, object: { metadata } }) => {
      if (type === 'DELETED') emulated.containers.get(`${metadata.namespace ?? ''}/${metadata.name}`)?.deleted();
    });

  function recordResource(request: IncomingMessage, body?: Json): RecordedRequest | undefined {
    const url = new URL(request.url ?? '/', 'http://emulated');
    const info = requestInfo(request.method ?? 'GET', url);
    if (!info.isResource) {
      emulated.nonResource.push({ verb: info.verb, path: info.path });
      return undefined;
    }
    const kind = kindFor(info);
    const user = request.headers['impersonate-user'];
    const groups = request.headersDistinct['impersonate-group'] ?? [];
    const record: RecordedRequest = {
      // A kind that is not served still has a scope: that of its path.
      ...toAttributes(info, kind?.namespaced ?? info.namespace !== ''),
      method: request.method ?? 'GET',
      path: url.pathname,
      query: url.search.slice(1),
      userAgent: request.headers['user-agent'] ?? '',
      dryRun:
        url.searchParams.get('dryRun') === 'All' ||
        (Array.isArray(at(body, 'dryRun')) && at(body, 'dryRun', 0) === 'All'),
      impersonate: typeof user === 'string' ? { user, groups } : undefined,
      info,
      status: 0,
    };
    emulated.requests.push(record);
    return record;
  }

  const kindFor = (info: ResourceRequestInfo): Kind | undefined =>
    kinds().find(
      (kind) => kind.resource === info.resource && kind.group === info.group && kind.version === info.version,
    );

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let record: RecordedRequest | undefined;
    try {
      let body: Json | undefined;
      try {
        body = await readBody(request);
      } finally {
        // What cannot be read is recorded too.
        record = recordResource(request, body);
      }
      const url = new URL(request.url ?? '/', 'http://emulated');
      if (!record) {
        const probe = ['/healthz', '/livez', '/readyz'].includes(url.pathname);
        const document = discovery(url.pathname, kinds());
        if (url.pathname === '/openapi/v2') {
          const binary = openApiV2(kinds());
          response.writeHead(200, { 'content-type': OPEN_API_V2_TYPE, 'content-length': binary.length });
          response.end(binary);
        } else if (probe) send(response, probeReply(url, emulated.failing));
        else if (document) send(response, { status: 200, body: document });
        else throw noSuchResource();
        return;
      }
      if (!(emulated.allow?.(record) ?? true)) throw forbidden(record);
      const kind = kindFor(record.info);
      if (!kind) throw noSuchResource();
      const reply = api({
        kind,
        record,
        query: url.searchParams,
        body,
        contentType: (request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '',
        accept: request.headers.accept ?? '',
      });
      record.status = reply.status;
      send(response, reply);
    } catch (error) {
      const known = error instanceof StatusError;
      const status = known ? error : new StatusError(500, 'InternalError', `emulation failed: ${String(error)}`);
      if (record) record.status = status.code;
      if (response.headersSent) response.destroy();
      else send(response, { status: status.code, body: statusBody(status) });
    }
  }

  /** The controllers are: something was placed that they would put right. */
  let out = false;
  const store = (kind: Kind, object: KubeObject, status = false): KubeObject => {
    const existing = storage.find(kind, object.metadata.namespace ?? 'default', object.metadata.name);
    const { resourceVersion: _, ...metadata } = object.metadata;
    return existing
      ? storage.update(kind, { ...object, metadata: { ...metadata, name: object.metadata.name } }, { status })
      : storage.create(kind, object);
  };

  const emulated: EmulatedKubernetes = {
    url: '',
    requests: [],
    nonResource: [],
    reset: () => {
      fill();
      emulated.requests.length = 0;
      emulated.nonResource.length = 0;
      emulated.failing.clear();
      out = false;
    },
    kubeconfig: () => kubeconfigFor(emulated.url),
    put: (object) => {
      const kind = kinds().find((kind) => kind.kind === object.kind && groupVersion(kind) === object.apiVersion);
      if (!kind) throw badRequest(`no kind ${object.apiVersion} ${object.kind}`);
      const stored = store(kind, object);
      if (!out) reconcile(storage, clock);
      return stored;
    },
    place: (object) => {
      const kind = kinds().find((kind) => kind.kind === object.kind && groupVersion(kind) === object.apiVersion);
      if (!kind) throw badRequest(`no kind ${object.apiVersion} ${object.kind}`);
      out = true;
      return store(kind, object, true);
    },
    failing: new Set(),
    find: (name, namespace, objectName) => {
      const kind = kinds().find((kind) => kind.kind === name);
      return kind && storage.find(kind, namespace, objectName);
    },
    remove: (name, namespace, objectName) => {
      const kind = kinds().find((kind) => kind.kind === name);
      if (kind && storage.find(kind, namespace, objectName)) storage.remove(kind, namespace, objectName);
    },
    containers: new Map(),
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', () => resolve());
  });
  return Object.assign(emulated, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

const probeChecks = ['ping', 'log', 'etcd', 'informer-sync', 'shutdown'];

/** As k8s.io/apiserver/pkg/server/healthz says it: `ok`, with `verbose` or a failure each check. */
function probeReply({ pathname, searchParams }: URL, failing: ReadonlySet<string>): Reply {
  const name = pathname.slice(1);
  const checks = probeChecks.map((check) =>
    failing.has(check) ? `[-]${check} failed: reason withheld` : `[+]${check} ok`,
  );
  if (failing.size > 0) return { status: 500, text: `${checks.join('\n')}\n${name} check failed\n` };
  return { status: 200, text: searchParams.has('verbose') ? `${checks.join('\n')}\n${name} check passed\n` : 'ok' };
}

function forbidden({ verb, resource, subresource, group, info, name, impersonate }: RecordedRequest): StatusError {
  const where = info.namespace === '' ? 'at the cluster scope' : `in the namespace "${info.namespace}"`;
  const what = `${resource}${subresource && `/${subresource}`}`;
  const user = impersonate?.user ?? 'system:serviceaccount:aks-command:default';
  return new StatusError(
    403,
    'Forbidden',
    `${resource}${group && `.${group}`}${name && ` "${name}"`} is forbidden: User "${user}" cannot ${verb} resource "${what}" in API group "${group}" ${where}`,
    { ...(name && { name }), ...(group && { group }), kind: resource },
  );
}

async function readBody(request: IncomingMessage): Promise<Json | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT)
      throw new StatusError(413, 'RequestEntityTooLarge', `Request body is too large: limit is ${BODY_LIMIT}`);
    chunks.push(chunk);
  }
  if (size === 0) return undefined;
  const bytes = Buffer.concat(chunks);
  const type = request.headers['content-type'] ?? 'application/json';
  if (type.startsWith(PROTOBUF_TYPE)) return decodeProtobuf(bytes);
  const raw = bytes.toString('utf8');
  try {
    return (type.includes('yaml') && !raw.trimStart().startsWith('{') ? parseYaml(raw) : JSON.parse(raw)) as Json;
  } catch (error) {
    throw badRequest(`the body cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function send(response: ServerResponse, reply: Reply): void {
  if ('stream' in reply) {
    response.writeHead(reply.status, { 'content-type': 'application/json' });
    response.flushHeaders();
    const stop = reply.stream(
      (event) => response.write(`${JSON.stringify(event)}\n`),
      () => response.end(),
    );
    response.once('close', stop);
    return;
  }
  const isText = 'text' in reply;
  const payload = isText ? reply.text : JSON.stringify(reply.body);
  response.writeHead(reply.status, {
    'content-type': isText ? 'text/plain' : 'application/json',
    'content-length': Buffer.byteLength(payload),
    ...(!isText &&
      isObject(reply.body) &&
      text(reply.body['kind']) === 'Status' && { 'cache-control': 'no-cache, private' }),
  });
  response.end(payload);
}

const kubeconfigFor = (url: string): string => `apiVersion: v1
kind: Config
clusters:
  - name: emulated
    cluster: { server: "${url}" }
users:
  - name: emulated
    user: {}
contexts:
  - name: emulated
    context: { cluster: emulated, user: emulated }
current-context: emulated
`;
