import { type Clock, systemClock } from '../../clock.ts';
import type { AppendLog, LogLine } from '../../store/append-log.ts';
import { eventCodes } from '../events.ts';
import { startTime } from '../stream-name.ts';

/** Which times a stream's lines may have, without reading them (README.md, "Reading by time"). */
export interface Extent {
  readonly stream: string;
  /** When it began: the running maximum of its times is never below. Epoch ms. */
  readonly start: number;
  /** The running maximum at its end, and how far a line's own time ever lies behind it. */
  readonly maxTime: number;
  readonly lagMs: number;
  /** Nothing will be added. */
  readonly final: boolean;
}

/** The streams of a log by time. Keeps what it has learnt: a thousand dead streams cost one look each. */
export interface StreamIndex {
  readonly log: AppendLog;
  /** Epoch ms. */
  now(): number;
  /** Streams that may have lines with times in [since, until), in the order of their start. Rejects with StorageUnavailable. */
  within(since: number, until: number): Promise<readonly Extent[]>;
}

interface Known {
  readonly extent: Extent;
  /** On the monotonic clock. */
  checkedAt: number;
}

interface Context {
  readonly log: AppendLog;
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly known: Map<string, Known>;
  refreshing: Promise<unknown> | undefined;
}

/** A living stream has a signature each minute: one that is silent for this long is looked at again only now and then. */
const SILENT_MS = 10 * 60_000;
const AGAIN_MS = 60_000;
/** Looks at once: a store that is far away answers each in some milliseconds. */
const AT_ONCE = 32;

export function createStreamIndex(log: AppendLog, clock: Pick<Clock, 'now' | 'monotonic'> = systemClock): StreamIndex {
  const context: Context = { log, clock, known: new Map(), refreshing: undefined };
  return { log, now: () => clock.now(), within: (since, until) => within(context, since, until) };
}

async function within(context: Context, since: number, until: number): Promise<readonly Extent[]> {
  const streams = await context.log.streams();
  const now = context.clock.monotonic();
  const due = streams.filter((stream) => {
    const known = context.known.get(stream);
    return !known || (!known.extent.final && !isSilent(context, known.extent));
  });
  await learn(context, due);
  lookAtSilent(context, now);
  return streams
    .flatMap((stream) => context.known.get(stream)?.extent ?? [])
    .filter(({ start, maxTime, lagMs }) => maxTime >= since && start - lagMs < until)
    .toSorted((a, b) => a.start - b.start);
}

const isSilent = ({ clock }: Context, { maxTime }: Extent): boolean =>
  maxTime < clock.now() - SILENT_MS || maxTime > clock.now() + SILENT_MS;

/** A process that slept writes on in its old stream; nobody waits for that look. */
function lookAtSilent(context: Context, now: number): void {
  if (context.refreshing) return;
  const due = [...context.known.values()]
    .filter(({ extent, checkedAt }) => !extent.final && now - checkedAt >= AGAIN_MS)
    .map(({ extent }) => extent.stream);
  if (due.length === 0) return;
  context.refreshing = learn(context, due)
    .catch(() => undefined) // the next query asks the store itself, and tells
    .finally(() => (context.refreshing = undefined));
}

async function learn({ log, clock, known }: Context, streams: readonly string[]): Promise<void> {
  const waiting = streams[Symbol.iterator]();
  const work = async (): Promise<void> => {
    for (const stream of waiting) {
      const extent = await readExtent(log, stream);
      known.set(stream, { extent, checkedAt: clock.monotonic() });
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, streams.length) }, work));
}

/** How much of a stream's end is searched for its last signature: more than a batch. */
const END_BYTES = 3 * 512 * 1024;

async function readExtent(log: AppendLog, stream: string): Promise<Extent> {
  const start = startTime(stream);
  const { last, torn } = await log.tail(stream);
  if (!last) return { stream, start, maxTime: start, lagMs: 0, final: false };
  const signed = readSigned(last);
  if (signed) return { stream, start, maxTime: signed.maxTime, lagMs: signed.lagMs, final: signed.final && !torn };
  return readUnsignedEnd(log, stream, start);
}

/** A stream that a crash tore: its last signature, and the lines after it. One without any may hold every time. */
async function readUnsignedEnd(log: AppendLog, stream: string, start: number): Promise<Extent> {
  const segment = (await log.segments(stream)).at(-1);
  const offset = Math.max(0, (segment?.bytes ?? 0) - END_BYTES);
  let extent: Extent | undefined;
  let skip = offset > 0;
  for await (const line of log.read(stream, { segment: segment?.segment ?? 0, offset })) {
    if (!skip && line.complete) extent = extend(extent, stream, start, line);
    skip = false;
  }
  return extent ?? { stream, start, maxTime: Number.POSITIVE_INFINITY, lagMs: Number.POSITIVE_INFINITY, final: false };
}

function extend(extent: Extent | undefined, stream: string, start: number, line: LogLine): Extent | undefined {
  const signed = readSigned(line);
  if (signed) return { stream, start, maxTime: signed.maxTime, lagMs: signed.lagMs, final: false };
  const time = lineTime(line.bytes);
  if (!extent || time === undefined) return extent;
  const maxTime = Math.max(extent.maxTime, time);
  return { ...extent, maxTime, lagMs: Math.max(extent.lagMs, maxTime - time) };
}

const timeMember = Buffer.from('"time":"', 'latin1');
const signedMember = Buffer.from(`"code":"${eventCodes['batch.signed']}"`, 'latin1');

/** A line's own time: in canonical order no nested one comes after it, and inside a string the quotes would be escaped. */
export function lineTime(bytes: Buffer): number | undefined {
  const at = bytes.lastIndexOf(timeMember);
  const time = at === -1 ? Number.NaN : Date.parse(bytes.toString('latin1', at + 8, at + 32));
  return Number.isNaN(time) ? undefined : time;
}

/** What a batch's signature says of the stream so far; undefined for another line. */
export function readSigned({
  bytes,
  text,
}: Pick<LogLine, 'bytes' | 'text'>): Pick<Extent, 'maxTime' | 'lagMs' | 'final'> | undefined {
  if (!bytes.includes(signedMember)) return undefined;
  try {
    const { code, maxTime, lagMs, final } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const time = typeof maxTime === 'string' ? Date.parse(maxTime) : Number.NaN;
    if (code !== eventCodes['batch.signed'] || Number.isNaN(time) || typeof lagMs !== 'number') return undefined;
    return { maxTime: time, lagMs, final: final === true };
  } catch {
    // A damaged line is verification's business.
    return undefined;
  }
}
