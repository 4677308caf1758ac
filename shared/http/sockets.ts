import type { FastifyHttpOptions } from 'fastify';
import { STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Problem, type ProblemCode } from '../errors.ts';
import { problemAnswer } from './problem-answer.ts';

/** From the first byte of a request to its last. */
const REQUEST_MS = 30_000;
const HEADERS_MS = 15_000;
/** How often Node looks at them; it would be every 30 s, so that a time-out came up to that much later. */
const CHECK_MS = 1_000;
/** How long a peer may take to close its half of a connection that is closed on this side. */
const LINGER_MS = 5_000;
const MOST_CONNECTIONS = 4_000;
/** Requests on one connection whose answers are not out. No client sends the next before the answer to the last (RFC 9112, section 9.3.2). */
const MOST_PIPELINED = 8;
/** A token with 200 groups takes about 12 KiB. */
const MAX_HEADER_BYTES = 32_768;

/** Server options for whatever a socket can do before there is a request, or instead of one. */
export const socketOptions = (newId: () => string): Partial<FastifyHttpOptions<Server>> => ({
  requestTimeout: REQUEST_MS,
  connectionTimeout: 0, // a held request says nothing for minutes; an answer that is not read is cut off by itself (traffic.ts)
  http: {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_MS,
    connectionsCheckingInterval: CHECK_MS,
    requireHostHeader: false, // the app says so itself, as a problem
  },
  clientErrorHandler: (error, socket) => answerAndClose(socket, problemOf(error.code), newId()),
});

/** What Node has no option for. */
export function guardSockets(server: Server, newId: () => string): void {
  server.maxConnections = MOST_CONNECTIONS;
  server.on('connection', destroyWhenEnded);
  server.prependListener('request', destroyIfPipelined(new WeakMap()));
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const { status, headers, body } = problemAnswer(
      new Problem('expectation-failed', 'Only 100-continue is supported.'),
      newId(),
    );
    response.writeHead(status, { ...headers, connection: 'close' }).end(body);
  });
}

/** Node keeps a socket for ever whose peer never answers our FIN with its own. */
function destroyWhenEnded(socket: Socket): void {
  socket.once('finish', () => {
    const late = setTimeout(() => socket.destroy(), LINGER_MS);
    late.unref();
    socket.once('close', () => clearTimeout(late));
  });
}

/** Node hands over all that one packet holds, hundreds of requests, before anybody else gets a turn. */
const destroyIfPipelined =
  (open: WeakMap<Socket, number>) =>
  ({ socket }: IncomingMessage, response: ServerResponse): void => {
    const count = (open.get(socket) ?? 0) + 1;
    open.set(socket, count);
    response.once('close', () => open.set(socket, (open.get(socket) ?? 1) - 1));
    if (count > MOST_PIPELINED) socket.destroy();
  };

/** Node's parser gave up: the answer has the same form anyway. */
function answerAndClose(socket: Socket, problem: Problem, requestId: string): void {
  const { _httpMessage: begun } = socket as Socket & { _httpMessage?: { headersSent: boolean } };
  // What a request before this one is being answered must not be mixed with the answer to this one (Node, "clientError").
  if (!socket.writable || begun?.headersSent) {
    socket.destroy();
    return;
  }
  const { status, headers, body } = problemAnswer(problem, requestId);
  const head = Object.entries({ ...headers, 'content-length': String(Buffer.byteLength(body)), connection: 'close' });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`,
  );
}

const parserErrors: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [
    'request-timeout',
    `The headers did not arrive within ${HEADERS_MS / 1000} s, or the request within ${REQUEST_MS / 1000} s.`,
  ],
  HPE_HEADER_OVERFLOW: ['headers-too-large', `The headers are larger than ${MAX_HEADER_BYTES} bytes.`],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['payload-too-large', 'The chunk extensions are too large.'],
};

function problemOf(code: string): Problem {
  const [known, detail] = parserErrors[code] ?? (['request-invalid', 'This is not an HTTP request.'] as const);
  return new Problem(known, detail);
}
