import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { Problem } from '../../errors.ts';
import type { AppendLog, LogLine, Position } from '../../store/append-log.ts';
import { SLACK_MS, after, lineTime, seek, startTime } from './seek.ts';

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

/** A living stream has a checkpoint each minute: one that is silent so long behind the others has died. */
const DEAD_AFTER_MS = 60 * 60_000;
/** So many fit into a request line (Kestrel's, before Functions, takes 8 KiB): see MAX_CURSOR. */
const MAX_PLACES = 150;
/** Characters of the longest cursor. */
export const MAX_CURSOR = 7_500;
/** What the longest cursor is before it is packed, with room to spare. */
const MAX_UNPACKED = 64 * 1024;

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
  const waiting = listed
    .filter((stream) => from.places[stream] !== undefined || stream >= known)
    .map((stream) => ({ stream, start: startTime(stream) }))
    .filter(({ start }) => start < until + SLACK_MS);
  const readers: Reader[] = [];
  const ended: Reader[] = [];
  let newest = from.newest;
  let reached = 0;

  const begin = async (stream: string): Promise<void> => {
    newest = stream > newest ? stream : newest;
    const place = from.places[stream] ?? (await seek(log, stream, since));
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
      for (let begins = waiting[0]; begins; begins = waiting[0]) {
        if (first?.head && begins.start > first.head.time) break;
        waiting.shift();
        await begin(begins.stream);
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
      for (const { stream } of waiting) {
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

const closeMember = Buffer.from('"code":"AKG002I"', 'latin1');

const isClose = ({ bytes }: LogLine): boolean => bytes.includes(closeMember);

/** Older streams than this that the cursor does not hold have been read to their end. */
function horizon(newest: string): string {
  const time = startTime(newest);
  if (time === 0) return newest;
  return new Date(Math.max(0, time - SLACK_MS)).toISOString().toLowerCase().replace(/[-:.]/g, '');
}

const writeCursor = (cursor: Cursor): string =>
  deflateRawSync(
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
    const packed = Buffer.from(text, 'base64url');
    parsed = JSON.parse(inflateRawSync(packed, { maxOutputLength: MAX_UNPACKED }).toString('utf8'));
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
