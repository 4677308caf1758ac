import type { CommandInput, CommandOutputBody, ProblemDocument } from '../http/schemas.ts';

/** A gateway's answer that is a problem: nothing was started, unless it came while a command was being waited for. */
export class GatewayProblem extends Error {
  override readonly name = 'GatewayProblem';
  readonly problem: ProblemDocument;
  /** Seconds. */
  readonly retryAfter: number;
  constructor(problem: ProblemDocument, retryAfter: number) {
    super(`${problem.code}: ${problem.detail}`);
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** No answer came to a command that may have arrived: it may or may not have run. */
export class AnswerLost extends Error {
  override readonly name = 'AnswerLost';
}

export interface ClientOptions {
  /** The gateway's address, such as https://aksgw.example.com. */
  readonly url: string;
  /** A bearer token for each request; asked for each time, so that a long wait outlives one token. */
  readonly token: () => Promise<string>;
  readonly fetch?: typeof fetch;
  readonly sleep?: (ms: number) => Promise<void>;
}

export interface RunOptions {
  /** Makes sending again safe: the same key never runs twice. */
  readonly idempotencyKey: string;
  /** Told once the gateway has a record of the command. */
  readonly onAccepted?: (id: string) => void;
  readonly signal?: AbortSignal;
}

export type Client = ReturnType<typeof createClient>;

const WAIT_SECONDS = 60;
/** Tries of one request when no answer comes; the key makes them one command. */
const TRIES = 4;
/** Rounds of tries while a command runs. */
const PATIENCE = 10;

/** The typed client of the HTTP API. */
export function createClient({ url, token, fetch: send = fetch, sleep = pause }: ClientOptions) {
  const base = url.replace(/\/+$/, '');

  async function request<T>(
    method: 'GET' | 'POST',
    path: string,
    headers: Record<string, string>,
    body?: unknown,
    signal?: AbortSignal,
  ): Promise<T> {
    const response = await send(`${base}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${await token()}`,
        ...headers,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      redirect: 'error', // a POST that is sent elsewhere becomes a GET there, and a token goes to whoever is there
      ...(signal && { signal }),
    });
    const kind = response.headers.get('content-type') ?? '';
    // The body too, before anything is concluded: an answer that breaks off is none.
    if (response.ok && kind.startsWith('application/json')) return (await response.json()) as T;
    const problem = kind.startsWith('application/problem+json')
      ? ((await response.json()) as ProblemDocument)
      : undefined;
    if (problem) throw new GatewayProblem(problem, Number(response.headers.get('retry-after') ?? '1'));
    throw new AnswerLost(`${base} answered ${response.status}, and not as a gateway does: something stands before it`);
  }

  /** Sends again when the gateway did not answer: a GET is safe, and a POST's key makes all its tries one command. */
  async function persistently<T>(step: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    let arrived = false;
    for (let tried = 1; ; tried++) {
      try {
        return await step();
      } catch (error) {
        // An earlier try may have arrived: what a later one is told says nothing of that.
        if (error instanceof GatewayProblem) throw arrived ? new AnswerLost(error.message, { cause: error }) : error;
        if (signal?.aborted) throw signal.reason;
        arrived ||= !neverReached(error);
        if (tried >= TRIES || signal?.aborted)
          throw arrived ? new AnswerLost(reasonOf(error), { cause: error }) : error;
        await sleep(250 * 4 ** tried);
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
        await sleep(Math.min(60, Math.max(1, error instanceof GatewayProblem ? error.retryAfter : 5)) * 1_000);
      }
    }
  }

  return {
    /** Runs a command and waits for its end, however long that takes. Throws GatewayProblem. */
    async run(
      cluster: string,
      command: CommandInput,
      { idempotencyKey, onAccepted, signal }: RunOptions,
    ): Promise<CommandOutputBody> {
      const headers = { 'idempotency-key': `"${idempotencyKey}"`, prefer: `wait=${WAIT_SECONDS}` };
      const path = `/v1/clusters/${encodeURIComponent(cluster)}/commands`;
      const post = () => request<CommandOutputBody>('POST', path, headers, command, signal);
      let record = await persistently(post, signal);
      onAccepted?.(record.id);
      const { id } = record;
      while (record.status === 'accepted' || record.status === 'submitting' || record.status === 'running') {
        const began = performance.now();
        record = await patiently(
          () =>
            request<CommandOutputBody>(
              'GET',
              `/v1/commands/${encodeURIComponent(id)}`,
              { prefer: headers.prefer },
              undefined,
              signal,
            ),
          signal,
        );
        // A gateway that answers at once, as one that stops does, is not asked in a tight loop.
        if (performance.now() - began < 500) await sleep(1_000);
      }
      return record;
    },
  };
}

/** True when no connection came about, so that nothing can have arrived. */
const neverReached = (error: unknown): boolean =>
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|ERR_TLS_.*|ERR_SSL_.*|CERT_.*|.*_CERT.*|.*SELF_SIGNED.*)$/.test(
    String(((error as Error).cause as { code?: string } | undefined)?.code),
  );

const reasonOf = (error: unknown): string => {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
