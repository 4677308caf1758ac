import type { ProblemDocument } from '../../http/schemas.ts';
import { isFinal, type Is } from './answers.ts';
import { AnswerLost } from './failures.ts';
import { request, type Endpoint } from './request.ts';
import { patiently, persistently } from './retry.ts';

/** How the end of a record is waited for. */
export interface AwaitOptions {
  /** Told each time the gateway shows the record unfinished. */
  readonly onLook?: (status: string) => void;
  /** Told when the gateway is away while the command is waited for. */
  readonly onAway?: (message: string) => void;
  /** A person watches: looked at often. */
  readonly watched?: boolean;
  readonly signal?: AbortSignal;
}

export interface RunOptions extends AwaitOptions {
  /** Makes sending again safe: the same key never runs twice. */
  readonly idempotencyKey: string;
  /** Told once the gateway has a record of the command, and where it is, such as `/v1/commands/ID`. */
  readonly onAccepted?: (id: string, path: string) => void;
  /** Told before the client waits, as the gateway asked it to, and sends again. */
  readonly onRefused?: (problem: ProblemDocument, retryAfter: number) => void;
}

/** What is sent to be run, and where its record then is. */
interface Start<T> {
  readonly path: string;
  readonly body: unknown;
  /** How long it is offered to a gateway that says when to come again. */
  readonly seconds: number;
  /** The collection that the record is in, such as `/v1/commands`. */
  readonly at: (record: T) => string;
  readonly is: Is;
}

/** What every record has, of a command or a batch. */
interface AnyRecord {
  readonly id: string;
  readonly status: string;
}

export const WAIT_SECONDS = 60;
/** Where a person watches: often at first, since most commands are short. */
const watchSeconds = [1, 1, 2, 2, 3] as const;
const WATCH_ON_SECONDS = 5;
/** An answer that comes sooner than this was not waited for. */
const AT_ONCE_MS = 500;

/** Sends what is to be run, and asks after it until it has ended. */
export async function runToEnd<T extends AnyRecord>(
  endpoint: Endpoint,
  { path, body, seconds, at, is }: Start<T>,
  options: RunOptions,
): Promise<T> {
  const { idempotencyKey, onAccepted, onRefused, signal } = options;
  // Answered at once: whatever happens to this process later, the person has an id to come back with.
  const headers = { 'idempotency-key': `"${idempotencyKey}"`, prefer: 'respond-async' };
  const send = () => request<T>(endpoint, { method: 'POST', path, headers, body, is, signal });
  const record = await persistently(endpoint, send, signal, { seconds, onRefused });
  const place = `${at(record)}/${encodeURIComponent(record.id)}`;
  onAccepted?.(record.id, place);
  return awaitEnd(endpoint, { place, first: record, is }, options);
}

/** A record as it was first read, and where. */
interface Started<T> {
  readonly place: string;
  readonly first: T;
  readonly is: Is;
}

/** Asks after a record until it has ended. */
export async function awaitEnd<T extends AnyRecord>(
  endpoint: Endpoint,
  { place, first, is }: Started<T>,
  options: AwaitOptions,
): Promise<T> {
  const { onLook, watched, signal } = options;
  let record = first;
  for (let look = 0; !isFinal(record.status); look++) {
    onLook?.(record.status);
    const wait = watched ? (watchSeconds[look] ?? WATCH_ON_SECONDS) : WAIT_SECONDS;
    const began = performance.now();
    record = await patiently(endpoint, () => readAgain(wait), options);
    // A gateway that answers at once, as one that stops does, is not asked in a tight loop.
    const atOnce = performance.now() - began < AT_ONCE_MS;
    if (!isFinal(record.status) && atOnce) await endpoint.sleep(1_000, signal);
  }
  return record;

  async function readAgain(wait: number): Promise<T> {
    const headers = { prefer: `wait=${wait}` };
    const read = await request<T>(endpoint, { method: 'GET', path: place, headers, is, signal });
    if (read.id === first.id) return read;
    throw new AnswerLost(`it answered with another record: something stands before it`);
  }
}
