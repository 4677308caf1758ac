import type { CommandInput, CommandOutputBody, ProblemDocument } from '../http/schemas.ts';

/** A gateway's answer that is a problem: nothing was started, unless it came while a command was being waited for. */
export class GatewayProblem extends Error {
  override readonly name = 'GatewayProblem';
  readonly problem: ProblemDocument;
  constructor(problem: ProblemDocument) {
    super(`${problem.code}: ${problem.detail}`);
    this.problem = problem;
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

/** The typed client of the HTTP API. */
export function createClient({ url, token, fetch: send = fetch, sleep = pause }: ClientOptions) {
  const base = url.replace(/\/+$/, '');

  async function request(
    method: 'GET' | 'POST',
    path: string,
    headers: Record<string, string>,
    body?: unknown,
    signal?: AbortSignal,
  ): Promise<Response> {
    const response = await send(`${base}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${await token()}`,
        ...headers,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    });
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (problem) throw new GatewayProblem(problem);
    throw new AnswerLost(`${base} answered ${response.status}, and not as a gateway does: something stands before it`);
  }

  /** Sends again when the gateway did not answer: a GET is safe, and a POST's key makes all its tries one command. */
  async function persistently<T>(step: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    let arrived = false;
    for (let tried = 1; ; tried++) {
      try {
        return await step();
      } catch (error) {
        const unanswered = error instanceof TypeError || error instanceof AnswerLost; // fetch's TypeError: the network
        if (!unanswered) throw error;
        arrived ||= !neverReached(error);
        if (tried >= TRIES || signal?.aborted)
          throw arrived ? new AnswerLost(reasonOf(error), { cause: error }) : error;
        await sleep(250 * 4 ** tried);
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
      let response = await persistently(() => request('POST', path, headers, command, signal), signal);
      let record = (await response.json()) as CommandOutputBody;
      onAccepted?.(record.id);
      while (record.status === 'accepted' || record.status === 'submitting' || record.status === 'running') {
        const { id } = record;
        response = await persistently(
          () =>
            request(
              'GET',
              `/v1/commands/${encodeURIComponent(id)}`,
              { prefer: `wait=${WAIT_SECONDS}` },
              undefined,
              signal,
            ),
          signal,
        );
        record = (await response.json()) as CommandOutputBody;
      }
      return record;
    },

    /** Any GET of the API, parsed. */
    async get<T>(path: string): Promise<T> {
      const response = await persistently(() => request('GET', path, {}));
      return (await response.json()) as T;
    },
  };
}

/** The gateway's problem; undefined when something else answered. */
async function problemOf(response: Response): Promise<ProblemDocument | undefined> {
  if (!response.headers.get('content-type')?.startsWith('application/problem+json')) return undefined;
  return (await response.json()) as ProblemDocument;
}

/** True when no connection came about, so that nothing can have arrived. */
const neverReached = (error: unknown): boolean =>
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/.test(
    String(((error as Error).cause as { code?: string } | undefined)?.code),
  );

const reasonOf = (error: unknown): string => {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
