import type { JsonObject } from '../../lib/canonical-json.ts';
import { canonicalJson } from '../../lib/canonical-json.ts';
import type { Checkpoint, Head } from '../chain.ts';
import { GENESIS, LINE_VERSION, MAX_BATCH_BYTES, MAX_BATCH_LINES, hashLine, rfc3339 } from '../chain.ts';
import { type EventName, eventCodes } from '../events.ts';
import { type SigningKey, detach, signCompact } from '../signature.ts';

/** When something was handed to the trail. */
interface Moment {
  /** Epoch ms, by the wall clock. */
  readonly wall: number;
  /** Milliseconds since the stream began, by the monotonic clock. */
  readonly mono: number;
}

/** What waits for its place in the stream. */
export type Entry =
  | { readonly kind: 'event'; readonly event: EventName; readonly members: JsonObject; readonly at: Moment }
  | {
      readonly kind: 'checkpoint';
      readonly heads: readonly Head[];
      readonly final: boolean;
      readonly storeTime: number | undefined;
      readonly at: Moment;
    };

/** A stream as far as it has been composed. */
export interface Chain {
  readonly trail: string;
  readonly stream: string;
  readonly key: SigningKey;
  seq: number;
  prev: string;
  prevCheckpoint: string;
  /** The running maximum of `time` (epoch ms), and how far a line's time ever lay behind it: what readers search by. */
  maxTime: number;
  lagMs: number;
}

/** @param began epoch ms, of the stream's name: no line is searched for before it without `lagMs` saying so. */
export const newChain = (trail: string, stream: string, key: SigningKey, began: number): Chain => ({
  trail,
  stream,
  key,
  seq: 0,
  prev: GENESIS,
  prevCheckpoint: GENESIS,
  maxTime: began,
  lagMs: 0,
});

/** A line that has its place in the chain. */
export interface ComposedLine {
  readonly seq: number;
  readonly hash: string;
  readonly time: string;
  readonly members: JsonObject;
}

/** Lines that become durable together; the last one signs the others. */
export interface Batch {
  readonly lines: readonly string[];
  /** One for each entry that was taken, in order. */
  readonly composed: readonly ComposedLine[];
  /** The line that signs them. */
  readonly seal: ComposedLine;
  /** What a second place keeps: compact JWS, the checkpoints' and the batch's own. */
  readonly signed: readonly string[];
}

/**
 * Gives as many of the waiting entries as fit into one batch their place in the chain, and ends it with a signature. Advances
 * `chain`; gives how many entries were taken as the length of `composed`.
 */
export function composeBatch(chain: Chain, waiting: readonly Entry[]): Batch {
  const lines: string[] = [];
  const composed: ComposedLine[] = [];
  const signed: string[] = [];
  let final = false;
  let bytes = 0;
  let last: Moment = { wall: 0, mono: 0 };
  for (const entry of waiting) {
    if (composed.length === MAX_BATCH_LINES || bytes >= MAX_BATCH_BYTES || final) break;
    const line = entry.kind === 'event' ? composeLine(chain, entry) : composeCheckpoint(chain, entry, signed);
    last = entry.at;
    final = entry.kind === 'checkpoint' && entry.final;
    bytes += line.text.length;
    lines.push(line.text);
    composed.push(line);
  }
  const seal = composeSignature(chain, last, final);
  signed.push(seal.jws);
  return { lines: [...lines, seal.text], composed, seal, signed };
}

interface EventEntry {
  readonly event: EventName;
  readonly members: JsonObject;
  readonly at: Moment;
}

function composeLine(chain: Chain, { event, members, at }: EventEntry): ComposedLine & { readonly text: string } {
  chain.maxTime = Math.max(chain.maxTime, at.wall);
  chain.lagMs = Math.max(chain.lagMs, chain.maxTime - at.wall);
  const all = { ...members, ...chained(chain, event, at) };
  const text = canonicalJson(all);
  const { seq } = chain;
  const hash = hashLine(text);
  chain.seq += 1;
  chain.prev = hash;
  return { text, seq, hash, time: all.time, members: all };
}

const chained = ({ stream, seq, prev }: Chain, event: EventName, { wall, mono }: Moment) => ({
  v: LINE_VERSION,
  stream,
  seq,
  prev,
  time: rfc3339(wall),
  monoMs: Math.floor(mono),
  code: eventCodes[event],
});

function composeCheckpoint(chain: Chain, entry: Entry & { kind: 'checkpoint' }, signed: string[]) {
  const { heads, final, storeTime, at } = entry;
  const checkpoint: Checkpoint = {
    trail: chain.trail,
    stream: chain.stream,
    seq: chain.seq - 1,
    hash: chain.prev,
    time: rfc3339(at.wall),
    prevCheckpoint: chain.prevCheckpoint,
    heads,
    final: final ? true : undefined,
    storeTime: storeTime === undefined ? undefined : rfc3339(storeTime),
  };
  const jws = signCompact(chain.key, 'aksgw-checkpoint', checkpoint);
  signed.push(jws);
  const line = composeLine(chain, { event: 'checkpoint', members: { checkpoint, signature: detach(jws) }, at });
  chain.prevCheckpoint = line.hash;
  return line;
}

/** The line that ends a batch: its signature is over the line itself without it, and so, by `prev`, over all before. */
function composeSignature(chain: Chain, at: Moment, final: boolean) {
  const own = {
    ...chained(chain, 'batch.signed', at),
    maxTime: rfc3339(chain.maxTime),
    lagMs: chain.lagMs,
    final: final ? true : undefined,
  };
  const jws = signCompact(chain.key, 'aksgw-batch', own);
  const members = { ...own, signature: detach(jws) };
  const text = canonicalJson(members);
  chain.seq += 1;
  chain.prev = hashLine(text);
  return { text, jws, seq: own.seq, hash: chain.prev, time: own.time, members };
}
