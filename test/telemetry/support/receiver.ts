import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { loadSync } = createRequire(import.meta.url)('protobufjs') as {
  loadSync(path: string): {
    lookupType(name: string): { decode(bytes: Uint8Array): unknown; toObject(message: unknown, how: object): unknown };
  };
};

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: string; readonly doubleValue?: number };
}

export interface ReceivedSpan {
  readonly name: string;
  /** Hex. */
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** A receiver of OTLP over HTTP on loopback. It can be slow, broken, or say no. */
export async function startReceiver(answer: 'ok' | 'refuse' | 'hang' | 'reset' = 'ok') {
  const bodies: { readonly path: string; readonly type: string | undefined; readonly bytes: Buffer }[] = [];
  const server = createServer((request, response) => {
    if (answer === 'reset') return void request.socket.destroy();
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    return void request.on('end', () => {
      bodies.push({ path: request.url ?? '', type: request.headers['content-type'], bytes: Buffer.concat(parts) });
      if (answer === 'hang') return;
      response.writeHead(answer === 'ok' ? 200 : 400, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const of = (path: string) => bodies.filter((body) => body.path === path).map(({ bytes }) => bytes);
  return {
    url: `http://127.0.0.1:${port}`,
    bodies,
    spans: (): readonly ReceivedSpan[] => of('/v1/traces').flatMap(readSpans),
    /** `name{label=value,…}` and its number, of the last export. */
    metrics: (): ReadonlyMap<string, number> => new Map(of('/v1/metrics').slice(-1).flatMap(readMetrics)),
    close: (): void => {
      server.close();
      server.closeAllConnections();
    },
  };
}

const types = loadSync(join(import.meta.dirname, 'otlp.proto'));
const decode = (type: string, bytes: Buffer): unknown => {
  const message = types.lookupType(type);
  return message.toObject(message.decode(bytes), { longs: String, defaults: true, arrays: true });
};

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const attributesOf = (attributes: readonly Attribute[]): Record<string, unknown> =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [key, Object.values(value).find((each) => each !== undefined)]),
  );

function readSpans(bytes: Buffer): ReceivedSpan[] {
  const { resourceSpans } = decode('Traces', bytes) as {
    resourceSpans: {
      scopeSpans: {
        spans: { name: string; traceId: Buffer; spanId: Buffer; parentSpanId: Buffer; attributes: Attribute[] }[];
      }[];
    }[];
  };
  return resourceSpans
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
    .map(({ name, traceId, spanId, parentSpanId, attributes }) => ({
      name,
      traceId: hex(traceId),
      spanId: hex(spanId),
      parentSpanId: hex(parentSpanId),
      attributes: attributesOf(attributes),
    }));
}

interface Point {
  readonly attributes: Attribute[];
  readonly asDouble?: number;
  readonly asInt?: string;
  readonly count?: string;
}

function readMetrics(bytes: Buffer): (readonly [string, number])[] {
  const { resourceMetrics } = decode('Metrics', bytes) as {
    resourceMetrics: {
      scopeMetrics: {
        metrics: {
          name: string;
          sum?: { dataPoints: Point[] };
          gauge?: { dataPoints: Point[] };
          histogram?: { dataPoints: Point[] };
        }[];
      }[];
    }[];
  };
  return resourceMetrics
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
    .flatMap(({ name, sum, gauge, histogram }) => {
      const points = [...(sum?.dataPoints ?? []), ...(gauge?.dataPoints ?? []), ...(histogram?.dataPoints ?? [])];
      return points.map(({ attributes, asDouble, asInt, count }) => {
        const value = count === undefined ? asDouble || Number(asInt ?? 0) : Number(count);
        return [series(name, attributesOf(attributes)), value] as const;
      });
    });
}

/** One way to write a series, whoever read it. */
export const series = (name: string, labels: Readonly<Record<string, unknown>>): string =>
  `${name}{${Object.entries(labels)
    .map(([label, value]) => `${label}=${String(value)}`)
    .sort()
    .join(',')}}`;
