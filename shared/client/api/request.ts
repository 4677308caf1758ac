import { NotRun } from '../exits.ts';
import { readText, TooLong, type HttpAnswer, type Send } from '../transport.ts';
import { isProblem, isRecord, type Is } from './answers.ts';
import { AnswerLost, GatewayProblem } from './failures.ts';

/** An endpoint, and how it is spoken to. */
export interface Endpoint {
  /** Its address, without a slash at the end. */
  readonly base: string;
  /**
   * A bearer token for each request; asked for each time, so that a long wait outlives one token. `refused`: the gateway did not take
   * the last one. Throws NotRun when nobody is signed in.
   */
  readonly token: (refused?: string) => Promise<string>;
  readonly send: Send;
  /** Rejects when the signal aborts. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

interface Request {
  readonly method: 'GET' | 'POST';
  /** From the gateway's address on, such as `/v1/commands/ID`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** Whether an answer is one of a gateway; a record unless told. */
  readonly is?: Is;
}

/**
 * One request, sent again with another token where the first was refused. Throws GatewayProblem, AnswerLost, NotRun without a token, and
 * what `send` throws.
 */
export async function request<T>(endpoint: Endpoint, asked: Request): Promise<T> {
  const bearer = await tokenOf(endpoint);
  try {
    return await requestWith(endpoint, bearer, asked);
  } catch (error) {
    if (!(error instanceof GatewayProblem) || !refusedTokens.has(error.problem.code)) throw error;
    const other = await tokenOf(endpoint, bearer);
    if (other === bearer) throw error;
    return requestWith(endpoint, other, asked);
  }
}

/** Another token may do where these are the answer. */
const refusedTokens: ReadonlySet<string> = new Set(['token-expired', 'token-invalid', 'token-missing']);

/** Throws NotRun, whatever kept a token from coming: nothing was sent. */
async function tokenOf({ token }: Endpoint, refused?: string): Promise<string> {
  try {
    return await token(refused);
  } catch (error) {
    if (error instanceof NotRun) throw error;
    throw new NotRun(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

async function requestWith<T>({ base, send }: Endpoint, bearer: string, asked: Request): Promise<T> {
  const { method, path, headers, body, signal, is = isRecord } = asked;
  const answer = await send(`${base}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${bearer}`,
      accept: 'application/json',
      ...headers,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    redirect: 'error', // a redirected POST becomes a GET, and takes the token to another server
    ...(signal && { signal }),
  });
  return readAnswer(answer, is);
}

async function readAnswer<T>(answer: HttpAnswer, is: Is): Promise<T> {
  const { status, headers } = answer;
  const ok = status >= 200 && status < 300;
  const kind = /^[^; \t]*/.exec(headers.get('content-type') ?? '')?.[0].toLowerCase();
  // The body too, before anything is concluded: an answer that breaks off is not an answer.
  const value = kind === 'application/json' || kind === 'application/problem+json' ? await readJson(answer) : {};
  if (ok && kind === 'application/json' && is(value)) return value as T;
  if (!ok && kind === 'application/problem+json' && isProblem(value))
    throw new GatewayProblem(value, secondsOf(headers.get('retry-after')));
  throw new AnswerLost(`it answered ${status}, and not as a gateway does: something stands before it`);
}

/** A record's output is at most 16 MiB and 64 KiB, as base64 and in JSON a third more; so is that of a batch, all together. */
const MOST_BYTES = 48 * 1024 * 1024;

/** An answer's JSON. Throws AnswerLost for one without end, SyntaxError for one that is not JSON. */
async function readJson(answer: HttpAnswer): Promise<object> {
  try {
    const value: unknown = JSON.parse(await readText(answer, MOST_BYTES));
    return typeof value === 'object' && value !== null ? value : {};
  } catch (error) {
    if (error instanceof TooLong) throw new AnswerLost(`${error.message}: something stands before the gateway`);
    throw error;
  }
}

/** Retry-After in seconds (RFC 9110, section 10.2.3); a gateway sends no dates. */
const secondsOf = (header: string | null): number | undefined =>
  header !== null && /^\d{1,6}$/.test(header) ? Math.max(1, Number(header)) : undefined;
