import { hash as digest } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import type { AppendLog, LogLine } from '../../store/append-log.ts';
import { GENESIS, type Checkpoint, type Head, type Opening, type PublicJwk, hashLine } from '../chain.ts';
import type { Claims } from './claims.ts';
import { eventCodes } from '../events.ts';
import type { Findings, Place } from './findings.ts';
import type { Pairing } from './pairing.ts';
import { type LineScanner, type Span } from './scan.ts';
import { attach, publicJwk, verifyCompact } from '../signature.ts';
import { LINE_VERSION } from '../write/writer.ts';

/** Between two readings of a clock for one line, and between wall and monotonic time from line to line. */
const CLOCK_TOLERANCE_MS = 1_000;
/** The store's clock is another machine's. */
const STORE_TOLERANCE_MS = 5 * 60_000;
/** Checkpoints come at least every 60 s: spec/audit.md. */
const HEARTBEAT_TOLERANCE_MS = 150_000;

/** What is known of a stream once it has been read. */
export interface StreamFacts {
  readonly stream: string;
  readonly events: number;
  /** -1 when there is no line. */
  readonly lastSeq: number;
  readonly lastHash: string;
  readonly lastTime: string | undefined;
  readonly closed: boolean;
  /** The last seq under a checkpoint's signature; -1 for none. */
  readonly signedUpTo: number;
  readonly key: PublicJwk | undefined;
  readonly rootKeyId: string | undefined;
  readonly hmacKey: Opening['hmacKey']['alg'] | undefined;
  readonly torn: Head['torn'];
  readonly tornPlace: Place | undefined;
  /** What its `recovered` lines say of other streams. */
  readonly recovered: readonly { readonly lost: Head; readonly place: Place }[];
}

export interface StreamContext {
  readonly log: AppendLog;
  readonly scanner: LineScanner;
  readonly findings: Findings;
  readonly claims: Claims;
  /** Undefined for an export, of which intents and outcomes may be missing. */
  readonly pairing: Pairing | undefined;
  /** Thumbprints of the root keys that are believed; undefined to believe what the streams say. */
  readonly rootKeys: ReadonlySet<string> | undefined;
  /** An export: lines between the opening and its first may be missing. */
  readonly partial: boolean;
  readonly signal?: AbortSignal | undefined;
}

const severities = new Map(Object.values(eventCodes).map((code) => [Number(code.slice(3, 6)), code.charCodeAt(6)]));

/** Reads one stream to its end, adding to findings, claims and pairing as it goes. */
export async function verifyStream(context: StreamContext, stream: string): Promise<StreamFacts> {
  const { log, scanner, findings, claims, pairing, partial } = context;
  const { members } = scanner;
  const ownName = Buffer.from(`"${stream}"`, 'latin1');
  const recovered: { lost: Head; place: Place }[] = [];
  const readTime = createTimeReader();

  let expected = 0;
  let prev = GENESIS;
  let events = 0;
  let lastTime: string | undefined;
  let lastMono = -1;
  let lastWall = 0;
  let closed = false;
  let key: PublicJwk | undefined;
  let keyId: string | undefined;
  let rootKeyId: string | undefined;
  let hmacKey: Opening['hmacKey']['alg'] | undefined;
  let prevCheckpoint = GENESIS;
  let signedUpTo = -1;
  let gap = partial;
  let torn: LogLine | undefined;

  for await (const line of log.read(stream)) {
    if (events % 4096 === 0) context.signal?.throwIfAborted();
    const { bytes, position } = line;
    const place: Place = { stream, seq: expected, position };
    if (torn)
      findings.add(
        'torn-line',
        { stream, seq: expected, position: torn.position },
        'A line breaks off, and others follow it',
      );
    torn = undefined;
    if (!line.complete) {
      torn = line;
      continue;
    }
    events += 1;
    const hash = hashLine(bytes);

    const bad = scanner.scan(bytes);
    if (bad !== -1) {
      findings.add('not-canonical', place, `The line is not canonical JSON from its byte ${bad} on`);
      claims.line(stream, expected, hash, place);
      prev = hash;
      expected += 1;
      continue;
    }

    const seq = readInteger(bytes, members.seq);
    const mono = readInteger(bytes, members.monoMs);
    const wall = readTime(bytes, members.time);
    const code = readCode(bytes, members.code);
    if (seq < 0 || mono < 0 || wall < 0 || readInteger(bytes, members.v) !== LINE_VERSION)
      findings.add('member-invalid', place, 'One of v, seq, monoMs, time is missing or has another form');
    if (code < 0) findings.add('code-unknown', place, 'No such event code');
    if (!equals(bytes, members.stream, ownName))
      findings.add('foreign-line', place, 'The line belongs to another stream');

    if (closed) findings.add('after-close', place, 'A line stands after the close of the stream');
    const jump = gap && seq > expected && expected <= 1;
    if (jump) gap = false;
    else {
      if (seq !== expected) findings.add('seq-broken', place, `seq ${seq} stands where ${expected} belongs`);
      if (!equalsHex(bytes, members.prev, prev))
        findings.add(
          'chain-broken',
          place,
          `The line does not follow the one before it: that one (seq ${expected - 1}) was changed, or this one is not the one that followed`,
        );
    }
    if (!jump && lastMono >= 0) {
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
    claims.line(stream, seq, hash, place);
    const here: Place = seq >= 0 ? { stream, seq, position } : place;

    if (code >= 300 && code <= 308 && pairing) pair(pairing, bytes, members.commandId, code, here, wall);
    else if (code <= 3 && code >= 0) await special(code, line, here, hash);
    if ((code === 0) !== (expected === 0))
      findings.add(
        expected === 0 ? 'opening-missing' : 'opening-invalid',
        here,
        expected === 0 ? 'The stream does not begin with its opening' : 'A second opening',
      );

    prev = hash;
    expected = (seq >= 0 ? seq : expected) + 1;
    lastMono = mono;
    lastWall = wall;
    lastTime = bytes.toString('latin1', members.time.start + 1, members.time.end - 1);
  }

  async function special(code: number, line: LogLine, place: Place, hash: string): Promise<void> {
    const members = JSON.parse(line.text) as {
      readonly opening?: Opening;
      readonly checkpoint?: Checkpoint;
      readonly lost?: Head;
      readonly signature?: unknown;
      readonly prev: string;
      readonly time: string;
    };
    const signature = typeof members.signature === 'string' ? members.signature : '';
    if (code === 0) await opening(members.opening, signature, place);
    else if (code === 1) {
      await checkpoint(members.checkpoint, signature, members.prev, place);
      prevCheckpoint = hash;
    } else if (code === 2) closed = true;
    else if (isHead(members.lost)) {
      recovered.push({ lost: members.lost, place });
      claimHeads([members.lost], `The recovery in ${stream} (seq ${place.seq ?? '?'})`);
    } else findings.add('member-invalid', place, 'A recovery that does not say of what');
  }

  async function opening(what: Opening | undefined, signature: string, place: Place): Promise<void> {
    const problem = await openingProblem(what, signature, stream);
    if (problem !== undefined || what === undefined) {
      findings.add('opening-invalid', place, problem ?? 'The opening says nothing');
      return;
    }
    if (context.rootKeys && !context.rootKeys.has(what.rootKeyId))
      findings.add(
        'root-key-unknown',
        place,
        `The stream was opened with root key ${what.rootKeyId}, which is not one of yours`,
      );
    ({ key, keyId, rootKeyId } = what);
    hmacKey = what.hmacKey.alg;
    claimHeads(what.heads, `The opening of ${stream}`);
  }

  async function checkpoint(
    what: Checkpoint | undefined,
    signature: string,
    before: string,
    place: Place,
  ): Promise<void> {
    const wrong = (message: string): void => findings.add('checkpoint-invalid', place, message);
    if (!what || !Array.isArray(what.heads) || !what.heads.every(isHead)) return wrong('The checkpoint says nothing');
    if (what.stream !== stream || what.seq !== (place.seq ?? 0) - 1 || what.hash !== before)
      wrong('The checkpoint is over another line than the one before it');
    // An export may leave out the checkpoint before.
    if (what.prevCheckpoint !== prevCheckpoint && !(partial && prevCheckpoint === GENESIS))
      wrong('The checkpoint does not name the one before it');
    if (!key) {
      if (!partial) wrong('There is no key to check the checkpoint with');
      return;
    }
    if ((await verifyCompact(attach(signature, what), 'aksgw-checkpoint', key)) === undefined)
      return wrong("The checkpoint's signature is not the stream key's");
    signedUpTo = what.seq;
    claimHeads(what.heads, `A checkpoint in ${stream} (seq ${place.seq ?? '?'})`);
    const stored = what.storeTime === undefined ? undefined : Date.parse(what.storeTime);
    if (stored !== undefined && Math.abs(stored - lastWall) > STORE_TOLERANCE_MS && lastMono >= 0)
      findings.add('store-clock', place, `The store's clock said ${what.storeTime ?? ''}, the gateway's ${what.time}`);
  }

  function claimHeads(heads: readonly Head[], by: string): void {
    for (const head of heads)
      if (isHead(head)) claims.add({ stream: head.stream, seq: head.seq, hash: head.hash, by, outside: true });
  }

  claims.end(stream, expected - 1);
  if (partial && key === undefined && events > 0)
    findings.add(
      'opening-not-exported',
      { stream },
      'The opening is not in the export, so no signature could be checked',
    );
  return {
    stream,
    events,
    lastSeq: expected - 1,
    lastHash: prev,
    lastTime,
    closed,
    signedUpTo,
    key: keyId === undefined ? undefined : key,
    rootKeyId,
    hmacKey,
    torn: torn && { bytes: torn.bytes.length, sha256: digest('sha256', torn.bytes, 'hex') },
    tornPlace: torn && { stream, seq: expected, position: torn.position },
    recovered,
  };
}

async function openingProblem(
  what: Opening | undefined,
  signature: string,
  stream: string,
): Promise<string | undefined> {
  try {
    if (!what || !Array.isArray(what.heads) || typeof what.hmacKey?.alg !== 'string') return 'The opening says nothing';
    if (what.stream !== stream) return `The opening is that of ${what.stream}`;
    if ((await calculateJwkThumbprint(publicJwk(what.key))) !== what.keyId)
      return "The stream's key is not the one that keyId names";
    const root = publicJwk(what.root);
    if ((await calculateJwkThumbprint(root)) !== what.rootKeyId)
      return 'The root key is not the one that rootKeyId names';
    if ((await verifyCompact(attach(signature, what), 'aksgw-stream', root)) === undefined)
      return "The opening's signature is not the root key's";
    return undefined;
  } catch (error) {
    if (error instanceof TypeError) return 'The opening has no P-256 keys';
    throw error;
  }
}

function pair(pairing: Pairing, bytes: Buffer, span: Span, code: number, place: Place, wall: number): void {
  const commandId = bytes.toString('utf8', span.start + 1, Math.max(span.end - 1, span.start + 1));
  if (code === 300) pairing.intent(commandId, place, wall);
  else if (code === 302) pairing.sent(commandId, place);
  else if (code !== 301 && code !== 307) pairing.outcome(commandId, { code, exitCode: readExitCode(bytes) }, place);
}

const exitCodeMember = Buffer.from('"exitCode":', 'latin1');

/** These very bytes are nowhere but before the member's value: inside a string the quotes would be escaped. */
function readExitCode(bytes: Buffer): number {
  const at = bytes.indexOf(exitCodeMember);
  return at === -1
    ? -1
    : Number.parseInt(bytes.toString('latin1', at + exitCodeMember.length, at + exitCodeMember.length + 8), 10);
}

const isHead = (head: Head | undefined): head is Head =>
  typeof head?.stream === 'string' && Number.isSafeInteger(head.seq) && typeof head.hash === 'string';

/** A natural number from its bytes, -1 for anything else. The scan has seen to its form. */
function readInteger(bytes: Buffer, { start, end }: Span): number {
  if (end === start) return -1;
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = (bytes[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** The number in a known `"AKGnnnX"`, else -1. */
function readCode(bytes: Buffer, { start, end }: Span): number {
  if (end - start !== 9 || bytes.toString('latin1', start, start + 4) !== '"AKG') return -1;
  const number = readInteger(bytes, { start: start + 4, end: start + 7 });
  return severities.get(number) === bytes[start + 7] ? number : -1;
}

function equals(bytes: Buffer, { start, end }: Span, expected: Buffer): boolean {
  return end - start === expected.length && bytes.compare(expected, 0, expected.length, start, end) === 0;
}

const equalsHex = (bytes: Buffer, { start, end }: Span, hex: string): boolean =>
  end - start === 66 && bytes.toString('latin1', start + 1, end - 1) === hex;

/** Epoch ms of `"2026-01-02T03:04:05.678Z"`, -1 for anything else. Lines of one minute share its parse. */
function createTimeReader(): (bytes: Buffer, span: Span) => number {
  let minute = '';
  let base = -1;
  return (bytes, { start, end }) => {
    if (end - start !== 26) return -1;
    const prefix = bytes.toString('latin1', start + 1, start + 18);
    if (prefix !== minute) {
      minute = prefix;
      const parsed = Date.parse(`${prefix}00.000Z`);
      base = Number.isNaN(parsed) || new Date(parsed).toISOString().slice(0, 17) !== prefix ? -1 : parsed;
    }
    const seconds = readInteger(bytes, { start: start + 18, end: start + 20 });
    const millis = readInteger(bytes, { start: start + 21, end: start + 24 });
    const dotted = bytes[start + 20] === 0x2e && bytes[start + 24] === 0x5a;
    return base < 0 || !dotted || seconds < 0 || seconds > 59 || millis < 0 ? -1 : base + seconds * 1000 + millis;
  };
}
