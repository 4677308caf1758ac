import { createHmac, createSecretKey } from 'node:crypto';
import type { Clock, Entropy } from '../../clock.ts';
import type { AppendLog } from '../../store/append-log.ts';
import type { JsonObject } from '../../lib/canonical-json.ts';
import { canonicalJson } from '../../lib/canonical-json.ts';
import type { Checkpoint, Head, Opening } from '../chain.ts';
import { GENESIS, hashLine } from '../chain.ts';
import type { Digest } from './compose.ts';
import { type EventName, eventCodes } from '../events.ts';
import type { SeenHead } from '../verify/heads.ts';
import type { RootKey } from '../keys.ts';
import { createSigningKey, detach, signCompact, signDetached } from '../signature.ts';
import type { Recorded } from '../trail.ts';

export const LINE_VERSION = 1;
/** spec/audit.md: a checkpoint every 1,000 events or 60 s. */
const CHECKPOINT_EVENTS = 1000;

export interface WriterOptions {
  readonly log: AppendLog;
  readonly key: RootKey;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly build: string;
  readonly stream: string;
  readonly heads: readonly Head[];
  /** Gets each checkpoint as a compact JWS once it is durable. Must not throw. */
  readonly onCheckpoint: (checkpoint: Checkpoint, jws: string) => void;
  /** Gets each line once it is durable, with its hash. Must not throw. */
  readonly onLine?: ((line: JsonObject) => void) | undefined;
}

/** One stream being written. Once an append has failed, so does every later one. */
export interface StreamWriter {
  readonly stream: string;
  readonly digest: Digest;
  /** Chains and hands the line to the store in one turn, so that order in the chain is order in the store. */
  append(event: EventName, members: JsonObject): Promise<Recorded>;
  checkpoint(): Promise<void>;
  /** What the next checkpoints say of other streams. */
  see(heads: ReadonlyMap<string, SeenHead>): void;
  /** Epoch of the monotonic clock at the last checkpoint, ms. */
  lastCheckpointAt(): number;
  close(): Promise<void>;
  /** Lets go of the store without another line. */
  abandon(): Promise<void>;
}

/** Opens a stream with its `stream.opened`, durable. Rejects with StorageUnavailable or Problem `audit-unavailable`. */
export async function openWriter(options: WriterOptions): Promise<StreamWriter> {
  const { log, key: root, clock, entropy, stream } = options;
  const key = await createSigningKey();
  const hmacKey = entropy.bytes(32);
  const started = clock.monotonic();
  let seq = 0;
  let prev = GENESIS;
  let prevCheckpoint = GENESIS;
  let sinceCheckpoint = 0;
  let checkpointAt = started;
  let heads = options.heads;

  const opening: Opening = {
    stream,
    time: rfc3339(clock.now()),
    build: options.build,
    key: key.jwk,
    keyId: key.keyId,
    root: root.jwk,
    rootKeyId: root.keyId,
    rootKeyAt: root.at,
    hmacKey: await root.wrap(stream, hmacKey),
    heads,
  };
  const rootSignature = await signDetached(root, 'aksgw-stream', opening);
  const store = await log.open(stream);

  const chain = async (event: EventName, members: JsonObject): Promise<Recorded> => {
    const own = seq;
    const time = rfc3339(clock.now());
    const all: JsonObject = {
      ...members,
      v: LINE_VERSION,
      stream,
      seq: own,
      prev,
      time,
      monoMs: Math.floor(clock.monotonic() - started),
      code: eventCodes[event],
    };
    const line = canonicalJson(all);
    const hash = hashLine(line);
    seq += 1;
    prev = hash;
    sinceCheckpoint += 1;
    await store.append(line);
    options.onLine?.({ ...all, hash });
    return {
      stream,
      seq: own,
      hash,
      receipt: async () => signCompact(key, 'aksgw-receipt', { stream, seq: own, hash, time, keyId: key.keyId }),
    };
  };

  const checkpoint = async (): Promise<void> => {
    const storeTime = store.storeTime();
    const what: Checkpoint = {
      stream,
      seq: seq - 1,
      hash: prev,
      time: rfc3339(clock.now()),
      prevCheckpoint,
      heads,
      storeTime: storeTime === undefined ? undefined : rfc3339(storeTime),
    };
    const jws = signCompact(key, 'aksgw-checkpoint', what);
    const written = chain('checkpoint', { checkpoint: what, signature: detach(jws) });
    prevCheckpoint = prev;
    sinceCheckpoint = 0;
    checkpointAt = clock.monotonic();
    heads = [];
    await written;
    options.onCheckpoint(what, jws);
  };

  // As a KeyObject: raw bytes are asked first whether they are not some other kind of key, which costs more than the HMAC.
  const secret = createSecretKey(hmacKey);
  const digest: Digest = (label, data) => createHmac('sha256', secret).update(`${label}\n`).update(data).digest('hex');

  try {
    await chain('stream.opened', { opening, signature: rootSignature });
  } catch (error) {
    await store.close();
    throw error;
  }
  return {
    stream,
    digest,
    append: (event, members) => {
      const written = chain(event, members);
      if (sinceCheckpoint < CHECKPOINT_EVENTS) return written;
      // Its failure is the stream's: the next record learns of it.
      return Promise.all([written, checkpoint()]).then(([recorded]) => recorded);
    },
    checkpoint,
    see: (seen) => {
      heads = [...seen.values()].map(({ head }) => head);
    },
    lastCheckpointAt: () => checkpointAt,
    close: async () => {
      try {
        await checkpoint();
        await chain('stream.closed', {});
      } finally {
        await store.close();
      }
    },
    abandon: () => store.close(),
  };
}

/** RFC 3339 in UTC with milliseconds: of fixed length, so that text order is time order. */
export const rfc3339 = (epochMs: number): string => new Date(epochMs).toISOString();
