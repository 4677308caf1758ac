import { hash as digest } from 'node:crypto';
import type { JsonObject } from '../../lib/canonical-json.ts';
import { canonicalJson } from '../../lib/canonical-json.ts';
import type { AppendLog, LogLine } from '../../store/append-log.ts';
import { type Checkpoint, GENESIS, type Head, MAX_BATCH_LINES, type Opening, hashLine, rfc3339 } from '../chain.ts';
import type { EventName } from '../events.ts';
import { type VerifyingKey, thumbprint, verifyDetached, verifyingKey } from '../signature.ts';
import { startTime } from '../stream-name.ts';
import type { Findings, LinePlace } from './findings.ts';
import { type ReadLine, readLine } from './line.ts';
import type { Pairing } from './pairing.ts';
import type { RootKeys } from './root-keys.ts';
import type { Witnesses } from './witnesses.ts';

/** Between two readings of a clock for one line, and between wall and monotonic time from line to line. */
const CLOCK_TOLERANCE_MS = 1_000;
/** The store's clock is another machine's. */
const STORE_TOLERANCE_MS = 5 * 60_000;
/** Checkpoints come at least every 60 s. */
const HEARTBEAT_TOLERANCE_MS = 150_000;
/** Signatures that wait for one check: the last one covers the others. */
const MAX_UNCHECKED = 1_000;

/** What another stream's signed line says about how a stream ended. */
interface Recovery {
  readonly lost: Head;
  readonly place: LinePlace;
}

/** What is known of a stream once it has been read. */
export interface StreamFacts {
  readonly stream: string;
  readonly trail: string | undefined;
  readonly events: number;
  /** -1 without any line. */
  readonly lastSeq: number;
  readonly lastHash: string;
  /** Epoch ms of the last line; 0 for none. */
  readonly lastWall: number;
  /** The last seq under a valid signature; -1 for none. */
  readonly signedUpTo: number;
  /** The signed end. */
  readonly final: boolean;
  readonly key: VerifyingKey | undefined;
  readonly rootKeyId: string | undefined;
  /** Epoch ms, as the opening says. */
  readonly openedAt: number;
  readonly hmacKey: Opening['hmacKey']['alg'] | undefined;
  readonly torn: Head['torn'];
  readonly tornPlace: LinePlace | undefined;
  /** What its signed lines say of the ends of other streams. */
  readonly seen: readonly Recovery[];
}

interface StreamContext {
  readonly log: AppendLog;
  readonly findings: Findings;
  readonly witnesses: Witnesses;
  /** Undefined for an export, of which intents and outcomes may be missing. */
  readonly pairing: Pairing | undefined;
  readonly rootKeys: RootKeys;
  /** An export: lines between the opening and its first may be missing. */
  readonly partial: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A signature that was read and not yet checked. */
interface Unchecked {
  readonly seq: number;
  readonly place: LinePlace;
  readonly payload: JsonObject;
  readonly signature: string;
}

interface StreamReading {
  readonly context: StreamContext;
  readonly stream: string;
  /** The seq and `prev` that belong here. */
  expected: number;
  prev: string;
  events: number;
  lastMono: number;
  lastWall: number;
  maxTime: number;
  lagMs: number;
  /** An export's gap may still come. */
  gap: boolean;
  opening: Opening | undefined;
  key: VerifyingKey | undefined;
  prevCheckpoint: string;
  /** The last checkpoint said so, and the batch that holds it. */
  ending: 'no' | 'checkpoint' | 'signed';
  signedUpTo: number;
  unchecked: Unchecked[];
  /** The lines since the last signature, and what they say: it counts once a signature covers it. */
  unsignedLines: number;
  unsigned: (() => void)[];
  readonly seen: Recovery[];
  torn: LogLine | undefined;
}

/** Reads one stream to its end, adding to findings, witnesses and pairing as it goes. */
export async function verifyStream(context: StreamContext, stream: string): Promise<StreamFacts> {
  const reading: StreamReading = {
    context,
    stream,
    expected: 0,
    prev: GENESIS,
    events: 0,
    lastMono: -1,
    lastWall: 0,
    maxTime: startTime(stream),
    lagMs: 0,
    gap: context.partial,
    opening: undefined,
    key: undefined,
    prevCheckpoint: GENESIS,
    ending: 'no',
    signedUpTo: -1,
    unchecked: [],
    unsignedLines: 0,
    unsigned: [],
    seen: [],
    torn: undefined,
  };
  for await (const line of context.log.read(stream)) {
    if (reading.events % 4096 === 0) context.signal?.throwIfAborted();
    takeLine(reading, line);
  }
  checkSignatures(reading);
  context.witnesses.end(stream, reading.expected - 1);
  if (context.partial && !reading.key && reading.events > 0)
    context.findings.add(
      'opening-not-exported',
      { stream },
      'The opening is not in the export, so no signature could be checked',
    );
  return factsOf(reading);
}

function factsOf(reading: StreamReading): StreamFacts {
  const { stream, opening, torn, expected } = reading;
  return {
    stream,
    trail: opening?.trail.id,
    events: reading.events,
    lastSeq: expected - 1,
    lastHash: reading.prev,
    lastWall: reading.lastWall,
    signedUpTo: reading.signedUpTo,
    final: reading.ending === 'signed' && reading.signedUpTo === expected - 1,
    key: reading.key,
    rootKeyId: opening?.rootKeyId,
    openedAt: opening ? Date.parse(opening.time) : 0,
    hmacKey: opening?.hmacKey.alg,
    torn: torn && { bytes: torn.bytes.length, sha256: digest('sha256', torn.bytes, 'hex') },
    tornPlace: torn && { stream, seq: expected, position: torn.position },
    seen: reading.seen,
  };
}

function takeLine(reading: StreamReading, line: LogLine): void {
  const { context, stream, expected } = reading;
  const { findings, witnesses } = context;
  const place: LinePlace = { stream, seq: expected, position: line.position };
  if (reading.torn)
    findings.add('torn-line', { ...place, position: reading.torn.position }, 'A line breaks off, and others follow it');
  reading.torn = line.complete ? undefined : line;
  if (!line.complete) return;

  reading.events += 1;
  const hash = hashLine(line.bytes);
  const read = readLine(line.bytes);
  if ('kind' in read) {
    findings.add(read.kind, place, read.message);
    witnesses.line(stream, expected, hash, 0, place);
    reading.prev = hash;
    reading.expected += 1;
    return;
  }
  const here = { stream, seq: read.seq, position: line.position };
  const jump = checkPlace(reading, read, place);
  if (!jump) checkClocks(reading, read, here);
  witnesses.line(stream, read.seq, hash, read.wall, here);
  reading.maxTime = Math.max(reading.maxTime, read.wall);
  reading.lagMs = Math.max(reading.lagMs, reading.maxTime - read.wall);
  takeEvent(reading, read, here, hash);
  reading.prev = hash;
  reading.expected = read.seq + 1;
  reading.lastMono = read.mono;
  reading.lastWall = read.wall;
}

/** Whether the line stands where it belongs. Gives true for the one gap that an export may have. */
function checkPlace(reading: StreamReading, { stream, seq, prev, event }: ReadLine, place: LinePlace): boolean {
  const { context, expected } = reading;
  const { findings } = context;
  if (stream !== reading.stream) findings.add('foreign-line', place, 'The line belongs to another stream');
  if (reading.ending === 'signed') findings.add('after-close', place, 'A line stands after the end of the stream');
  if (reading.ending === 'checkpoint' && event !== 'batch.signed')
    findings.add('after-close', place, 'A line stands after the final checkpoint');
  if ((event === 'stream.opened') !== (expected === 0))
    findings.add(
      expected === 0 ? 'opening-missing' : 'opening-invalid',
      place,
      expected === 0 ? 'The stream does not begin with its opening' : 'A second opening',
    );
  if (reading.gap && seq > expected && expected <= 2) {
    reading.gap = false;
    reading.maxTime = 0;
    reading.lagMs = 0;
    return true;
  }
  if (seq !== expected) findings.add('seq-broken', place, `seq ${seq} stands where ${expected} belongs`);
  if (prev !== reading.prev)
    findings.add(
      'chain-broken',
      place,
      `The line does not follow the one before it: that one (seq ${expected - 1}) was changed, or this one is not the one that followed`,
    );
  return false;
}

function checkClocks({ context, lastMono, lastWall }: StreamReading, { wall, mono }: ReadLine, place: LinePlace): void {
  if (lastMono < 0) return;
  const { findings } = context;
  if (mono < lastMono)
    findings.add('monotonic-back', place, `The monotonic clock runs back from ${lastMono} to ${mono} ms`);
  const drift = wall - lastWall - (mono - lastMono);
  if (Math.abs(drift) > CLOCK_TOLERANCE_MS)
    findings.add(
      'clock-stepped',
      place,
      `The wall clock was ${drift < 0 ? 'set back' : 'put forward'} by ${Math.abs(drift)} ms`,
    );
  if (mono - lastMono > HEARTBEAT_TOLERANCE_MS)
    findings.add(
      'heartbeat-missing',
      place,
      `Nothing was written for ${Math.round((mono - lastMono) / 1000)} s, not even a checkpoint`,
    );
}

function takeEvent(
  reading: StreamReading,
  { event, value, prev, wall }: ReadLine,
  place: LinePlace,
  hash: string,
): void {
  const { pairing } = reading.context;
  // The schema has seen to their forms.
  const { opening, checkpoint, lost, signature } = value as unknown as Members;
  if (event === 'batch.signed') {
    takeSignature(reading, value, place);
    return;
  }
  if (event === 'stream.opened') takeOpening(reading, opening, signature, place);
  else if (event === 'checkpoint') {
    takeCheckpoint(reading, checkpoint, signature, { place, prev, wall });
    reading.prevCheckpoint = hash;
  } else if (event === 'recovered') reading.unsigned.push(() => see(reading, [lost], place, wall));
  else if (pairing && 'commandId' in value) reading.unsigned.push(() => pair(pairing, event, value, place, wall));
  reading.unsignedLines += 1;
  if (reading.unsignedLines === MAX_BATCH_LINES + 1)
    reading.context.findings.add('batch-invalid', place, `More than ${MAX_BATCH_LINES} lines without a signature`);
  if (reading.unsignedLines > MAX_BATCH_LINES) reading.unsigned = [];
}

interface Members {
  readonly opening: Opening;
  readonly checkpoint: Checkpoint;
  readonly lost: Head;
  readonly signature: string;
  readonly commandId: string;
  readonly outcome?: { readonly exitCode?: number };
}

function pair(pairing: Pairing, event: EventName, value: JsonObject, place: LinePlace, wall: number): void {
  const { commandId, outcome } = value as unknown as Members;
  pairing.take(event, commandId, outcome?.exitCode ?? -1, place, wall);
}

function takeOpening(reading: StreamReading, opening: Opening, signature: string, place: LinePlace): void {
  const { context, stream } = reading;
  const problem = openingProblem(opening, signature, stream);
  if (problem !== undefined) {
    context.findings.add('opening-invalid', place, problem);
    return;
  }
  context.rootKeys.judge(opening, place);
  reading.opening = opening;
  reading.key = verifyingKey(opening.key);
  see(reading, opening.heads, place, Date.parse(opening.time));
}

function openingProblem(opening: Opening, signature: string, stream: string): string | undefined {
  try {
    if (opening.stream !== stream) return `The opening is that of ${opening.stream}`;
    if (verifyingKey(opening.key).keyId !== opening.keyId) return "The stream's key is not the one that keyId names";
    if (thumbprint(opening.root) !== opening.rootKeyId) return 'The root key is not the one that rootKeyId names';
    return verifyDetached(signature, 'aksgw-stream', verifyingKey(opening.root), canonicalJson(opening))
      ? undefined
      : "The opening's signature is not the root key's";
  } catch (error) {
    if (error instanceof TypeError) return 'The opening has no P-256 keys';
    throw error;
  }
}

function takeCheckpoint(
  reading: StreamReading,
  checkpoint: Checkpoint,
  signature: string,
  { place, prev, wall }: { readonly place: LinePlace; readonly prev: string; readonly wall: number },
): void {
  const { context, stream, key, prevCheckpoint, opening } = reading;
  const wrong = (message: string): void => context.findings.add('checkpoint-invalid', place, message);
  if (checkpoint.stream !== stream || checkpoint.seq !== (place.seq ?? 0) - 1 || checkpoint.hash !== prev)
    wrong('The checkpoint is over another line than the one before it');
  if (opening && checkpoint.trail !== opening.trail.id) wrong('The checkpoint is of another trail');
  // An export may leave out the checkpoint before.
  if (checkpoint.prevCheckpoint !== prevCheckpoint && !(context.partial && prevCheckpoint === GENESIS))
    wrong('The checkpoint does not name the one before it');
  if (!key) {
    if (!context.partial) wrong('There is no key to check the checkpoint with');
    return;
  }
  if (!verifyDetached(signature, 'aksgw-checkpoint', key, canonicalJson(checkpoint))) {
    wrong("The checkpoint's signature is not the stream key's");
    return;
  }
  // It covers the signatures before it.
  reading.unchecked = [];
  reading.signedUpTo = Math.max(reading.signedUpTo, checkpoint.seq);
  if (checkpoint.final) reading.ending = 'checkpoint';
  see(reading, checkpoint.heads, place, wall);
  const stored = checkpoint.storeTime === undefined ? undefined : Date.parse(checkpoint.storeTime);
  if (stored !== undefined && Math.abs(stored - reading.lastWall) > STORE_TOLERANCE_MS && reading.lastMono >= 0)
    context.findings.add(
      'store-clock',
      place,
      `The store's clock said ${checkpoint.storeTime ?? ''}, the gateway's ${checkpoint.time}`,
    );
}

function takeSignature(reading: StreamReading, value: JsonObject, place: LinePlace): void {
  const { context, maxTime, lagMs, ending, gap } = reading;
  const { signature, ...payload } = value as JsonObject & { readonly signature: string };
  // After an export's gap nobody knows the times before it.
  if ((!context.partial || gap) && (payload['maxTime'] !== rfc3339(maxTime) || payload['lagMs'] !== lagMs))
    context.findings.add('batch-invalid', place, 'The batch says other times of the stream than its lines');
  if ((payload['final'] === true) !== (ending === 'checkpoint'))
    context.findings.add('batch-invalid', place, 'The batch and its checkpoint differ about the end of the stream');
  if (ending === 'checkpoint') reading.ending = 'signed';
  for (const count of reading.unsigned) count();
  reading.unsigned = [];
  reading.unsignedLines = 0;
  reading.unchecked.push({ seq: place.seq ?? -1, place, payload, signature });
  if (reading.unchecked.length > MAX_UNCHECKED) checkSignatures(reading);
}

/** A signature covers everything before it, those before it included: the last one is checked, the others only if it is wrong. */
function checkSignatures(reading: StreamReading): void {
  const { key, context } = reading;
  for (const { seq, place, payload, signature } of reading.unchecked.toReversed()) {
    if (key && verifyDetached(signature, 'aksgw-batch', key, canonicalJson(payload))) {
      reading.signedUpTo = seq;
      break;
    }
    if (key || !context.partial)
      context.findings.add('signature-invalid', place, "The batch's signature is not the stream key's");
  }
  reading.unchecked = [];
}

/** What a signed line says of the ends of other streams. */
function see(reading: StreamReading, heads: readonly Head[], place: LinePlace, at: number): void {
  const { witnesses } = reading.context;
  for (const lost of heads) {
    reading.seen.push({ lost, place });
    witnesses.add({
      stream: lost.stream,
      seq: lost.seq,
      hash: lost.hash,
      kind: 'head',
      by: `${reading.stream} (seq ${place.seq ?? '?'})`,
      at,
    });
  }
}
