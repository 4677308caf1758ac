import type { LogLine, Position } from '../../store/append-log.ts';
import { type Cursor, readCursor, writeCursor } from './cursor.ts';
import { startPosition, after, seek } from './seek.ts';
import { type Extent, type StreamIndex, lineTime, readSigned } from './stream-index.ts';

/** The lines of all streams as one sequence by time; within a stream they keep their order. */
interface Merge {
  /** `time` is the line's own, epoch ms. */
  next(): Promise<{ readonly line: LogLine; readonly time: number } | undefined>;
  /** Where a later merge goes on. Throws Problem `request-invalid` when more streams are alive than it holds. */
  cursor(): string;
  close(): Promise<void>;
}

interface MergeOptions {
  /** Epoch ms; what lies before or after may be left out, the rest is the caller's to filter. */
  readonly since: number;
  readonly until: number;
  readonly cursor?: string | undefined;
}

/** How far clocks of processes may lie apart, and how late a stream may show in the listing after it took its name. */
const SLACK_MS = 10 * 60_000;
/** A living stream has a checkpoint each minute: one that is silent so long behind the others has died. */
const DEAD_AFTER_MS = 60 * 60_000;

interface Reader {
  readonly extent: Extent;
  readonly lines: AsyncIterator<LogLine>;
  /** The line that comes next; undefined at the end. */
  head: LogLine | undefined;
  /** Its own time, and the running maximum with it: what streams are merged by. */
  time: number;
  maxTime: number;
  /** Where the next line begins. */
  place: Position;
  /** `beyond`: what comes lies after the range. `ended`: the stream has its signed end. */
  state: 'open' | 'beyond' | 'ended';
}

interface Context {
  readonly index: StreamIndex;
  readonly options: MergeOptions;
  readonly from: Cursor | undefined;
  /** Streams that begin later, in the order of their start. */
  readonly waiting: Extent[];
  readonly readers: Reader[];
  readonly ended: Reader[];
  reached: number;
}

/** Rejects with StorageUnavailable; throws Problem `request-invalid` for a cursor that is not one. */
export async function startMerge(index: StreamIndex, options: MergeOptions): Promise<Merge> {
  const from = readCursor(options.cursor);
  const context: Context = {
    index,
    options,
    from,
    waiting: [...(await index.within(options.since, options.until))],
    readers: [],
    ended: [],
    reached: from?.reached ?? 0,
  };
  return {
    next: () => next(context),
    cursor: () => cursorOf(context),
    close: async () => {
      for (const { lines } of context.readers) await lines.return?.();
    },
  };
}

async function next(context: Context): ReturnType<Merge['next']> {
  let first = earliest(context.readers);
  for (let [begins] = context.waiting; begins; [begins] = context.waiting) {
    if (first && begins.start > first.maxTime) break;
    context.waiting.shift();
    await begin(context, begins);
    first = earliest(context.readers);
  }
  const line = first?.head;
  if (!first || !line) return undefined;
  const { time, maxTime } = first;
  context.reached = Math.max(context.reached, maxTime);
  await advance(context, first, after(line));
  return { line, time };
}

function earliest(readers: readonly Reader[]): Reader | undefined {
  let first: Reader | undefined;
  for (const reader of readers) if (!first || reader.maxTime < first.maxTime) first = reader;
  return first;
}

async function begin(context: Context, extent: Extent): Promise<void> {
  const start = await startOf(context, extent);
  if (!start) return;
  const { place, given } = start;
  const lines = context.index.log.read(extent.stream, place)[Symbol.asyncIterator]();
  const reader: Reader = { extent, lines, head: undefined, time: 0, maxTime: extent.start, place, state: 'open' };
  context.readers.push(reader);
  await advance(context, reader, place);
  while (reader.head && reader.state === 'open' && reader.maxTime <= given)
    await advance(context, reader, after(reader.head));
}

/** Where a stream is read from, and up to which running maximum an earlier page gave it; undefined when it gave all. */
async function startOf({ index, options, from }: Context, { stream, start, maxTime }: Extent) {
  const kept = from?.places.get(stream);
  if (kept) return { place: kept, given: -1 };
  const seekFrom = (time: number): Promise<Position> => seek(index.log, stream, time);
  // The cursor holds every stream that is newer than this: another one has come since.
  if (!from || start >= from.reached - SLACK_MS)
    return { place: start >= options.since ? startPosition : await seekFrom(options.since), given: -1 };
  if (maxTime <= from.reached) return undefined;
  // It was dead or had ended then: what it has written since comes after what was reached.
  return { place: await seekFrom(Math.max(options.since, from.reached)), given: from.reached };
}

async function advance(context: Context, reader: Reader, place: Position): Promise<void> {
  const { done, value } = await reader.lines.next();
  reader.place = place;
  // A line that is still being written is read the next time.
  reader.head = done || !value.complete ? undefined : value;
  if (reader.head) {
    reader.time = lineTime(reader.head.bytes) ?? reader.maxTime;
    reader.maxTime = Math.max(reader.maxTime, reader.time, readSigned(reader.head)?.maxTime ?? 0);
    // No line's own time lies further behind the running maximum than this.
    if (reader.maxTime < context.options.until + reader.extent.lagMs) return;
    reader.state = 'beyond';
  } else reader.state = reader.extent.final ? 'ended' : 'open';
  context.readers.splice(context.readers.indexOf(reader), 1);
  context.ended.push(reader);
  await reader.lines.return?.();
}

/** Holds the place in each stream that may still grow, so that nothing is lost or told twice. */
function cursorOf({ readers, ended, waiting, from, reached }: Context): string {
  const recent = reached - SLACK_MS;
  const alive = ended.filter(
    ({ extent, state, maxTime }) =>
      extent.start >= recent || state === 'beyond' || (state === 'open' && maxTime > reached - DEAD_AFTER_MS),
  );
  const places = new Map([...readers, ...alive].map(({ extent, place }) => [extent.stream, place]));
  for (const { stream } of waiting) {
    const place = from?.places.get(stream);
    if (place) places.set(stream, place);
  }
  return writeCursor({ reached, places });
}
