import { createHmac, createSecretKey } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { after, type Clock, type Entropy } from '../../clock.ts';
import type { AppendLog, AppendStream } from '../../store/append-log.ts';
import { StorageUnavailable } from '../../store/append-log.ts';
import type { JsonObject } from '../../lib/canonical-json.ts';
import type { Head, Opening, TrailIdentity } from '../chain.ts';
import { rfc3339 } from '../chain.ts';
import type { EventName } from '../events.ts';
import type { RootKey } from '../root-key.ts';
import { createSigningKey, detach, signCompact, signCompactWith } from '../signature.ts';
import { streamName } from '../stream-name.ts';
import type { Recorded, RecordOptions } from '../trail.ts';
import { type Batch, type Chain, type ComposedLine, type Entry, composeBatch, newChain } from './batch.ts';
import type { Digest } from './compose.ts';

interface WriterOptions {
  readonly log: AppendLog;
  readonly key: RootKey;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly build: string;
  readonly trail: TrailIdentity;
  readonly heads: readonly Head[];
  /** Gets the opening's signature, and each other one as a compact JWS once its batch is durable. Must not throw. */
  readonly onSigned: (jws: string, stream: string) => void;
  /** Gets each line once it is durable, with its hash. Must not throw. */
  readonly onLine?: ((line: JsonObject) => void) | undefined;
}

/** One stream being written. Once a batch has failed, so does every later one. */
export interface StreamWriter {
  readonly stream: string;
  readonly digest: Digest;
  /** Resolves once the line and the signature over it are durable. Rejects with StorageUnavailable. */
  append(event: EventName, members: JsonObject, options?: RecordOptions): Promise<Recorded>;
  /** Everything so far, signed together with the ends of the other streams. */
  checkpoint(heads: readonly Head[]): Promise<void>;
  /** Rejects with StorageUnavailable when the store no longer holds what was written. */
  check(): Promise<void>;
  /** The last line that is known to be durable. */
  durable(): Head;
  /** On the monotonic clock, ms. */
  lastCheckpointAt(): number;
  /** Writes the end: `stream.closed` under a final checkpoint. */
  close(heads: readonly Head[]): Promise<void>;
  /** Lets go of the store without another line. */
  abandon(): Promise<void>;
}

interface Waiting {
  readonly entry: Entry;
  readonly resolve: (line: ComposedLine) => void;
  readonly reject: (error: unknown) => void;
  /** What can be made of the line while the store writes it. */
  readonly whileWritten?: ((line: ComposedLine) => void) | undefined;
}

/** How long an unhurried line waits for another one, ms. */
const UNHURRIED_MS = 25;

/** What the steps below share. */
interface Context {
  readonly options: WriterOptions;
  readonly chain: Chain;
  readonly store: AppendStream;
  readonly started: number;
  waiting: Waiting[];
  writing: Promise<void> | undefined;
  cancelSoon: (() => void) | undefined;
  ended: StorageUnavailable | undefined;
  checkpointAt: number;
  durable: Head;
}

/** Opens a stream with its `stream.opened`, durable. Rejects with StorageUnavailable or Problem `audit-unavailable`. */
export async function openWriter(options: WriterOptions): Promise<StreamWriter> {
  const { log, clock, entropy } = options;
  const began = clock.now();
  const stream = streamName(began, entropy.bytes(8));
  const key = createSigningKey();
  const hmacKey = entropy.bytes(32);
  const { opening, jws } = await signOpening(options, stream, key, hmacKey);
  const context: Context = {
    options,
    chain: newChain(options.trail.id, stream, key, began),
    store: await log.open(stream),
    started: clock.monotonic(),
    waiting: [],
    writing: undefined,
    cancelSoon: undefined,
    ended: undefined,
    checkpointAt: clock.monotonic(),
    durable: { stream, seq: -1, hash: '' },
  };
  try {
    options.onSigned(jws, stream);
    await append(context, 'stream.opened', { opening, signature: detach(jws) });
  } catch (error) {
    await context.store.close().catch(() => undefined); // why it could not begin is what counts
    throw error;
  }
  return {
    stream,
    digest: createDigest(hmacKey),
    append: (event, members, appending) => append(context, event, members, appending),
    checkpoint: (heads) => checkpoint(context, heads, false),
    check: () => context.store.check(),
    durable: () => context.durable,
    lastCheckpointAt: () => context.checkpointAt,
    close: (heads) => close(context, heads),
    abandon: () => context.store.close(),
  };
}

async function signOpening(
  { key: root, clock, trail, build, heads }: WriterOptions,
  stream: string,
  key: ReturnType<typeof createSigningKey>,
  hmacKey: Uint8Array,
): Promise<{ readonly opening: Opening; readonly jws: string }> {
  const opening: Opening = {
    trail,
    stream,
    time: rfc3339(clock.now()),
    build,
    key: key.jwk,
    keyId: key.keyId,
    root: root.jwk,
    rootKeyId: root.keyId,
    rootKeyAt: root.at,
    hmacKey: await root.wrap(stream, hmacKey),
    heads,
  };
  return { opening, jws: await signCompactWith(root, 'aksgw-stream', opening) };
}

function createDigest(hmacKey: Uint8Array): Digest {
  // As a KeyObject: raw bytes are asked first whether they are not some other kind of key, which costs more than the HMAC.
  const secret = createSecretKey(hmacKey);
  return (label, data) => createHmac('sha256', secret).update(`${label}\n`).update(data).digest('hex');
}

async function append(
  context: Context,
  event: EventName,
  members: JsonObject,
  options: RecordOptions = {},
): Promise<Recorded> {
  const { stream, key } = context.chain;
  const sign = ({ seq, hash, time }: ComposedLine): string =>
    signCompact(key, 'aksgw-receipt', { stream, seq, hash, time, keyId: key.keyId });
  let signed: string | undefined;
  const whileWritten = options.receipt ? (line: ComposedLine) => void (signed = sign(line)) : undefined;
  const entry: Entry = { kind: 'event', event, members, at: moment(context) };
  const line = await enqueue(context, entry, options, whileWritten);
  const { seq, hash } = line;
  return { stream, seq, hash, receipt: async () => signed ?? sign(line) };
}

async function checkpoint(context: Context, heads: readonly Head[], final: boolean): Promise<void> {
  const { store, options } = context;
  const before = context.checkpointAt;
  context.checkpointAt = options.clock.monotonic();
  try {
    await enqueue(context, { kind: 'checkpoint', heads, final, storeTime: store.storeTime(), at: moment(context) });
  } catch (error) {
    context.checkpointAt = before;
    throw error;
  }
}

async function close(context: Context, heads: readonly Head[]): Promise<void> {
  try {
    await Promise.all([append(context, 'stream.closed', {}), checkpoint(context, heads, true)]);
  } finally {
    await context.store.close();
  }
}

const moment = ({ options: { clock }, started }: Context) => ({ wall: clock.now(), mono: clock.monotonic() - started });

function enqueue(
  context: Context,
  entry: Entry,
  { unhurried = false }: RecordOptions = {},
  whileWritten?: Waiting['whileWritten'],
): Promise<ComposedLine> {
  if (context.ended) return Promise.reject(context.ended);
  return new Promise((resolve, reject) => {
    context.waiting.push({ entry, resolve, reject, whileWritten });
    if (unhurried) drainSoon(context);
    else context.writing ??= drain(context);
  });
}

function drainSoon(context: Context): void {
  context.cancelSoon ??= after(
    context.options.clock,
    UNHURRIED_MS,
    () => {
      context.cancelSoon = undefined;
      context.writing ??= drain(context);
    },
    { unref: true },
  );
}

/** Group commit: one batch under way; what arrives meanwhile goes out with the next. */
async function drain(context: Context): Promise<void> {
  // What is recorded in the same turn of the event loop shares the first batch.
  await Promise.resolve();
  context.cancelSoon?.();
  context.cancelSoon = undefined;
  while (context.waiting.length > 0) await writeBatch(context);
  context.writing = undefined;
}

async function writeBatch(context: Context): Promise<void> {
  const { chain, store, waiting } = context;
  let taken = waiting;
  let batch: Batch;
  try {
    batch = composeBatch(
      chain,
      waiting.map(({ entry }) => entry),
    );
    taken = waiting.slice(0, batch.composed.length);
    context.waiting = waiting.slice(batch.composed.length);
    await Promise.all([store.append(batch.lines), workMeanwhile(taken, batch)]);
  } catch (error) {
    fail(context, [...new Set([...taken, ...context.waiting])], error);
    return;
  }
  context.durable = { stream: chain.stream, seq: chain.seq - 1, hash: chain.prev };
  announce(context, batch);
  eachLine(taken, batch, ({ resolve }, line) => resolve(line));
}

/** In the time that the disk takes anyway: a turn later, when the write is on its way. */
async function workMeanwhile(taken: readonly Waiting[], batch: Batch): Promise<void> {
  if (!taken.some(({ whileWritten }) => whileWritten)) return;
  await nextTurn();
  eachLine(taken, batch, ({ whileWritten }, line) => whileWritten?.(line));
}

function eachLine(
  taken: readonly Waiting[],
  { composed }: Batch,
  then: (waiting: Waiting, line: ComposedLine) => void,
): void {
  for (const [index, waiting] of taken.entries()) {
    const line = composed[index];
    if (line) then(waiting, line);
  }
}

function announce({ options: { onLine, onSigned }, chain }: Context, { composed, seal, signed }: Batch): void {
  for (const { members, hash } of [...composed, seal]) onLine?.({ ...members, hash });
  for (const jws of signed) onSigned(jws, chain.stream);
}

function fail(context: Context, lost: readonly Waiting[], error: unknown): void {
  context.waiting = [];
  context.ended = error instanceof StorageUnavailable ? error : new StorageUnavailable('The audit store failed');
  for (const { reject } of lost) reject(error);
}
