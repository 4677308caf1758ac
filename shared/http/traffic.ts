import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Traffic, Visit } from '../admission/traffic.ts';
import type { AuditTrail } from '../audit/trail.ts';
import { limiting } from '../gateway/deny.ts';
import { ownerOf } from '../gateway/request.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What the caller uses with this request; undefined on public routes. */
    visit: Visit | undefined;
  }
  interface FastifyContextConfig {
    /** For how many ordinary requests one of this route counts; 1 unless told. */
    cost?: number;
  }
}

interface TrafficOptions {
  readonly traffic: Traffic;
  readonly trail: AuditTrail;
  readonly bodyLimit: number;
}

/** How long an answer may make no progress, and the slowest that it may be read: longer, and its socket and memory are taken back. */
const STALLED_MS = 30_000;
const SLOWEST_BYTES_PER_MS = 16;

/** Every request of a known caller is counted, right after it is known who calls and before its body is read. */
export function countTraffic(app: FastifyInstance, { traffic, trail, bodyLimit }: TrafficOptions): void {
  app.decorateRequest('visit', undefined);

  app.addHook('onRequest', async (request, reply) => {
    const { authenticated } = request;
    if (!authenticated) return;
    const announced = announcedBytes(request, bodyLimit);
    const cost = request.routeOptions.config.cost ?? 1;
    try {
      const visit = await limiting(trail, authenticated.facts, () =>
        traffic.enter(ownerOf(authenticated), { bodyBytes: announced, cost }),
      );
      request.visit = visit;
      reply.raw.once('close', () => visit.end());
    } catch (error) {
      if (announced > 0) reply.header('connection', 'close'); // the body is not read: a client that still sends it should stop
      throw error;
    }
  });

  // A body that does not say its length is counted as it comes: one that stays small takes nothing from anybody.
  app.addHook('preParsing', async (request, reply, payload) => {
    const { authenticated, visit } = request;
    if (!authenticated || !visit || !isChunked(request)) return payload;
    const arrived = async (bytes: number): Promise<void> => {
      try {
        await limiting(trail, authenticated.facts, () => visit.arrived(bytes));
      } catch (error) {
        reply.header('connection', 'close');
        throw error;
      }
    };
    return Readable.from(counted(payload, arrived), { objectMode: false });
  });

  app.addHook('onSend', async (request, reply, payload: unknown) => {
    const bytes = lengthOf(payload) ?? request.visit?.held() ?? 0;
    request.visit?.sent(bytes);
    hurry(reply, bytes);
  });
  app.addHook('onResponse', async (request) => request.visit?.end());
}

const isChunked = ({ headers }: FastifyRequest): boolean => headers['transfer-encoding'] !== undefined;

async function* counted(
  body: AsyncIterable<Buffer | string>,
  arrived: (bytes: number) => Promise<void>,
): AsyncGenerator<Buffer | string> {
  for await (const chunk of body) {
    await arrived(Buffer.byteLength(chunk));
    yield chunk;
  }
}

/** A body over the limit is refused unread. */
function announcedBytes({ headers }: FastifyRequest, bodyLimit: number): number {
  const length = Number(headers['content-length'] ?? 0);
  return Number.isSafeInteger(length) && length > 0 && length <= bodyLimit ? length : 0;
}

function lengthOf(payload: unknown): number | undefined {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  return payload instanceof Uint8Array ? payload.byteLength : undefined;
}

/** A reader that does not read, or drop by drop, keeps nothing: its socket is destroyed. */
function hurry({ raw }: FastifyReply, bytes: number): void {
  const { socket } = raw;
  if (!(socket instanceof Socket)) return; // the Functions host has the sockets there
  const destroy = (): void => void socket.destroy();
  const late = setTimeout(destroy, STALLED_MS + bytes / SLOWEST_BYTES_PER_MS);
  late.unref();
  socket.setTimeout(STALLED_MS, destroy);
  raw.once('close', () => {
    clearTimeout(late);
    socket.setTimeout(0);
    socket.off('timeout', destroy);
  });
}
