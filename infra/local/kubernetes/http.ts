import type { IncomingMessage, ServerResponse } from 'node:http';
import { parse as parseYaml } from 'yaml';
import type { Reply } from './api/context.ts';
import { isObject, text, type Json } from './json.ts';
import { decodeProtobuf, PROTOBUF_TYPE } from './protobuf/decode.ts';
import { badRequest, StatusError } from './status.ts';

/** etcd's own limit is 1.5 MiB; the API server reads at most 3 MiB of body. */
const BODY_LIMIT = 3 * 1024 * 1024;

/** The body as JSON, whatever it was sent as; undefined for none. Throws StatusError. */
export async function readBody(request: IncomingMessage): Promise<Json | undefined> {
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

export function send(response: ServerResponse, reply: Reply): void {
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
