import { systemClock } from '../../clock.ts';
import type { AppendLog, Stranger } from '../../store/append-log.ts';
import { rfc3339 } from '../chain.ts';
import { isGatewayStream } from '../stream-name.ts';
import { TRAIL_FILE } from '../trail-identity.ts';
import { judgeEnds, judgeExportedEnds, lookAgain } from './ends.ts';
import { type EvidenceReport, judgeEvidence } from './evidence.ts';
import { type Findings, createFindings } from './findings.ts';
import { type OpenCommand, createPairing } from './pairing.ts';
import { meaning } from './report.ts';
import type { StreamReport, VerificationReport } from './verification-report.ts';
import { type RootKeys, createRootKeys } from './root-keys.ts';
import { emptyState, type TrailState } from './state.ts';
import { type StreamFacts, verifyStream } from './verify-stream.ts';
import { type Witnesses, createWitnesses } from './witnesses.ts';

export interface VerifyOptions {
  /** Thumbprints of the root keys to believe, beside those of `state`. Without any the streams' own word is taken, which proves nothing. */
  readonly rootKeys?: readonly string[] | undefined;
  readonly state?: TrailState | undefined;
  /** Receipts that callers kept: compact JWS. */
  readonly receipts?: Iterable<string> | AsyncIterable<string> | undefined;
  /** Signatures from the second place: compact JWS. */
  readonly copies?: Iterable<string> | AsyncIterable<string> | undefined;
  /** True for an export by time: what is missing from it is not a finding. */
  readonly partial?: boolean | undefined;
  /** Epoch ms, by the verifier's own clock; default: the real time. */
  readonly now?: number | undefined;
  /** How long a command may be without an outcome: default 2 h, above the longest time-out. */
  readonly graceMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_GRACE_MS = 2 * 60 * 60_000;

interface Context {
  readonly log: AppendLog;
  readonly options: VerifyOptions;
  readonly state: TrailState;
  readonly now: number;
  readonly findings: Findings;
  readonly witnesses: Witnesses;
  readonly rootKeys: RootKeys;
  readonly facts: Map<string, StreamFacts>;
}

/**
 * Reads the whole trail and says what it proves (README.md, "What a verdict says"). Streams are read newest first, since what
 * newer ones saw of older ones can then be compared in passing. Rejects with StorageUnavailable.
 */
export async function verifyTrail(log: AppendLog, options: VerifyOptions = {}): Promise<VerificationReport> {
  return verifyInto(log, options, createFindings(acknowledgedIds(options.state)));
}

export const acknowledgedIds = (state: TrailState | undefined): ReadonlySet<string> =>
  new Set((state?.acknowledged ?? []).map(({ id }) => id));

/** The same, with findings that were made before. */
export async function verifyInto(
  log: AppendLog,
  options: VerifyOptions,
  findings: Findings,
): Promise<VerificationReport> {
  const { state = emptyState, partial = false } = options;
  const believed = [...new Set([...(options.rootKeys ?? []), ...state.rootKeys])];
  const context: Context = {
    log,
    options,
    state,
    now: options.now ?? systemClock.now(),
    findings,
    witnesses: createWitnesses(findings, partial),
    rootKeys: createRootKeys(findings, believed, state.keys ?? {}),
    facts: new Map(),
  };
  const pairing = partial ? undefined : createPairing(findings);
  if (!context.rootKeys.named)
    findings.add('root-key-not-named', { stream: '' }, 'No root key was named, so the streams vouch for themselves');
  takeState(context);
  if (!partial) tellStrangers(findings, await log.strangers());
  for (const stream of (await log.streams()).toReversed()) {
    options.signal?.throwIfAborted();
    const { facts, witnesses, rootKeys } = context;
    if (!isGatewayStream(stream))
      findings.add('not-a-stream', { stream }, 'A stream of the gateway has a name of another form');
    facts.set(
      stream,
      await verifyStream({ log, findings, witnesses, pairing, rootKeys, partial, signal: options.signal }, stream),
    );
  }
  const evidence = await takeEvidence(context);
  await lookAgain(log, context.witnesses, context.facts, findings);
  context.witnesses.finish();
  const trail = judgeTrail(context);
  judgeRevoked(context);
  if (partial) judgeExportedEnds(context.facts, findings);
  else judgeEnds(context.facts, context.witnesses, findings, context.now);
  const { paired, open } = pairing?.finish() ?? noCommands;
  judgeOpen(context, open);
  return report(context, { trail, evidence, commands: { paired, open } });
}

const noCommands = { paired: 0, open: [] };

/** What the verifier itself saw the last time. */
function takeState({ state, witnesses }: Context): void {
  for (const [stream, { seq, hash, at }] of Object.entries(state.streams))
    witnesses.add({ stream, seq, hash, kind: 'state', by: 'Your state file', at: Date.parse(at) || 0 });
}

const strangerFindings: Readonly<Record<Stranger['why'], string>> = {
  link: 'is not a regular file, so it is not read',
  name: 'is not named as a segment of a stream, so it is not read',
  gap: 'is not read, since a segment before it is missing',
};

function tellStrangers(findings: Findings, strangers: readonly Stranger[]): void {
  for (const { name, why } of strangers)
    if (name !== TRAIL_FILE) findings.add('not-a-stream', { stream: name }, `${name} ${strangerFindings[why]}`);
}

async function takeEvidence(context: Context): Promise<VerificationReport['evidence']> {
  let valid = 0;
  const other: EvidenceReport[] = [];
  for (const [what, all] of [
    ['receipt', context.options.receipts ?? []],
    ['copy', context.options.copies ?? []],
  ] as const) {
    let number = 0;
    for await (const jws of all) {
      number += 1;
      const judged = judgeEvidence(context, what, jws, number);
      if (judged.judgement === 'valid') valid += 1;
      else other.push(judged);
    }
  }
  return { valid, other };
}

/** A stream of another trail does not belong here, even with a good signature. The trail is the pinned one, or that of most streams. */
function judgeTrail({ facts, state, findings }: Context): string | undefined {
  const counts = new Map<string, number>();
  for (const { trail } of facts.values()) if (trail !== undefined) counts.set(trail, (counts.get(trail) ?? 0) + 1);
  const [most] = [...counts].toSorted(([, a], [, b]) => b - a);
  const own = state.trail ?? most?.[0];
  for (const { stream, trail } of facts.values())
    if (trail !== undefined && trail !== own)
      findings.add(
        'foreign-stream',
        { stream, seq: 0 },
        `The stream belongs to the trail ${trail}, not to ${own ?? 'this one'}`,
      );
  return own;
}

/** What a key that was revoked later has opened before counts as far as it was seen at that time, outside that key's reach. */
function judgeRevoked({ facts, rootKeys, witnesses, findings }: Context): void {
  for (const { stream, rootKeyId = '', openedAt, lastSeq } of facts.values()) {
    const decision = rootKeys.decision(rootKeyId);
    if (decision?.status !== 'revoked' || openedAt >= Date.parse(decision.from)) continue;
    const { upTo } = witnesses.of(stream);
    if (upTo < lastSeq)
      findings.add(
        'root-key-revoked-later',
        { stream, seq: upTo + 1 },
        `The stream's root key was revoked from ${decision.from} on, and nothing outside has seen the stream after seq ${upTo}`,
      );
  }
}

function judgeOpen({ findings, now, options }: Context, open: readonly OpenCommand[]): void {
  for (const command of open)
    if (now - command.intendedAt > (options.graceMs ?? DEFAULT_GRACE_MS))
      findings.add('intent-without-outcome', command, `Command ${command.commandId} was intended and has no outcome`);
}

const verdicts = { broken: 'BROKEN', unproven: 'UNPROVEN', note: 'INTACT' } as const;

function report(
  context: Context,
  { trail, evidence, commands }: Pick<VerificationReport, 'trail' | 'evidence' | 'commands'>,
): VerificationReport {
  const { facts, findings, witnesses, state, rootKeys, options } = context;
  const streams = [...facts.values()].toReversed().map((one): StreamReport => ({
    stream: one.stream,
    events: one.events,
    lastSeq: one.lastSeq,
    lastTime: one.lastSeq === -1 ? undefined : rfc3339(one.lastWall),
    final: one.final,
    signedUpTo: one.signedUpTo,
    witnessedUpTo: witnesses.of(one.stream).upTo,
    rootKeyId: one.rootKeyId,
  }));
  const found = new Set(findings.list.map(({ id }) => id));
  const whole = {
    verdict: verdicts[findings.worst() ?? 'note'],
    trail,
    streams,
    events: streams.reduce((sum, { events }) => sum + events, 0),
    commands,
    findings: findings.list.toSorted((a, b) => a.stream.localeCompare(b.stream)),
    counts: findings.counts(),
    acknowledged: (state.acknowledged ?? []).filter(({ id }) => found.has(id)),
    evidence,
    state: newState(context, trail),
  };
  const circumstances = { partial: options.partial ?? false, named: rootKeys.named, facts: [...facts.values()] };
  return { ...whole, ...meaning(whole, circumstances) };
}

/** What was signed is pinned for the next time; a broken trail pins nothing new, and no key is believed that nobody named. */
function newState({ options, state, facts, findings, rootKeys, now }: Context, trail: string | undefined): TrailState {
  if (findings.worst() === 'broken' || options.partial) return state;
  const pins = [...facts.values()]
    .filter(({ lastSeq, signedUpTo }) => lastSeq >= 0 && signedUpTo === lastSeq)
    .map(({ stream, lastSeq, lastHash }) => [stream, { seq: lastSeq, hash: lastHash, at: rfc3339(now) }] as const);
  return {
    ...state,
    ...(rootKeys.named && trail !== undefined && { trail }),
    rootKeys: [...new Set([...(options.rootKeys ?? []), ...state.rootKeys])].sort(),
    streams: { ...state.streams, ...Object.fromEntries(pins) },
  };
}
