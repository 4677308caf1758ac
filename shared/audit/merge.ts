import { Problem } from '../errors.ts';
import type { AppendLog, LogLine, Position } from '../store/append-log.ts';

/** The lines of all streams as one sequence by time. */
export interface Merge {
  next(): Promise<{ readonly line: LogLine; readonly time: number } | undefined>;
  /** Where a later merge goes on. */
  cursor(): string;
  close(): Promise<void>;
}

export interface MergeOptions {
  /** Epoch ms; what lies clearly before or after may be left out, the rest is the caller's to filter. */
  readonly since: number;
  readonly until: number;
  readonly cursor?: string | undefined;
}

/**
 * How far clocks of processes and store may lie apart, and how late a stream may show in the listing after it took its name. A
 * clock that was set back by more within a stream may hide its lines from a query by time; verification names such a step.
 */
const SLACK_MS = 10 * 60_000;
/** A living stream has a checkpoint each minute: one that is silent so long behind the others has died. */
const DEAD_AFTER_MS = 60 * 60_000;
const MAX_PLACES = 200;

interface Cursor {
  /** The newest stream that was begun. */
  readonly newest: string;
  /** The next line of each stream that may have one: those that may still grow, and the newest ones, read or not. */
  readonly places: Readonly<Record<string, Position>>;
}

interface Reader {
  readonly stream: string;
  readonly lines: AsyncIterator<LogLine>;
  /** The line that comes next, with its time; undefined at the end. */
  head: { readonly line: LogLine; readonly time: number } | undefined;
  place: Position;
  lastTime: number;
  closed: boolean;
}

export async function startMerge(log: AppendLog, { since, until, cursor }: MergeOptions): Promise<Merge> {
  const from = readCursor(cursor);
  const known = horizon(from.newest);
  const listed = await log.streams(since > 0 ? { modifiedSince: since - SLACK_MS } : {});
  const waiting = listed.filter(
    (stream) => (from.places[stream] !== undefined || stream >= known) && startTime(stream) < until + SLACK_MS,
  );
  const readers: Reader[] = [];
  const ended: Reader[] = [];
  let newest = from.newest;
  let reached = 0;

  const begin = async (stream: string): Promise<void> => {
    newest = stream > newest ? stream : newest;
    const place = from.places[stream] ?? (await startPlace(log, stream, since));
    const lines = log.read(stream, place)[Symbol.asyncIterator]();
    const reader: Reader = { stream, lines, head: undefined, place, lastTime: 0, closed: false };
    readers.push(reader);
    await advance(reader);
  };

  const advance = async (reader: Reader): Promise<void> => {
    const { done, value } = await reader.lines.next();
    // A line that is still being written is read the next time.
    if (done || !value.complete) reader.head = undefined;
    else {
      const time = lineTime(value.bytes) ?? reader.lastTime;
      reader.head = { line: value, time };
      reader.place = value.position;
      reader.lastTime = time;
    }
    if (reader.head && reader.head.time < until + SLACK_MS) return;
    readers.splice(readers.indexOf(reader), 1);
    if (reader.head) reader.closed = true;
    ended.push(reader);
    await reader.lines.return?.();
  };

  const earliest = (): Reader | undefined => {
    let first: Reader | undefined;
    for (const reader of readers)
      if (reader.head && (!first?.head || reader.head.time < first.head.time)) first = reader;
    return first;
  };

  return {
    next: async () => {
      let first = earliest();
      for (let [stream] = waiting; stream !== undefined; [stream] = waiting) {
        if (first?.head && startTime(stream) > first.head.time) break;
        waiting.shift();
        await begin(stream);
        first = earliest();
      }
      const found = first?.head;
      if (!first || !found) return undefined;
      reached = Math.max(reached, found.time);
      first.closed = isClose(found.line);
      first.place = after(found.line);
      await advance(first);
      return found;
    },
    cursor: () => {
      const recent = horizon(newest);
      const alive = ended.filter(
        ({ stream, closed, lastTime }) => stream >= recent || (!closed && lastTime > reached - DEAD_AFTER_MS),
      );
      const places = new Map([...readers, ...alive].map(({ stream, place }) => [stream, place]));
      for (const stream of waiting) {
        const place = from.places[stream];
        if (place) places.set(stream, place);
      }
      if (places.size > MAX_PLACES)
        throw new Problem(
          'request-invalid',
          'More streams are alive at that time than a cursor holds; ask for less time',
        );
      return writeCursor({ newest, places: Object.fromEntries(places) });
    },
    close: async () => {
      for (const { lines } of readers) await lines.return?.();
    },
  };
}

const after = ({ position, bytes }: LogLine): Position => ({
  segment: position.segment,
  offset: position.offset + bytes.length + 1,
});

const timeMember = Buffer.from('"time":"', 'latin1');
const closeMember = Buffer.from('"code":"AKG002I"', 'latin1');

/** A line's own time: in canonical order no nested one comes after it, and inside a string the quotes would be escaped. */
export function lineTime(bytes: Buffer): number | undefined {
  const at = bytes.lastIndexOf(timeMember);
  const time = at === -1 ? Number.NaN : Date.parse(bytes.toString('latin1', at + 8, at + 32));
  return Number.isNaN(time) ? undefined : time;
}

const isClose = ({ bytes }: LogLine): boolean => bytes.includes(closeMember);

/** Where to begin for a time: the last segment that begins before it, or the end of a stream that ends before it. */
async function startPlace(log: AppendLog, stream: string, since: number): Promise<Position> {
  const start: Position = { segment: 0, offset: 0 };
  if (startTime(stream) >= since) return start;
  const { last } = await log.tail(stream);
  if (last && (lineTime(last.bytes) ?? since) < since - SLACK_MS) return after(last);
  let place = start;
  for (const segment of await log.segments(stream)) {
    const first = await firstLine(log, stream, segment);
    if (!first || (lineTime(first.bytes) ?? 0) > since - SLACK_MS) break;
    place = segment;
  }
  return place;
}

async function firstLine(log: AppendLog, stream: string, from: Position): Promise<LogLine | undefined> {
  for await (const line of log.read(stream, from)) return line;
  return undefined;
}

/** When a stream took its name, epoch ms; 0 for a name without a time. */
export function startTime(stream: string): number {
  const [, y, mo, d, h, mi, s, ms] = /^(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)(\d{3})z/.exec(stream) ?? [];
  return y === undefined
    ? 0
    : Date.parse(`${y}-${mo ?? ''}-${d ?? ''}T${h ?? ''}:${mi ?? ''}:${s ?? ''}.${ms ?? ''}Z`) || 0;
}

/** Older streams than this that the cursor does not hold have been read to their end. */
function horizon(newest: string): string {
  const time = startTime(newest);
  if (time === 0) return newest;
  return new Date(Math.max(0, time - SLACK_MS)).toISOString().toLowerCase().replace(/[-:.]/g, '');
}

const writeCursor = (cursor: Cursor): string =>
  Buffer.from(
    JSON.stringify([
      cursor.newest,
      Object.entries(cursor.places).map(([stream, { segment, offset }]) => [stream, segment, offset]),
    ]),
  ).toString('base64url');

function readCursor(text: string | undefined): Cursor {
  if (text === undefined) return { newest: '', places: {} };
  const invalid = (): Problem => new Problem('request-invalid', 'The cursor is not one that this gateway gave');
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    throw invalid();
  }
  if (!isArray(parsed)) throw invalid();
  const [newest, list] = parsed;
  if (typeof newest !== 'string' || !isArray(list) || list.length > MAX_PLACES) throw invalid();
  const places = new Map<string, Position>();
  for (const place of list) {
    if (!isArray(place)) throw invalid();
    const [stream, segment, offset] = place;
    if (typeof stream !== 'string' || !isNatural(segment) || !isNatural(offset)) throw invalid();
    places.set(stream, { segment, offset });
  }
  return { newest, places: Object.fromEntries(places) };
}

const isArray: (value: unknown) => value is readonly unknown[] = Array.isArray;
const isNatural = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
