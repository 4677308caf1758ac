import { setImmediate as turn } from 'node:timers/promises';
import type { Clock, Entropy } from '../../clock.ts';
import { Problem } from '../../errors.ts';
import type { AppendLog } from '../../store/append-log.ts';
import { StorageUnavailable } from '../../store/append-log.ts';
import type { JsonObject } from '../../lib/canonical-json.ts';
import type { Checkpoint, Head } from '../chain.ts';
import { composeEvent } from './compose.ts';
import type { AuditEvent } from '../events.ts';
import { createFloodGate, isFloodEvent } from './flood.ts';
import { type SeenHead, seenHead, seenHeads } from '../verify/heads.ts';
import type { RootKey } from '../keys.ts';
import type { SiemSink } from '../sinks/siem.ts';
import type { AuditTrail, Recorded } from '../trail.ts';
import { type StreamWriter, openWriter, rfc3339 } from './writer.ts';

/** A second place for checkpoints, out of reach of whoever can write the first. Best effort: it is never waited for. */
export interface CheckpointSink {
  offer(checkpoint: Checkpoint, jws: string): void;
  close(): Promise<void>;
}

export interface AuditTrailOptions {
  readonly log: AppendLog;
  readonly key: RootKey;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Version and digest of what runs. */
  readonly build: string;
  readonly copies?: readonly CheckpointSink[];
  readonly siem?: SiemSink | undefined;
}

const HEARTBEAT_MS = 5_000;
const CHECKPOINT_MS = 60_000;
/** How long a store that failed is left alone. */
const REOPEN_MS = 1_000;
/** What may wait for the store; beyond it, callers are told at once. */
const MAX_WAITING = 4_096;

interface Composed {
  readonly event: AuditEvent['event'];
  readonly members: JsonObject;
}

type State =
  | { readonly kind: 'live'; readonly writer: StreamWriter }
  /** `since`: when it last failed (monotonic ms); `stream`: the one that broke off. */
  | { readonly kind: 'down'; readonly since: number; readonly stream: string; readonly cause: unknown }
  | { readonly kind: 'closed' };

/**
 * The enforced audit trail: begins its stream, and begins another when the store failed and answers again. Rejects with Problem
 * `audit-unavailable` when the store or the root key cannot be had.
 */
export async function openAuditTrail(options: AuditTrailOptions): Promise<AuditTrail> {
  const { log, clock, copies = [], siem } = options;
  const gate = createFloodGate();
  const stop = new AbortController();
  let seen: ReadonlyMap<string, SeenHead> = new Map();
  let reopening: Promise<StreamWriter> | undefined;
  let waiting = 0;

  const begin = async (broken?: string): Promise<StreamWriter> => {
    try {
      seen = await seenHeads(log, '', seen);
      const stream = streamName(options, [...seen.keys()]);
      const writer = await openWriter({
        ...options,
        stream,
        heads: [...seen.values()].map(({ head }) => head),
        onCheckpoint: (checkpoint, jws) => {
          for (const copy of copies) copy.offer(checkpoint, jws);
        },
        onLine: siem && ((line) => siem.offer(line)),
      });
      try {
        const lost = await unexplained(log, seen, broken);
        await Promise.all(lost.map((head) => writer.append('recovered', { lost: head })));
      } catch (error) {
        await writer.abandon();
        throw error;
      }
      return writer;
    } catch (error) {
      throw asProblem(error);
    }
  };

  let state: State = { kind: 'live', writer: await begin() };

  const fail = async (writer: StreamWriter, cause: unknown): Promise<void> => {
    if (state.kind !== 'live' || state.writer !== writer) return;
    state = { kind: 'down', since: clock.monotonic(), stream: writer.stream, cause };
    // It has failed already; that it cannot be closed properly either tells nothing new.
    await writer.abandon().catch(() => undefined);
  };

  /** The stream to write to, begun anew if the last one broke off and the store has had its rest. */
  const live = (): StreamWriter | Promise<StreamWriter> => {
    if (state.kind === 'live') return state.writer;
    if (state.kind === 'closed') throw new Problem('audit-unavailable', 'The audit trail is closed');
    if (reopening) return reopening;
    if (clock.monotonic() - state.since < REOPEN_MS) throw asProblem(state.cause);
    const { stream } = state;
    reopening = begin(stream)
      .then(async (writer) => {
        if (stop.signal.aborted) {
          await writer.close();
          throw new Problem('audit-unavailable', 'The audit trail is closed');
        }
        state = { kind: 'live', writer };
        return writer;
      })
      .catch((error: unknown) => {
        if (state.kind === 'down') state = { kind: 'down', since: clock.monotonic(), stream, cause: error };
        throw error;
      })
      .finally(() => {
        reopening = undefined;
      });
    return reopening;
  };

  const write = async (compose: (writer: StreamWriter) => Composed): Promise<Recorded> => {
    if (waiting >= MAX_WAITING) throw new Problem('audit-unavailable', 'Too many events wait for the audit store');
    waiting += 1;
    try {
      const found = live();
      const writer = 'append' in found ? found : await found;
      const { event, members } = compose(writer);
      try {
        return await writer.append(event, members);
      } catch (error) {
        if (error instanceof StorageUnavailable) await fail(writer, error);
        throw asProblem(error);
      }
    } finally {
      waiting -= 1;
    }
  };

  const writeEvent = (event: AuditEvent): Promise<Recorded> =>
    write((writer) => ({ event: event.event, members: composeEvent(event, writer.digest) }));

  const summarise = (all: boolean): Promise<void> =>
    gate.flush(clock.monotonic(), (event, members) => write(() => ({ event, members })), all);

  const beat = async (): Promise<void> => {
    const writer = await live();
    await summarise(false);
    if (clock.monotonic() - writer.lastCheckpointAt() < CHECKPOINT_MS) return;
    try {
      seen = await seenHeads(log, writer.stream, seen);
      writer.see(seen);
      await writer.checkpoint();
    } catch (error) {
      if (error instanceof StorageUnavailable) await fail(writer, error);
      throw error;
    }
  };

  const heartbeat = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await clock.sleep(HEARTBEAT_MS, { signal: stop.signal, unref: true });
      // A clock of a test may return at once: other work gets its turn.
      await turn();
      // A failure is in `state` by now, and healthy() tells it.
      await beat().catch(() => undefined);
    }
  };
  const beating = heartbeat().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });

  return {
    record: (event) =>
      isFloodEvent(event) ? gate.pass(event, clock.monotonic(), () => writeEvent(event)) : writeEvent(event),
    healthy: () => state.kind === 'live',
    close: async () => {
      if (state.kind === 'closed') return;
      stop.abort(new Error('The audit trail is closed'));
      await beating;
      await reopening?.catch(() => undefined);
      try {
        if (state.kind === 'live') {
          await summarise(true);
          const { writer } = state;
          state = { kind: 'closed' };
          await writer.close();
        }
      } catch (error) {
        throw asProblem(error);
      } finally {
        state = { kind: 'closed' };
        await Promise.all([...copies.map((copy) => copy.close()), siem?.close()]);
      }
    },
  };
}

/** `20261122t155146123z-1f9c…`: later than every stream seen, even after the clock was set back, and unlike any other. */
function streamName({ clock, entropy }: AuditTrailOptions, others: readonly string[]): string {
  const stamp = (epochMs: number): string => rfc3339(epochMs).toLowerCase().replace(/[-:.]/g, '');
  const latest = others.toSorted().at(-1)?.split('-')[0] ?? '';
  let now = clock.now();
  if (stamp(now) <= latest) {
    const [, y, mo, d, h, mi, s, ms] =
      /^(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)(\d{3})z$/.exec(latest)?.map(Number) ?? [];
    const next = Date.UTC(y ?? 0, (mo ?? 1) - 1, d, h, mi, s, (ms ?? 0) + 1);
    if (Number.isFinite(next)) now = Math.max(now, next);
  }
  return `${stamp(now)}-${Buffer.from(entropy.bytes(8)).toString('hex')}`;
}

/**
 * The ends that nothing has explained yet: torn tails and streams without a line, unless the newest stream's own opening has seen
 * them already; and always the stream of this process that broke off.
 */
async function unexplained(
  log: AppendLog,
  seen: ReadonlyMap<string, SeenHead>,
  broken: string | undefined,
): Promise<readonly Head[]> {
  const own = broken === undefined ? [] : [(await seenHead(log, broken)).head];
  const lost = [...seen.values()]
    .map(({ head }) => head)
    .filter(({ stream, torn, seq }) => stream !== broken && (torn !== undefined || seq === -1));
  if (lost.length === 0) return own;
  const explained = await explainedBefore(log, [...seen.keys()]);
  return [...own, ...lost.filter((head) => !explained.some((other) => sameEnd(head, other)))];
}

const sameEnd = (a: Head, b: Head): boolean =>
  a.stream === b.stream && a.hash === b.hash && a.torn?.sha256 === b.torn?.sha256;

/** What the `recovered` lines of the last streams say: they stand right after the opening. */
async function explainedBefore(log: AppendLog, streams: readonly string[]): Promise<readonly Head[]> {
  const heads: Head[] = [];
  for (const stream of streams) {
    let count = 0;
    for await (const line of log.read(stream)) {
      count += 1;
      if (count === 1) continue;
      const lost = recoveredHead(line.text);
      if (!lost) break;
      heads.push(lost);
    }
  }
  return heads;
}

function recoveredHead(text: string): Head | undefined {
  try {
    const { code, lost } = (JSON.parse(text) ?? {}) as { code?: unknown; lost?: Head };
    return code === 'AKG003W' && typeof lost?.stream === 'string' ? lost : undefined;
  } catch {
    // A damaged stream explains nothing; verification names the place.
    return undefined;
  }
}

function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof StorageUnavailable) return new Problem('audit-unavailable', error.message, { cause: error });
  throw error;
}
