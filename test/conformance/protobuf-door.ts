import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * helm from 3.18 on sends its release Secrets as protobuf, which the emulated API does not read. This stands in front of it and turns
 * such bodies into JSON; everything else goes through as it is. Field numbers: k8s.io/api/core/v1/generated.proto,
 * k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto and pkg/runtime/generated.proto.
 */
export interface Door {
  readonly url: string;
  close(): Promise<void>;
}

export async function openProtobufDoor(target: string): Promise<Door> {
  const server = createServer((incoming, response) => {
    forward(target, incoming, response).catch((error: unknown) => {
      response.writeHead(502).end(String(error));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function forward(target: string, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const bytes = await body(incoming);
  const isProtobuf = incoming.headers['content-type']?.includes('protobuf') === true && bytes.length > 0;
  const content = isProtobuf ? Buffer.from(JSON.stringify(fromProtobuf(bytes))) : bytes;
  const headers = { ...incoming.headers, 'content-length': String(content.length) };
  if (isProtobuf) headers['content-type'] = 'application/json';
  const outgoing = send(new URL(incoming.url ?? '/', target), { method: incoming.method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  outgoing.on('error', (error) => response.destroy(error));
  outgoing.end(content);
}

async function body(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

type Fields = ReadonlyMap<number, readonly (Buffer | bigint)[]>;

const MAGIC = Buffer.from('k8s\0');

function fromProtobuf(bytes: Buffer): Readonly<Record<string, unknown>> {
  if (!bytes.subarray(0, 4).equals(MAGIC)) throw new Error('Not a Kubernetes protobuf');
  const unknown = read(bytes.subarray(4));
  const type = read(block(unknown, 1));
  const [apiVersion, kind] = [text(type, 1), text(type, 2)];
  const raw = read(block(unknown, 2));
  if (kind === 'Secret')
    return { apiVersion, kind, metadata: metadata(read(block(raw, 1))), data: data(raw), type: text(raw, 3) };
  if (kind === 'DeleteOptions') return { apiVersion, kind };
  throw new Error(`No reader for ${kind}`);
}

const metadata = (fields: Fields): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries({
      name: text(fields, 1),
      namespace: text(fields, 3),
      uid: text(fields, 5),
      resourceVersion: text(fields, 6),
      labels: Object.fromEntries(entries(fields, 11).map(([key, value]) => [key, value.toString()])),
      annotations: Object.fromEntries(entries(fields, 12).map(([key, value]) => [key, value.toString()])),
    }).filter(([, value]) => value !== ''),
  );

const data = (fields: Fields): Record<string, string> =>
  Object.fromEntries(entries(fields, 2).map(([key, value]) => [key, value.toString('base64')]));

function entries(fields: Fields, number: number): (readonly [string, Buffer])[] {
  return (fields.get(number) ?? []).map((entry) => {
    const pair = read(entry as Buffer);
    return [text(pair, 1), block(pair, 2)];
  });
}

const block = (fields: Fields, number: number): Buffer => {
  const found = fields.get(number)?.at(-1);
  return Buffer.isBuffer(found) ? found : Buffer.alloc(0);
};
const text = (fields: Fields, number: number): string => block(fields, number).toString();

/** Wire types 0 (varint) and 2 (bytes), which is all that these messages have. */
function read(bytes: Buffer): Fields {
  const fields = new Map<number, (Buffer | bigint)[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes.readUInt8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const values = fields.get(key >> 3) ?? [];
    fields.set(key >> 3, values);
    if ((key & 7) === 0) {
      values.push(varint());
    } else if ((key & 7) === 2) {
      const length = Number(varint());
      values.push(bytes.subarray(at, at + length));
      at += length;
    } else {
      throw new Error(`Wire type ${key & 7}`);
    }
  }
  return fields;
}
