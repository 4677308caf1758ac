import { hash as digest } from 'node:crypto';
import type { AppendLog } from '../../store/append-log.ts';
import { type Head, hashLine } from '../chain.ts';
import { type Claims, createClaims } from './claims.ts';
import { type Finding, type FindingKind, type Findings, createFindings } from './findings.ts';
import { type OpenCommand, createPairing } from './pairing.ts';
import { createLineScanner } from './scan.ts';
import { meaning } from './report.ts';
import { peekPayload, verifyCompact } from '../signature.ts';
import { type StreamFacts, verifyStream } from './verify-stream.ts';

/** What a verifier keeps from one time to the next: what was there must still be there. */
export interface TrailState {
  readonly version: 1;
  /** Thumbprints (RFC 7638) of the root keys that were believed. */
  readonly rootKeys: readonly string[];
  readonly streams: Readonly<Record<string, { readonly seq: number; readonly hash: string }>>;
}

export interface VerifyOptions {
  /** Thumbprints of the root keys to believe; without them (and without `state`) the streams' own word is taken, and the report says so. */
  readonly rootKeys?: readonly string[] | undefined;
  readonly state?: TrailState | undefined;
  /** Receipts that callers kept: compact JWS. */
  readonly receipts?: readonly string[] | undefined;
  /** Checkpoints from the second place: compact JWS. */
  readonly copies?: readonly string[] | undefined;
  /** True for an export by time: what is not in it is no finding. */
  readonly partial?: boolean | undefined;
  /** Epoch ms: an intent without outcome is a finding once it is older than `graceMs`. Without it, the time of the trail's last line. */
  readonly now?: number | undefined;
  /** How long a command may be without an outcome: default 2 h, above the longest time-out. */
  readonly graceMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface StreamReport {
  readonly stream: string;
  readonly events: number;
  readonly lastSeq: number;
  readonly lastTime?: string | undefined;
  readonly closed: boolean;
  /** The last seq under a signature of the stream's key, -1 for none. */
  readonly signedUpTo: number;
  /** The last seq that something outside the stream has seen, -1 for none. */
  readonly witnessedUpTo: number;
  readonly rootKeyId?: string | undefined;
}

export interface VerificationReport {
  /** `sound` when nothing is broken or suspect: see what that proves, and what not. */
  readonly verdict: 'sound' | 'suspect' | 'broken';
  readonly streams: readonly StreamReport[];
  readonly events: number;
  readonly commands: { readonly paired: number; readonly open: readonly OpenCommand[] };
  /** The first hundred of each kind, in the order of streams. */
  readonly findings: readonly Finding[];
  readonly counts: Readonly<Partial<Record<FindingKind, number>>>;
  readonly proves: readonly string[];
  readonly doesNotProve: readonly string[];
  /** To keep for the next time; pins nothing that was found broken. */
  readonly state: TrailState;
}

const DEFAULT_GRACE_MS = 2 * 60 * 60_000;

/**
 * Reads the whole trail and says what it proves (spec/audit.md, "What verification says"). Streams are read newest first, since
 * what newer ones saw of older ones can then be compared in passing. Rejects with StorageUnavailable.
 */
export async function verifyTrail(log: AppendLog, options: VerifyOptions = {}): Promise<VerificationReport> {
  const findings = createFindings();
  const partial = options.partial ?? false;
  const claims = createClaims(findings, partial);
  const pairing = partial ? undefined : createPairing(findings);
  const believed = options.rootKeys ?? options.state?.rootKeys;
  const rootKeys = believed && believed.length > 0 ? new Set(believed) : undefined;

  for (const [stream, { seq, hash }] of Object.entries(options.state?.streams ?? {}))
    claims.add({ stream, seq, hash, by: 'Your own state file', outside: true });

  const facts = new Map<string, StreamFacts>();
  const scanner = createLineScanner();
  for (const stream of (await log.streams()).toReversed()) {
    options.signal?.throwIfAborted();
    facts.set(
      stream,
      await verifyStream(
        { log, scanner, findings, claims, pairing, rootKeys, partial, signal: options.signal },
        stream,
      ),
    );
  }
  for (const receipt of options.receipts ?? []) await claimOf(receipt, 'receipt', facts, findings, claims);
  for (const copy of options.copies ?? []) await claimOf(copy, 'copy', facts, findings, claims);
  await lookAgain(log, claims, facts, findings);
  claims.finish();
  if (!partial) explainEnds(facts, findings);

  const { paired, open } = pairing?.finish((stream) => facts.get(stream)?.closed === false) ?? { paired: 0, open: [] };
  const now = options.now ?? Math.max(0, ...[...facts.values()].map(({ lastTime }) => Date.parse(lastTime ?? '') || 0));
  for (const command of open)
    if (now - command.intendedAt > (options.graceMs ?? DEFAULT_GRACE_MS))
      findings.add('intent-without-outcome', command, `Command ${command.commandId} was intended and has no outcome`);

  const streams = [...facts.values()]
    .toReversed()
    .map(({ stream, events, lastSeq, lastTime, closed, signedUpTo, rootKeyId }): StreamReport => ({
      stream,
      events,
      lastSeq,
      lastTime,
      closed,
      signedUpTo,
      witnessedUpTo: claims.witnessed(stream),
      rootKeyId,
    }));
  const report = {
    verdict: findings.verdict(),
    streams,
    events: streams.reduce((sum, { events }) => sum + events, 0),
    commands: { paired, open },
    findings: findings.list.toSorted((a, b) => a.stream.localeCompare(b.stream)),
    counts: findings.counts(),
    state: newState(options, facts, findings),
  };
  return { ...report, ...meaning(report, { pinned: rootKeys !== undefined, partial, facts: [...facts.values()] }) };
}

const signedThings = {
  receipt: { typ: 'aksgw-receipt', invalid: 'receipt-invalid', by: 'A receipt' },
  copy: { typ: 'aksgw-checkpoint', invalid: 'copy-invalid', by: 'A copied checkpoint' },
} as const;

/** Makes a claim of a receipt or a copied checkpoint, if the key of the stream that it names did sign it. */
async function claimOf(
  jws: string,
  what: keyof typeof signedThings,
  facts: ReadonlyMap<string, StreamFacts>,
  findings: Findings,
  claims: Claims,
): Promise<void> {
  const { typ, invalid, by } = signedThings[what];
  const { stream, seq, hash } = (peekPayload(jws) ?? {}) as Partial<Head>;
  if (
    typeof stream !== 'string' ||
    typeof hash !== 'string' ||
    seq === undefined ||
    !Number.isSafeInteger(seq) ||
    seq < 0
  ) {
    findings.add(invalid, { stream: '' }, `${by} is none: ${jws.slice(0, 40)}…`);
    return;
  }
  const known = facts.get(stream);
  if (!known) findings.add(invalid, { stream, seq }, `${by} is of a stream that is not there`);
  else if (!known.key)
    findings.add(invalid, { stream, seq }, `${by} cannot be checked: the stream's opening is not valid`);
  else if ((await verifyCompact(jws, typ, known.key)) === undefined)
    findings.add(invalid, { stream, seq }, `${by} is not signed by the key of the stream that it names`);
  else claims.add({ stream, seq, hash, by: `${by} (seq ${seq})`, outside: true });
}

const seqMember = Buffer.from('"seq":', 'latin1');

/** A line's own seq: in canonical order nothing after it holds another. */
function lineSeq(bytes: Buffer): number {
  const at = bytes.lastIndexOf(seqMember);
  return at === -1
    ? -1
    : Number.parseInt(bytes.toString('latin1', at + seqMember.length, at + seqMember.length + 17), 10);
}

/** Reads streams again for what was said of them after they had been read: only the lines in question are hashed. */
async function lookAgain(
  log: AppendLog,
  claims: Claims,
  facts: ReadonlyMap<string, StreamFacts>,
  findings: Findings,
): Promise<void> {
  const torn = continuedTails(facts);
  const late = claims.late();
  for (const stream of new Set([...late.keys(), ...torn.keys()])) {
    const wanted = late.get(stream);
    const tails = torn.get(stream) ?? [];
    for await (const line of log.read(stream)) {
      if (!line.complete) continue;
      const seq = lineSeq(line.bytes);
      const place = { stream, seq, position: line.position };
      if (wanted?.has(seq)) claims.line(stream, seq, hashLine(line.bytes), place);
      for (const tail of tails)
        if (seq === tail.seq + 1 && !beginsWith(line.bytes, tail))
          findings.add('history-replaced', place, 'A recovery saw another beginning of this line');
    }
    claims.end(stream, facts.get(stream)?.lastSeq ?? -1);
  }
}

/** Torn tails that were seen of streams that went on: their writer lived, and the line was only half written at that moment. */
function continuedTails(facts: ReadonlyMap<string, StreamFacts>): ReadonlyMap<string, readonly Head[]> {
  const tails = new Map<string, Head[]>();
  for (const { recovered } of facts.values())
    for (const { lost } of recovered)
      if (lost.torn && (facts.get(lost.stream)?.lastSeq ?? -1) > lost.seq)
        tails.set(lost.stream, [...(tails.get(lost.stream) ?? []), lost]);
  return tails;
}

function beginsWith(line: Buffer, { torn }: Head): boolean {
  if (!torn) return true;
  const start = Buffer.concat([line, Buffer.from('\n')]).subarray(0, torn.bytes);
  return digest('sha256', start, 'hex') === torn.sha256;
}

/** How each stream ends: closed, broken off and explained by the next, or broken off by nobody knows whom. */
function explainEnds(facts: ReadonlyMap<string, StreamFacts>, findings: Findings): void {
  const recoveries = [...facts.values()].flatMap(({ recovered }) => recovered);
  for (const { stream, lastSeq, torn, tornPlace, closed } of facts.values()) {
    const explained = recoveries.filter(({ lost }) => lost.stream === stream && lost.seq === lastSeq);
    const place = tornPlace ?? { stream, seq: lastSeq };
    if (torn) {
      const by = explained.find(({ lost }) => lost.torn?.bytes === torn.bytes && lost.torn.sha256 === torn.sha256);
      if (by)
        findings.add(
          'recovered-tail',
          place,
          `A crash left ${torn.bytes} bytes of a line; ${by.place.stream} recovered`,
        );
      else
        findings.add(
          'torn-tail',
          place,
          `The stream ends in ${torn.bytes} bytes of a line, which no recovery explains`,
        );
    } else if (explained.some(({ lost }) => lost.torn)) {
      findings.add('history-replaced', place, 'A recovery saw a torn tail here; it was taken away');
    } else if (lastSeq === -1) {
      if (explained.length === 0)
        findings.add('stream-empty', place, 'The stream has no line, which no recovery explains');
    } else if (!closed) {
      findings.add(
        'not-closed',
        place,
        `The stream is not closed: its process was killed, lives on, or its end was cut off`,
      );
    }
  }
}

/** What was found whole is pinned for the next time; a broken trail pins nothing new. */
function newState(options: VerifyOptions, facts: ReadonlyMap<string, StreamFacts>, findings: Findings): TrailState {
  const before = options.state ?? { version: 1, rootKeys: [], streams: {} };
  if (findings.verdict() === 'broken' || options.partial) return before;
  const seen = [...facts.values()].map(({ rootKeyId }) => rootKeyId).filter((id) => id !== undefined);
  const pins = [...facts.values()]
    .filter(({ lastSeq }) => lastSeq >= 0)
    .map(({ stream, lastSeq, lastHash }) => [stream, { seq: lastSeq, hash: lastHash }] as const);
  return {
    version: 1,
    rootKeys: [...new Set(options.rootKeys ?? [...before.rootKeys, ...seen])].sort(),
    streams: { ...before.streams, ...Object.fromEntries(pins) },
  };
}
