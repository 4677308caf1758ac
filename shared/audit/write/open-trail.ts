import { setImmediate as turn } from 'node:timers/promises';
import type { Clock, Entropy } from '../../clock.ts';
import { Problem } from '../../errors.ts';
import type { AppendLog } from '../../store/append-log.ts';
import { StorageUnavailable } from '../../store/append-log.ts';
import type { JsonObject } from '../../lib/canonical-json.ts';
import type { Head, TrailIdentity } from '../chain.ts';
import type { AuditEvent, EventName } from '../events.ts';
import { type SeenHead, seenHead, seenHeads } from '../heads.ts';
import type { RootKey } from '../root-key.ts';
import type { CopySink } from '../sinks/copies.ts';
import type { SiemSink } from '../sinks/siem.ts';
import { trailId } from '../trail-identity.ts';
import type { AuditTrail, Recorded, RecordOptions } from '../trail.ts';
import type { Seal } from '../seal.ts';
import { composeEvent, wordsToSeal } from './compose.ts';
import { type FloodGate, createFloodGate, isFloodEvent } from './flood.ts';
import { type StreamWriter, openWriter } from './writer.ts';

export interface AuditTrailOptions {
  readonly log: AppendLog;
  readonly key: RootKey;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Version and digest of what runs. */
  readonly build: string;
  /** Whose trail it is, for people: the openings name it. */
  readonly about?: Omit<TrailIdentity, 'id'>;
  /** A second place for signatures, which a writer of the first cannot reach. Best effort: never waited for. */
  readonly copies?: readonly CopySink[];
  readonly siem?: SiemSink | undefined;
  /** Encrypts hidden words to the auditor. */
  readonly seal?: Seal | undefined;
  /** Hears why the stream broke off. Must not throw. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

const HEARTBEAT_MS = 5_000;
const CHECKPOINT_MS = 60_000;
/** How long a store that failed is left alone. */
const REOPEN_MS = 1_000;
/** What may wait for the store; beyond it, callers are told at once. */
const MAX_WAITING = 4_096;

type State =
  | { readonly kind: 'live'; readonly writer: StreamWriter }
  /** `since`: when it last failed (monotonic ms); `lost`: the end of the stream that broke off, as it was written. */
  | { readonly kind: 'down'; readonly since: number; readonly lost: Head; readonly cause: unknown }
  | { readonly kind: 'closed' };

/** What the steps below share. */
interface Context {
  readonly options: AuditTrailOptions;
  readonly gate: FloodGate;
  readonly stop: AbortController;
  /** The trail's id, once it is known. */
  trail: string | undefined;
  seen: ReadonlyMap<string, SeenHead>;
  state: State;
  reopening: Promise<StreamWriter> | undefined;
  waiting: number;
}

/**
 * The enforced audit trail: begins its stream, and begins another when the store failed and answers again. Rejects with Problem
 * `audit-unavailable` when the store or the root key cannot be used.
 */
export async function openAuditTrail(options: AuditTrailOptions): Promise<AuditTrail> {
  const context: Context = {
    options,
    gate: createFloodGate(),
    stop: new AbortController(),
    trail: undefined,
    seen: new Map(),
    state: { kind: 'closed' },
    reopening: undefined,
    waiting: 0,
  };
  context.state = { kind: 'live', writer: await begin(context) };
  const beating = heartbeat(context);
  return {
    record: (event, recording) =>
      isFloodEvent(event)
        ? context.gate.pass(event, options.clock.monotonic(), () => writeEvent(context, event, recording))
        : writeEvent(context, event, recording),
    check: () => check(context),
    close: () => close(context, beating),
  };
}

/** Opens a stream and tells in it of the ends that nothing has explained yet. */
async function begin(context: Context, lost?: Head): Promise<StreamWriter> {
  const { options } = context;
  const { log, key, clock, entropy, copies = [], siem, about = { tenants: [], clusters: [] } } = options;
  try {
    context.trail ??= await trailId(log, key.jwk, entropy);
    context.seen = await seenHeads(log, { known: context.seen, now: clock.now() });
    const unexplained = await unexplainedEnds(context, lost);
    const writer = await openWriter({
      ...options,
      trail: { id: context.trail, ...about },
      heads: headsOf(context),
      onSigned: (jws, stream) => {
        for (const copy of copies) copy.offer(stream, jws);
      },
      onLine: siem && ((line) => siem.offer(line)),
    });
    try {
      await Promise.all(unexplained.map((head) => writer.append('recovered', { lost: head })));
    } catch (error) {
      await writer.abandon();
      throw error;
    }
    return writer;
  } catch (error) {
    throw asProblem(error);
  }
}

const headsOf = ({ seen }: Context): readonly Head[] => [...seen.values()].map(({ head }) => head);

/** Torn tails and streams without a line, unless the newest stream's opening has them already; and always the own stream that broke off. */
async function unexplainedEnds({ options: { log }, seen }: Context, own: Head | undefined): Promise<readonly Head[]> {
  const torn = [...seen.values()]
    .map(({ head }) => head)
    .filter((head) => head.stream !== own?.stream && (head.torn !== undefined || head.seq === -1));
  const told = torn.length === 0 ? [] : await openingHeads(log, [...seen.keys()].at(-1) ?? '');
  const untold = torn.filter((head) => !told.some((other) => sameEnd(head, other)));
  return own ? [await brokenEnd(log, own), ...untold] : untold;
}

/** How a stream of this process ended: as the store shows it, unless less stands there than was made durable. */
async function brokenEnd(log: AppendLog, written: Head): Promise<Head> {
  const { head } = await seenHead(log, written.stream);
  return head.seq < written.seq ? written : head;
}

const sameEnd = (a: Head, b: Head): boolean =>
  a.stream === b.stream && a.hash === b.hash && a.torn?.sha256 === b.torn?.sha256;

async function openingHeads(log: AppendLog, stream: string): Promise<readonly Head[]> {
  for await (const { text, complete } of log.read(stream)) {
    if (!complete) return [];
    try {
      const { opening } = (JSON.parse(text) ?? {}) as { readonly opening?: { readonly heads?: readonly Head[] } };
      return Array.isArray(opening?.heads) ? (opening?.heads ?? []) : [];
    } catch {
      // A damaged stream explains nothing; verification names the place.
      return [];
    }
  }
  return [];
}

async function fail(context: Context, writer: StreamWriter, cause: unknown): Promise<void> {
  const { state, options } = context;
  if (state.kind !== 'live' || state.writer !== writer) return;
  context.state = { kind: 'down', since: options.clock.monotonic(), lost: writer.durable(), cause };
  options.onError?.(cause);
  // It has failed already; that it cannot be closed properly either tells nothing new.
  await writer.abandon().catch(() => undefined);
}

/** The stream to write to: another one if the last broke off and the store has had its rest. */
function live(context: Context): StreamWriter | Promise<StreamWriter> {
  const { state, options } = context;
  if (state.kind === 'live') return state.writer;
  if (state.kind === 'closed') throw closedProblem();
  if (context.reopening) return context.reopening;
  if (options.clock.monotonic() - state.since < REOPEN_MS) throw asProblem(state.cause);
  context.reopening = reopen(context, state.lost).finally(() => {
    context.reopening = undefined;
  });
  return context.reopening;
}

async function reopen(context: Context, lost: Head): Promise<StreamWriter> {
  try {
    const writer = await begin(context, lost);
    if (context.stop.signal.aborted) {
      await writer.close(headsOf(context));
      throw closedProblem();
    }
    context.state = { kind: 'live', writer };
    return writer;
  } catch (error) {
    if (context.state.kind === 'down')
      context.state = { kind: 'down', since: context.options.clock.monotonic(), lost, cause: error };
    throw error;
  }
}

interface Composed {
  readonly event: EventName;
  readonly members: JsonObject;
}

async function write(
  context: Context,
  compose: (writer: StreamWriter) => Composed,
  options?: RecordOptions,
): Promise<Recorded> {
  if (context.waiting >= MAX_WAITING)
    throw new Problem('audit-unavailable', 'Too many events wait for the audit store');
  context.waiting += 1;
  try {
    const found = live(context);
    const writer = 'append' in found ? found : await found;
    const { event, members } = compose(writer);
    try {
      return await writer.append(event, members, options);
    } catch (error) {
      if (error instanceof StorageUnavailable) await fail(context, writer, error);
      throw asProblem(error);
    }
  } finally {
    context.waiting -= 1;
  }
}

async function writeEvent(context: Context, event: AuditEvent, options?: RecordOptions): Promise<Recorded> {
  const { seal } = context.options;
  const hidden = seal ? wordsToSeal(event) : [];
  const sealed = seal && hidden.length > 0 ? await seal(hidden) : undefined;
  const composing = (writer: StreamWriter): Composed => ({
    event: event.event,
    members: { ...composeEvent(event, writer.digest), ...(sealed !== undefined && { sealed }) },
  });
  return write(context, composing, options);
}

const summarise = (context: Context, all: boolean): Promise<void> =>
  context.gate.flush(
    context.options.clock.monotonic(),
    (event, members) => write(context, () => ({ event, members })),
    all,
  );

async function heartbeat(context: Context): Promise<void> {
  const { stop, options } = context;
  try {
    while (!stop.signal.aborted) {
      await options.clock.sleep(HEARTBEAT_MS, { signal: stop.signal, unref: true });
      // A clock of a test may return at once: other work gets its turn.
      await turn();
      // A failure is in `state` by now, and check() tells it.
      await beat(context).catch(() => undefined);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}

async function beat(context: Context): Promise<void> {
  const { options } = context;
  const writer = await live(context);
  await summarise(context, false);
  try {
    await writer.check();
    if (options.clock.monotonic() - writer.lastCheckpointAt() < CHECKPOINT_MS) return;
    await writer.checkpoint(await look(context, writer));
  } catch (error) {
    if (error instanceof StorageUnavailable) await fail(context, writer, error);
    throw error;
  }
}

/** The ends of the other streams as they are now. */
async function look(context: Context, { stream }: StreamWriter): Promise<readonly Head[]> {
  const { log, clock } = context.options;
  context.seen = await seenHeads(log, { own: stream, known: context.seen, now: clock.now() });
  return headsOf(context);
}

async function check(context: Context): Promise<void> {
  const { state } = context;
  if (state.kind === 'closed') throw closedProblem();
  if (state.kind === 'down') throw asProblem(state.cause);
  try {
    await state.writer.check();
  } catch (error) {
    if (error instanceof StorageUnavailable) await fail(context, state.writer, error);
    throw asProblem(error);
  }
}

async function close(context: Context, beating: Promise<void>): Promise<void> {
  if (context.state.kind === 'closed') return;
  const { copies = [], siem } = context.options;
  context.stop.abort(new Error('The audit trail is closed'));
  await beating;
  await context.reopening?.catch(() => undefined);
  try {
    if (context.state.kind === 'live') {
      await summarise(context, true);
      const { writer } = context.state;
      const heads = await look(context, writer);
      context.state = { kind: 'closed' };
      await writer.close(heads);
    }
  } catch (error) {
    throw asProblem(error);
  } finally {
    context.state = { kind: 'closed' };
    await Promise.all([...copies.map((copy) => copy.close()), siem?.close()]);
  }
}

const closedProblem = (): Problem => new Problem('audit-unavailable', 'The audit trail is closed');

function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof StorageUnavailable) return new Problem('audit-unavailable', error.message, { cause: error });
  throw error;
}
