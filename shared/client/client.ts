import { setTimeout as pause } from 'node:timers/promises';
import type {
  BatchInput,
  BatchOutputBody,
  ClusterHealthOutput,
  CommandInput,
  CommandOutputBody,
  JobOutput,
  JobWithRunsOutput,
  ProblemDocument,
  RunJobInput,
} from '../http/schemas.ts';

/** A gateway's answer that is a problem: nothing was started, unless it came while a command was being waited for. */
export class GatewayProblem extends Error {
  override readonly name = 'GatewayProblem';
  readonly problem: ProblemDocument;
  /** Seconds, at least one; undefined when the gateway does not say. */
  readonly retryAfter: number | undefined;
  constructor(problem: ProblemDocument, retryAfter: number | undefined) {
    super(`${problem.code}: ${problem.detail}`);
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** No answer came to a command that may have arrived: it may or may not have run. */
export class AnswerLost extends Error {
  override readonly name = 'AnswerLost';
}

interface ClientOptions {
  /** The gateway's address, such as https://aksgw.example.com. */
  readonly url: string;
  /** A bearer token for each request; asked for each time, so that a long wait outlives one token. */
  readonly token: () => Promise<string>;
  readonly fetch?: typeof fetch;
  /** Rejects when the signal aborts. */
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

export interface RunOptions {
  /** Makes sending again safe: the same key never runs twice. */
  readonly idempotencyKey: string;
  /** Told once the gateway has a record of the command, and where it is, such as `/v1/commands/ID`. */
  readonly onAccepted?: (id: string, path: string) => void;
  /** Told before the client waits, as the gateway asked it to, and sends again. */
  readonly onRefused?: (problem: ProblemDocument, retryAfter: number) => void;
  readonly signal?: AbortSignal;
}

interface RequestOptions {
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  /** Whether an answer is one of a gateway; a record unless told. */
  readonly is?: (answer: object) => boolean;
}

const WAIT_SECONDS = 60;
/** Tries of one request when no answer comes; the key makes them one command. */
const TRIES = 4;
/** How long a command whose time-out is not given is offered to a gateway that says when to come again. */
const OFFER_SECONDS = 60;
/** Rounds of tries while a command runs. */
const PATIENCE = 10;

/** The typed client of the HTTP API. */
export function createClient({ url, token, fetch: send = fetch, sleep = pauseFor }: ClientOptions) {
  const base = url.replace(/\/+$/, '');

  async function request<T>(
    method: 'GET' | 'POST',
    path: string,
    headers: Record<string, string>,
    { body, signal, is = isRecord }: RequestOptions = {},
  ): Promise<T> {
    const response = await send(`${base}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${await token()}`,
        ...headers,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      redirect: 'error', // a redirected POST becomes a GET, and takes the token to another server
      ...(signal && { signal }),
    });
    const kind = /^[^; \t]*/.exec(response.headers.get('content-type') ?? '')?.[0].toLowerCase();
    // The body too, before anything is concluded: an answer that breaks off is not an answer.
    const answer = kind === 'application/json' || kind === 'application/problem+json' ? await readJson(response) : {};
    if (response.ok && kind === 'application/json' && is(answer)) return answer as T;
    const problem = !response.ok && kind === 'application/problem+json' && isProblem(answer) ? answer : undefined;
    if (problem) throw new GatewayProblem(problem, secondsOf(response.headers.get('retry-after')));
    throw new AnswerLost(`${base} answered ${response.status}, and not as a gateway does: something stands before it`);
  }

  /**
   * Sends again when the gateway did not answer: a GET is safe, and a POST's key makes all its tries one command. So does a refusal
   * that says when to come again, for as long as the `offer` lasts.
   */
  async function persistently<T>(
    step: () => Promise<T>,
    signal?: AbortSignal,
    offer?: { readonly seconds: number; readonly onRefused: RunOptions['onRefused'] },
  ): Promise<T> {
    let arrived = false;
    let left = offer?.seconds ?? 0;
    for (let tried = 1; ; tried++) {
      try {
        return await step();
      } catch (error) {
        if (error instanceof GatewayProblem) {
          const { problem, retryAfter } = error;
          if (problem.retryable && retryAfter !== undefined && retryAfter <= left) {
            left -= retryAfter;
            offer?.onRefused?.(problem, retryAfter);
            await sleep(retryAfter * 1_000, signal);
            tried = 0;
            continue;
          }
          // An earlier try may have arrived: what a later one is told says nothing of that.
          throw arrived ? new AnswerLost(error.message, { cause: error }) : error;
        }
        if (signal?.aborted) throw signal.reason;
        arrived ||= !neverReached(error);
        if (tried >= TRIES || signal?.aborted)
          throw arrived ? new AnswerLost(reasonOf(error), { cause: error }) : error;
        await sleep(250 * 4 ** tried, signal);
      }
    }
  }

  /** Waiting for a command's end outlives a gateway that is busy, restarting or away for some minutes. */
  async function patiently<T>(step: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let tried = 1; ; tried++) {
      try {
        return await persistently(step, signal);
      } catch (error) {
        const passing =
          error instanceof GatewayProblem
            ? error.problem.retryable
            : error instanceof AnswerLost || error instanceof TypeError;
        if (!passing || tried >= PATIENCE || signal?.aborted) throw error;
        const seconds = error instanceof GatewayProblem ? (error.retryAfter ?? 1) : 5;
        await sleep(Math.min(60, seconds) * 1_000, signal);
      }
    }
  }

  /** Sends what is to be run, and asks after it until it has ended. */
  async function runToEnd<T extends { readonly id: string; readonly status: string }>(
    { path, body, seconds, at }: { path: string; body: unknown; seconds: number; at: (record: T) => string },
    { idempotencyKey, onAccepted, onRefused, signal }: RunOptions,
  ): Promise<T> {
    const to = signal && { signal };
    const headers = { 'idempotency-key': `"${idempotencyKey}"`, prefer: `wait=${WAIT_SECONDS}` };
    let record = await persistently(() => request<T>('POST', path, headers, { body, ...to }), signal, {
      seconds,
      onRefused,
    });
    const { id } = record;
    const place = `${at(record)}/${encodeURIComponent(id)}`;
    onAccepted?.(id, place);
    while (unfinished.has(record.status)) {
      const began = performance.now();
      record = await patiently(async () => {
        const read = await request<T>('GET', place, { prefer: headers.prefer }, to);
        if (read.id === id) return read;
        throw new AnswerLost(`${base} answered with another record: something stands before it`);
      }, signal);
      // A gateway that answers at once, as one that stops does, is not asked in a tight loop.
      if (performance.now() - began < 500) await sleep(1_000, signal);
    }
    return record;
  }

  /** A look that goes on is asked after until it has ended: only then it has parts. */
  async function look(
    cluster: string,
    namespace: string | undefined,
    signal?: AbortSignal,
  ): Promise<ClusterHealthOutput> {
    const query = namespace === undefined ? '' : `?namespace=${encodeURIComponent(namespace)}`;
    const path = `/v1/clusters/${encodeURIComponent(cluster)}/health${query}`;
    const asked = { is: isHealth, ...(signal && { signal }) };
    for (;;) {
      const seen = await persistently(
        () => request<ClusterHealthOutput>('GET', path, { prefer: `wait=${WAIT_SECONDS}` }, asked),
        signal,
      );
      if (Object.keys(seen.parts).length > 0) return seen;
      await sleep(1_000, signal);
    }
  }

  return {
    /**
     * Runs a command and waits for its end, however long that takes. A gateway that is busy is asked again when it says, within the
     * command's own time-out or else a minute. Throws GatewayProblem: nothing was started; AnswerLost: nobody knows.
     */
    run: (cluster: string, command: CommandInput, options: RunOptions): Promise<CommandOutputBody> =>
      runToEnd(
        {
          path: `/v1/clusters/${encodeURIComponent(cluster)}/commands`,
          body: command,
          seconds: command.timeoutSeconds ?? OFFER_SECONDS,
          at: () => COMMANDS,
        },
        options,
      ),

    /** The same for several commands in one pod, one after the other; `step` of a GatewayProblem's problem says which it is about. */
    runBatch: (cluster: string, batch: BatchInput, options: RunOptions): Promise<BatchOutputBody> =>
      runToEnd(
        {
          path: `/v1/clusters/${encodeURIComponent(cluster)}/batches`,
          body: batch,
          seconds: OFFER_SECONDS,
          at: () => BATCHES,
        },
        options,
      ),

    /** One look at a cluster, waited for. Throws GatewayProblem. */
    health: (cluster: string, namespace?: string, signal?: AbortSignal): Promise<ClusterHealthOutput> =>
      look(cluster, namespace, signal),

    /** The jobs that the caller may see or run. Throws GatewayProblem. */
    listJobs: async (signal?: AbortSignal): Promise<readonly JobOutput[]> => {
      const asked = { is: isList, ...(signal && { signal }) };
      const { items } = await persistently(() => request<{ items: JobOutput[] }>('GET', JOBS, {}, asked), signal);
      return items;
    },

    /** A job with its last runs. Throws GatewayProblem. */
    getJob: (name: string, signal?: AbortSignal): Promise<JobWithRunsOutput> => {
      const asked = { is: isJob, ...(signal && { signal }) };
      return persistently(() => request('GET', `${JOBS}/${encodeURIComponent(name)}`, {}, asked), signal);
    },

    /** Runs a job now, as `run` does a command; of a job with steps the batch is the answer. */
    runJob: (name: string, input: RunJobInput, options: RunOptions): Promise<CommandOutputBody | BatchOutputBody> =>
      runToEnd(
        {
          path: `${JOBS}/${encodeURIComponent(name)}/run`,
          body: input,
          seconds: OFFER_SECONDS,
          at: (run) => ('items' in run ? BATCHES : COMMANDS),
        },
        options,
      ),
  };
}

const COMMANDS = '/v1/commands';
const BATCHES = '/v1/batches';
const JOBS = '/v1/jobs';

const unfinished: ReadonlySet<string> = new Set(['accepted', 'submitting', 'running']);

/** A record's output is at most 16 MiB and 64 KiB, as base64 and in JSON a third more; so is that of a batch, all together. */
const MOST_BYTES = 48 * 1024 * 1024;

/** An answer's JSON. Throws AnswerLost for one without end, SyntaxError for one that is not JSON. */
async function readJson(response: Response): Promise<object> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
    length += read.value.byteLength;
    chunks.push(read.value);
    if (length <= MOST_BYTES) continue;
    await reader?.cancel();
    throw new AnswerLost(`the answer is longer than ${MOST_BYTES} bytes: something stands before the gateway`);
  }
  const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  return typeof value === 'object' && value !== null ? value : {};
}

const isHealth = (answer: object): boolean =>
  typeof Reflect.get(answer, 'status') === 'string' &&
  typeof Reflect.get(answer, 'parts') === 'object' &&
  Array.isArray(Reflect.get(answer, 'findings'));

const isRecord = (answer: object): boolean =>
  typeof Reflect.get(answer, 'id') === 'string' &&
  typeof Reflect.get(answer, 'status') === 'string' &&
  isExitCode(Reflect.get(answer, 'exitCode') ?? 0);

const isList = (answer: object): boolean => Array.isArray(Reflect.get(answer, 'items'));

const isJob = (answer: object): boolean =>
  typeof Reflect.get(answer, 'name') === 'string' && Array.isArray(Reflect.get(answer, 'runs'));

/** An exit status is one byte (POSIX, exit()). */
const isExitCode = (code: unknown): boolean => Number.isInteger(code) && Number(code) >= 0 && Number(code) <= 255;

const isProblem = (answer: object): answer is ProblemDocument =>
  typeof Reflect.get(answer, 'code') === 'string' && typeof Reflect.get(answer, 'detail') === 'string';

/** True when no connection came about, so that nothing can have arrived. */
const neverReached = (error: unknown): boolean =>
  /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_|ERR_SSL_|CERT_)|_CERT|SELF_SIGNED/.test(
    String(((error as Error).cause as { code?: string } | undefined)?.code),
  );

const reasonOf = (error: unknown): string => {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
};

/** Retry-After in seconds (RFC 9110, section 10.2.3); a gateway sends no dates. */
const secondsOf = (header: string | null): number | undefined =>
  header !== null && /^\d{1,6}$/.test(header) ? Math.max(1, Number(header)) : undefined;

const pauseFor = (ms: number, signal?: AbortSignal): Promise<void> => pause(ms, undefined, signal && { signal });
