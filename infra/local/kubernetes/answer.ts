import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { answerResource } from './api.ts';
import type { ApiContext, Reply } from './api/context.ts';
import { discovery } from './discovery.ts';
import { answerExec, type Exec } from './exec.ts';
import { readBody, send } from './http.ts';
import { at, type Json } from './json.ts';
import type { Kind } from './kinds.ts';
import { openApiV2, OPEN_API_V2_TYPE } from './protobuf/openapi-v2.ts';
import type { RecordedRequest } from './recorded-request.ts';
import { requestInfo, toAttributes, type ResourceRequestInfo } from './request-info.ts';
import { noSuchResource, StatusError, statusBody } from './status.ts';

/** What runs in a pod: for exec, and to be told when the pod is deleted. */
export interface Container {
  readonly exec: Exec;
  readonly deleted: () => void;
}

/** What answers requests, and where it notes them. */
export interface ServerContext {
  readonly api: ApiContext;
  readonly requests: RecordedRequest[];
  readonly nonResource: { verb: string; path: string }[];
  /** Checks of /readyz and /livez that fail. */
  readonly failing: Set<string>;
  /** By namespace/name. */
  readonly containers: ReadonlyMap<string, Container>;
}

/** Answers one request; never rejects. */
export async function answer(
  context: ServerContext,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let record: RecordedRequest | undefined;
  try {
    let body: Json | undefined;
    try {
      body = await readBody(request);
    } finally {
      // What cannot be read is recorded too.
      record = recordRequest(context, request, body);
    }
    if (record) answerForResource(context, { request, response, record, body });
    else answerForPath(context, urlOf(request), response);
  } catch (error) {
    const known = error instanceof StatusError;
    const status = known ? error : new StatusError(500, 'InternalError', `emulation failed: ${String(error)}`);
    if (record) record.status = status.code;
    if (response.headersSent) response.destroy();
    else send(response, { status: status.code, body: statusBody(status) });
  }
}

/** exec, attach and port-forward ask for an upgrade. Where it is recorded and refused, kubectl tries its older way. */
export function answerUpgrade(context: ServerContext, request: IncomingMessage, socket: Duplex): void {
  socket.on('error', () => socket.destroy()); // the server hears nothing of an upgraded one, and a client may be gone before its answer
  const record = recordRequest(context, request);
  const allowed = record === undefined || context.api.allows(record);
  const running = allowed && record?.info.subresource === 'exec' ? containerOf(context, record) : undefined;
  if (running) {
    const words = urlOf(request).searchParams.getAll('command');
    if (record) record.status = 101;
    answerExec(request, socket, words, running.exec).catch(() => socket.destroy());
    return;
  }
  const error = allowed
    ? new StatusError(501, 'NotImplemented', 'the emulated cluster does not run exec, attach or port-forward')
    : forbidden(record);
  if (record) record.status = error.code;
  const body = JSON.stringify(statusBody(error));
  socket.end(
    `HTTP/1.1 ${error.code} ${error.reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

const urlOf = (request: IncomingMessage): URL => new URL(request.url ?? '/', 'http://emulated');

const containerOf = ({ containers }: ServerContext, { info }: RecordedRequest): Container | undefined =>
  containers.get(`${info.namespace}/${info.name}`);

/** Notes a request; undefined when it is not for a resource. */
function recordRequest(
  { api, requests, nonResource }: ServerContext,
  request: IncomingMessage,
  body?: Json,
): RecordedRequest | undefined {
  const url = urlOf(request);
  const info = requestInfo(request.method ?? 'GET', url);
  if (!info.isResource) {
    nonResource.push({ verb: info.verb, path: info.path });
    return undefined;
  }
  const kind = kindFor(api, info);
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
  requests.push(record);
  return record;
}

const kindFor = ({ kinds }: ApiContext, { resource, group, version }: ResourceRequestInfo): Kind | undefined =>
  kinds().find((kind) => kind.resource === resource && kind.group === group && kind.version === version);

interface ResourceExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: RecordedRequest;
  readonly body: Json | undefined;
}

function answerForResource({ api }: ServerContext, { request, response, record, body }: ResourceExchange): void {
  if (!api.allows(record)) throw forbidden(record);
  const kind = kindFor(api, record.info);
  if (!kind) throw noSuchResource();
  const reply = answerResource(api, {
    kind,
    record,
    query: urlOf(request).searchParams,
    body,
    contentType: (request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '',
    accept: request.headers.accept ?? '',
  });
  record.status = reply.status;
  send(response, reply);
}

/** Discovery, version, OpenAPI and the probes. */
function answerForPath({ api, failing }: ServerContext, url: URL, response: ServerResponse): void {
  if (url.pathname === '/openapi/v2') {
    const binary = openApiV2(api.kinds());
    response.writeHead(200, { 'content-type': OPEN_API_V2_TYPE, 'content-length': binary.length });
    response.end(binary);
    return;
  }
  const document = discovery(url.pathname, api.kinds());
  if (['/healthz', '/livez', '/readyz'].includes(url.pathname)) send(response, probeReply(url, failing));
  else if (document) send(response, { status: 200, body: document });
  else throw noSuchResource();
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
