import { setTimeout as pause } from 'node:timers/promises';
import type {
  BatchInput,
  BatchOutputBody,
  ClusterHealthOutput,
  CommandInput,
  CommandOutputBody,
  ExplainInput,
  JobOutput,
  JobWithRunsOutput,
  ProblemDocument,
  RunJobInput,
} from '../http/schemas.ts';
import { trimEnd } from '../lib/trim-end.ts';
import { NotRun } from './exits.ts';
import {
  neverReached,
  readText,
  reasonOf,
  send as sendByNode,
  TooLong,
  type HttpAnswer,
  type Send,
} from './transport.ts';

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

/** No request arrived: the message has the address and the cause. */
class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

interface ClientOptions {
  /** The gateway's address, such as https://aksgw.example.com. */
  readonly url: string;
  /**
   * A bearer token for each request; asked for each time, so that a long wait outlives one token. `refused`: the gateway did not take
   * the last one. Throws NotRun when nobody is signed in.
   */
  readonly token: (refused?: string) => Promise<string>;
  /** `fetch` fits. */
  readonly fetch?: Send;
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
  /** Told each time the gateway shows the record unfinished. */
  readonly onLook?: (status: string) => void;
  /** Told when the gateway is away while the command is waited for. */
  readonly onAway?: (message: string) => void;
  /** A person watches: looked at often. */
  readonly watched?: boolean;
  readonly signal?: AbortSignal;
}

interface RequestOptions {
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  /** Whether an answer is one of a gateway; a record unless told. */
  readonly is?: Is;
}

type Is = (answer: object) => boolean;

/** What is sent to be run, and where its record then is. */
interface Started<T> {
  readonly path: string;
  readonly body: unknown;
  /** How long it is offered to a gateway that says when to come again. */
  readonly seconds: number;
  readonly at: (record: T) => string;
  readonly is: Is;
}

const WAIT_SECONDS = 60;
/** Where a person watches: often at first, since most commands are short. */
const watchSeconds = [1, 1, 2, 2, 3] as const;
const WATCH_ON_SECONDS = 5;
/** Tries of one request when no answer comes; the key makes them one command. */
const TRIES = 4;
/** A person is told within seconds that a gateway is away. */
const ENOUGH_MS = 2_500;
/** How long a command whose time-out is not given is offered to a gateway that says when to come again. */
const OFFER_SECONDS = 60;
/** Rounds of tries while a command runs. */
const PATIENCE = 10;

/** The typed client of the HTTP API. */
export function createClient({ url, token, fetch: send = sendByNode, sleep = pauseFor }: ClientOptions) {
  const base = trimEnd(url, '/');

  async function request<T>(
    method: 'GET' | 'POST',
    path: string,
    headers: Record<string, string>,
    options: RequestOptions = {},
  ): Promise<T> {
    const bearer = await tokenOr();
    try {
      return await requestWith(bearer, method, path, headers, options);
    } catch (error) {
      if (!(error instanceof GatewayProblem) || !refusedTokens.has(error.problem.code)) throw error;
      const other = await tokenOr(bearer);
      if (other === bearer) throw error;
      return requestWith(other, method, path, headers, options);
    }
  }

  /** Whatever kept a token from coming: nothing was sent. */
  async function tokenOr(refused?: string): Promise<string> {
    try {
      return await token(refused);
    } catch (error) {
      if (error instanceof NotRun) throw error;
      throw new NotRun(error instanceof Error ? error.message : String(error), { cause: error });
    }
  }

  async function requestWith<T>(
    bearer: string,
    method: 'GET' | 'POST',
    path: string,
    headers: Record<string, string>,
    { body, signal, is = isRecord }: RequestOptions,
  ): Promise<T> {
    const response = await send(`${base}${path}`, {
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
    const { status } = response;
    const ok = status >= 200 && status < 300;
    const kind = /^[^; \t]*/.exec(response.headers.get('content-type') ?? '')?.[0].toLowerCase();
    // The body too, before anything is concluded: an answer that breaks off is not an answer.
    const answer = kind === 'application/json' || kind === 'application/problem+json' ? await readJson(response) : {};
    if (ok && kind === 'application/json' && is(answer)) return answer as T;
    const problem = !ok && kind === 'application/problem+json' && isProblem(answer) ? answer : undefined;
    if (problem) throw new GatewayProblem(problem, secondsOf(response.headers.get('retry-after')));
    throw new AnswerLost(`it answered ${status}, and not as a gateway does: something stands before it`);
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
    let began = performance.now();
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
            began = performance.now();
            continue;
          }
          // An earlier try may have arrived: what a later one is told says nothing of that.
          throw arrived ? new AnswerLost(error.message, { cause: error }) : error;
        }
        if (signal?.aborted) throw signal.reason;
        // Without a token nothing is sent, however often it is tried.
        if (error instanceof NotRun) throw arrived ? new AnswerLost(error.message, { cause: error }) : error;
        arrived ||= !neverReached(error);
        if (tried >= TRIES || (took(began) > ENOUGH_MS && (tried > 1 || !arrived)))
          throw arrived
            ? new AnswerLost(reasonOf(error, base), { cause: error })
            : new Unreachable(reasonOf(error, base), { cause: error });
        await sleep(250 * 2 ** tried, signal);
      }
    }
  }

  /** Waiting for a command's end outlives a gateway that is busy, restarting or away for some minutes. */
  async function patiently<T>(
    step: () => Promise<T>,
    { signal, onAway }: Pick<RunOptions, 'signal' | 'onAway'>,
  ): Promise<T> {
    for (let tried = 1; ; tried++) {
      try {
        return await persistently(step, signal);
      } catch (error) {
        const passing =
          error instanceof GatewayProblem
            ? error.problem.retryable
            : error instanceof Unreachable || (error instanceof AnswerLost && !(error.cause instanceof NotRun));
        if (!passing || tried >= PATIENCE || signal?.aborted)
          throw error instanceof Unreachable ? new AnswerLost(error.message, { cause: error }) : error;
        onAway?.((error as Error).message);
        const seconds = error instanceof GatewayProblem ? (error.retryAfter ?? 1) : 5;
        await sleep(Math.min(60, seconds) * 1_000, signal);
      }
    }
  }

  /** Sends what is to be run, and asks after it until it has ended. */
  async function runToEnd<T extends Ending>(
    { path, body, seconds, at, is }: Started<T>,
    options: RunOptions,
  ): Promise<T> {
    const { idempotencyKey, onAccepted, onRefused, signal } = options;
    // Answered at once: whatever happens to this process later, the person has an id to come back with.
    const headers = { 'idempotency-key': `"${idempotencyKey}"`, prefer: 'respond-async' };
    const record = await persistently(
      () => request<T>('POST', path, headers, { body, is, ...(signal && { signal }) }),
      signal,
      { seconds, onRefused },
    );
    const place = `${at(record)}/${encodeURIComponent(record.id)}`;
    onAccepted?.(record.id, place);
    return follow(place, record, is, options);
  }

  /** Asks after a record until it has ended. */
  async function follow<T extends Ending>(place: string, first: T, is: Is, options: Watching): Promise<T> {
    const { onLook, watched, signal } = options;
    let record = first;
    for (let look = 0; unfinished.has(record.status); look++) {
      onLook?.(record.status);
      const wait = watched ? (watchSeconds[look] ?? WATCH_ON_SECONDS) : WAIT_SECONDS;
      const began = performance.now();
      record = await patiently(async () => {
        const read = await request<T>('GET', place, { prefer: `wait=${wait}` }, { is, ...(signal && { signal }) });
        if (read.id === first.id) return read;
        throw new AnswerLost(`it answered with another record: something stands before it`);
      }, options);
      // A gateway that answers at once, as one that stops does, is not asked in a tight loop.
      if (unfinished.has(record.status) && took(began) < 500) await sleep(1_000, signal);
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
    const path = `${clusterPath(cluster)}/health${query}`;
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

  const read = <T>(path: string, is: (answer: object) => boolean, signal?: AbortSignal): Promise<T> =>
    persistently(() => request<T>('GET', path, {}, { is, ...(signal && { signal }) }), signal);

  return {
    /**
     * Runs a command and waits for its end, however long that takes. A gateway that is busy is asked again when it says, within the
     * command's own time-out or else a minute. Throws GatewayProblem: nothing was started; AnswerLost: nobody knows.
     */
    run: (cluster: string, command: CommandInput, options: RunOptions): Promise<CommandOutputBody> =>
      runToEnd(
        {
          path: `${clusterPath(cluster)}/commands`,
          body: command,
          seconds: command.timeoutSeconds ?? OFFER_SECONDS,
          at: () => COMMANDS,
          is: isRecord,
        },
        options,
      ),

    /** The same for several commands in one pod, one after the other; `step` of a GatewayProblem's problem says which it is about. */
    runBatch: (cluster: string, batch: BatchInput, options: RunOptions): Promise<BatchOutputBody> =>
      runToEnd(
        {
          path: `${clusterPath(cluster)}/batches`,
          body: batch,
          seconds: OFFER_SECONDS,
          at: () => BATCHES,
          is: isBatch,
        },
        options,
      ),

    /** One look at a cluster, waited for. Throws GatewayProblem. */
    health: (cluster: string, namespace?: string, signal?: AbortSignal): Promise<ClusterHealthOutput> =>
      look(cluster, namespace, signal),

    /** The jobs that the caller may see or run. Throws GatewayProblem. */
    listJobs: async (signal?: AbortSignal): Promise<readonly JobOutput[]> =>
      (await read<{ items: JobOutput[] }>(JOBS, isList, signal)).items,

    /** A job with its last runs. Throws GatewayProblem. */
    getJob: (name: string, signal?: AbortSignal): Promise<JobWithRunsOutput> =>
      read(`${JOBS}/${encodeURIComponent(name)}`, isJob, signal),

    /** A command as it stands, without waiting. Throws GatewayProblem. */
    getCommand: (id: string, signal?: AbortSignal): Promise<CommandOutputBody> =>
      read(`${COMMANDS}/${encodeURIComponent(id)}`, isRecord, signal),

    /** Waits for the end of a command that was started before. Throws as `run` does once it was accepted. */
    awaitCommand: async (id: string, options: Watching): Promise<CommandOutputBody> => {
      const place = `${COMMANDS}/${encodeURIComponent(id)}`;
      return follow(place, await read<CommandOutputBody>(place, isRecord, options.signal), isRecord, options);
    },

    /** Ends a command. Resolves with its record as it then stands. Throws GatewayProblem. */
    cancel: (id: string, signal?: AbortSignal): Promise<CommandOutputBody> =>
      persistently(
        () => request('POST', `${COMMANDS}/${encodeURIComponent(id)}/cancel`, {}, { ...(signal && { signal }) }),
        signal,
      ),

    /** Ends what stands at a path, a command or a batch. Throws GatewayProblem. */
    cancelAt: (path: string, signal?: AbortSignal): Promise<object> =>
      persistently(() => request('POST', `${path}/cancel`, {}, { is: isAnything, ...(signal && { signal }) }), signal),

    /** The caller's own commands, newest first. Throws GatewayProblem. */
    listCommands: async (
      query: Readonly<Record<string, string>>,
      signal?: AbortSignal,
    ): Promise<readonly CommandOutputBody[]> => {
      const path = `${COMMANDS}?${new URLSearchParams(query).toString()}`;
      return (await read<{ items: CommandOutputBody[] }>(path, isList, signal)).items;
    },

    /** What a command or a batch would be, and whether the caller may. Runs nothing. Throws GatewayProblem. */
    explain: (cluster: string, body: ExplainInput, signal?: AbortSignal): Promise<object> =>
      persistently(
        () =>
          request(
            'POST',
            `${clusterPath(cluster)}/explain`,
            {},
            { body, is: isExplanation, ...(signal && { signal }) },
          ),
        signal,
      ),

    /** Any other resource of the gateway that is an object. Throws GatewayProblem. */
    get: (path: string, signal?: AbortSignal): Promise<object> => read(path, isAnything, signal),

    /** Runs a job now, as `run` does a command; of a job with steps the batch is the answer. */
    runJob: (name: string, input: RunJobInput, options: RunOptions): Promise<CommandOutputBody | BatchOutputBody> =>
      runToEnd(
        {
          path: `${JOBS}/${encodeURIComponent(name)}/run`,
          body: input,
          seconds: OFFER_SECONDS,
          at: (run) => ('items' in run ? BATCHES : COMMANDS),
          is: (run) => ('items' in run ? isBatch(run) : isRecord(run)),
        },
        options,
      ),
  };
}

const COMMANDS = '/v1/commands';
const BATCHES = '/v1/batches';
const JOBS = '/v1/jobs';
const clusterPath = (cluster: string): string => `/v1/clusters/${encodeURIComponent(cluster)}`;

interface Ending {
  readonly id: string;
  readonly status: string;
}

type Watching = Pick<RunOptions, 'onLook' | 'onAway' | 'watched' | 'signal'>;

/** Another token may do where these are the answer. */
const refusedTokens: ReadonlySet<string> = new Set(['token-expired', 'token-invalid', 'token-missing']);

const took = (began: number): number => performance.now() - began;

const unfinished: ReadonlySet<string> = new Set(['accepted', 'submitting', 'running']);

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

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isHealth = (answer: object): boolean =>
  typeof Reflect.get(answer, 'status') === 'string' &&
  isObject(Reflect.get(answer, 'parts')) &&
  Array.isArray(Reflect.get(answer, 'findings'));

const isAnything = (): boolean => true;

/** Ids are opaque, but no gateway gives one that a shell or a terminal would act on. */
const isId = (id: unknown): boolean => typeof id === 'string' && /^[\w.~-]{1,200}$/.test(id);

const isEnding = (answer: object): boolean =>
  isId(Reflect.get(answer, 'id')) && typeof Reflect.get(answer, 'status') === 'string';

/** What an exit code of 0 is taken from: all of it has to be there. */
const isRecord = (answer: unknown): boolean =>
  isObject(answer) &&
  isEnding(answer) &&
  isExitCode(Reflect.get(answer, 'exitCode') ?? 0) &&
  typeof Reflect.get(answer, 'stdout') === 'string' &&
  typeof Reflect.get(answer, 'stderr') === 'string' &&
  typeof Reflect.get(answer, 'truncated') === 'boolean';

/** A batch that has ended has at least one step, and each is a record. */
const isBatch = (answer: object): boolean => {
  const items: unknown = Reflect.get(answer, 'items');
  if (!isEnding(answer) || !Array.isArray(items) || !items.every(isRecord)) return false;
  return items.length > 0 || unfinished.has(String(Reflect.get(answer, 'status')));
};

const isExplanation = (answer: object): boolean => {
  const steps: unknown = Reflect.get(answer, 'steps');
  return (
    typeof Reflect.get(answer, 'allowed') === 'boolean' &&
    (Array.isArray(Reflect.get(answer, 'rules')) || (Array.isArray(steps) && steps.length > 0))
  );
};

const isList = (answer: object): boolean => Array.isArray(Reflect.get(answer, 'items'));

const isJob = (answer: object): boolean =>
  typeof Reflect.get(answer, 'name') === 'string' && Array.isArray(Reflect.get(answer, 'runs'));

/** An exit status is one byte (POSIX, exit()). */
const isExitCode = (code: unknown): boolean => Number.isInteger(code) && Number(code) >= 0 && Number(code) <= 255;

const isProblem = (answer: object): answer is ProblemDocument =>
  typeof Reflect.get(answer, 'code') === 'string' && typeof Reflect.get(answer, 'detail') === 'string';

/** Retry-After in seconds (RFC 9110, section 10.2.3); a gateway sends no dates. */
const secondsOf = (header: string | null): number | undefined =>
  header !== null && /^\d{1,6}$/.test(header) ? Math.max(1, Number(header)) : undefined;

const pauseFor = (ms: number, signal?: AbortSignal): Promise<void> => pause(ms, undefined, signal && { signal });
