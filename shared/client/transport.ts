import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import type { TLSSocket } from 'node:tls';

/** The part of an HTTP answer that the wrapper looks at; a Response of fetch is one. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: AsyncIterable<Uint8Array> | null;
}

interface HttpRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
  /** What fetch is to do with a redirect; `send` itself follows none. */
  readonly redirect?: 'error';
}

/** One request. Rejects when there is no answer. */
export type Send = (url: string, request: HttpRequest) => Promise<HttpAnswer>;

/** Longer than any answer takes: one that comes drop by drop is none. */
const LONGEST_MS = 600_000;
/** A person waits: what does not connect within this does not. */
const CONNECT_MS = 4_000;
/** A gateway holds a request for a minute, and Azure's front end ends every one after 230 s. */
const SILENCE_MS = 240_000;

/**
 * By node:http and not by fetch: it is there in half the time, and a connection that does not come about is told within seconds.
 * Follows no redirect: a redirected POST becomes a GET, and takes the token to another server.
 */
export const send: Send = async (url, { method, headers, body, signal }) => {
  const secure = url.startsWith('https:');
  const { request } = secure ? await import('node:https') : await import('node:http');
  const options: RequestOptions = {
    method,
    headers: { ...headers, ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }) },
    ...(signal && { signal }),
  };
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (message) => {
      if (!isRedirect(message)) return resolve(answerOf(message));
      message.resume();
      resolve({ ...answerOf(message), body: null });
    });
    sent.once('error', reject);
    boundConnecting(sent, secure);
    sent.setTimeout(SILENCE_MS, () => sent.destroy(new Error('the gateway says nothing more')));
    const late = setTimeout(() => sent.destroy(new Error('the answer does not end')), LONGEST_MS).unref();
    sent.once('close', () => clearTimeout(late));
    sent.end(body);
  });
};

const isRedirect = ({ statusCode = 0 }: IncomingMessage): boolean => statusCode >= 300 && statusCode < 400;

const answerOf = (message: IncomingMessage): HttpAnswer => ({
  status: message.statusCode ?? 0,
  headers: {
    get: (name) => {
      const value = message.headers[name];
      return typeof value === 'string' ? value : null;
    },
  },
  body: message,
});

function boundConnecting(sent: ClientRequest, secure: boolean): void {
  sent.once('socket', (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(() => {
      sent.destroy(Object.assign(new Error(`no connection within ${CONNECT_MS / 1_000} s`), { code: NO_CONNECTION }));
    }, CONNECT_MS);
    const connected = (): void => clearTimeout(timer);
    (socket as TLSSocket).once(secure ? 'secureConnect' : 'connect', connected);
    sent.once('close', connected);
  });
}

const NO_CONNECTION = 'AKSGW_NO_CONNECTION';

/** The system's code of what went wrong on the way, such as ECONNREFUSED; fetch hides it in the cause. */
const codeOf = (error: unknown): string => {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  return String(code ?? cause?.code);
};

/** True when no connection came about, so that nothing can have arrived. */
export const neverReached = (error: unknown): boolean =>
  /^(?:AKSGW_NO_CONNECTION|ECONNREFUSED|ENOTFOUND|EAI_\w+|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_\w+|ERR_SSL_\w+|CERT_\w+)$|_CERT|SELF_SIGNED|_SIGNATURE$/.test(
    codeOf(error),
  );

/** Address and cause of what kept an answer from coming. */
export function reasonOf(error: unknown, base: string): string {
  const { message, cause } = error as Error;
  // A name with several addresses fails with an empty message of its own, and one error an address.
  const parts = error instanceof AggregateError ? error.errors.map((part) => (part as Error).message) : [];
  const why = parts.length > 0 ? parts.join('; ') : cause instanceof Error ? `${message}: ${cause.message}` : message;
  return `${base}: ${why || codeOf(error)}`;
}

/** A body of text within a bound. Throws Error when it is longer, or breaks off. */
export async function readText({ body }: HttpAnswer, mostBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.byteLength;
    if (length > mostBytes) throw new TooLong(`the answer is longer than ${mostBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** An answer without end. */
export class TooLong extends Error {
  override readonly name = 'TooLong';
}
