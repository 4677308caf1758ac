import type { LogLine, Position, Segment, Stranger, StreamTail } from './append-log.ts';
import { StorageUnavailable } from './append-log.ts';

/** What both kinds of log can do for a reader; everything about lines is here, once. */
export interface SegmentReader {
  /** A stream's segments, ascending; empty when there is no such stream. */
  list(stream: string): Promise<readonly Segment[]>;
  open(stream: string, segment: number): Promise<OpenSegment>;
}

interface OpenSegment {
  size(): Promise<number>;
  /** Up to `length` bytes from `offset`; fewer at the end, none past it. */
  read(offset: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** A line longer than this is damage: it is given in pieces, none of them complete, so that memory stays bounded. */
const MAX_LINE_BYTES = 4 * 1024 * 1024;
const NEWLINE = 10;

const segmentNamePattern = /^([a-z0-9][a-z0-9-]{0,99})\.(\d{6})\.jsonl$/;

/** The name of a segment, as a file and as a blob: so that a downloaded container is a folder that verifies. */
export const segmentName = (stream: string, segment: number): string =>
  `${stream}.${String(segment).padStart(6, '0')}.jsonl`;

export function parseSegmentName(name: string): { readonly stream: string; readonly segment: number } | undefined {
  const match = segmentNamePattern.exec(name);
  return match?.[1] === undefined ? undefined : { stream: match[1], segment: Number(match[2]) };
}

/** What stands in the place of a log. */
export interface LogListing {
  /** The numbers of each stream's segments. */
  readonly segments: ReadonlyMap<string, readonly number[]>;
  readonly strangers: readonly Stranger[];
}

/** A reader goes from segment to segment and stops at the first that is missing: what stands behind the gap is told here. */
export function strangersOf({ segments, strangers }: LogListing): readonly Stranger[] {
  const behindGaps = [...segments].flatMap(([stream, numbers]) =>
    numbers
      .toSorted((a, b) => a - b)
      .filter((number, index) => number !== index)
      .map((number) => ({ name: segmentName(stream, number), why: 'gap' as const })),
  );
  return [...strangers, ...behindGaps];
}

/** The segments up to the first that is missing. */
export const consecutive = (segments: readonly Segment[]): readonly Segment[] =>
  segments.toSorted((a, b) => a.segment - b.segment).filter(({ segment }, index) => segment === index);

class Line implements LogLine {
  readonly bytes: Buffer;
  readonly position: Position;
  readonly complete: boolean;

  constructor(bytes: Buffer, segment: number, offset: number, complete: boolean) {
    this.bytes = bytes;
    this.position = { segment, offset };
    this.complete = complete;
  }

  get text(): string {
    return this.bytes.toString('utf8');
  }
}

/** The lines of a stream from `from` on, at most one chunk (or one line) in memory. */
export function readLines(
  reader: SegmentReader,
  stream: string,
  from: Position,
  chunkBytes: number,
): AsyncIterableIterator<LogLine> {
  const chunks = readChunks(reader, stream, from, chunkBytes);
  let lines: readonly Line[] = [];
  let at = 0;
  // By hand: an async generator costs several promises a line, and more when it delegates; a query reads a million of them.
  return {
    next: async () => {
      for (;;) {
        const line = lines[at];
        at += 1;
        if (line) return { done: false, value: line };
        const { done, value } = await chunks.next();
        if (done) return { done: true, value: undefined };
        lines = value;
        at = 0;
      }
    },
    return: async () => {
      lines = [];
      await chunks.return();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** The lines that each chunk ends. */
async function* readChunks(
  reader: SegmentReader,
  stream: string,
  from: Position,
  chunkBytes: number,
): AsyncGenerator<readonly Line[], void, void> {
  for (const { segment } of await reader.list(stream)) {
    if (segment < from.segment) continue;
    const open = await reader.open(stream, segment);
    try {
      yield* segmentChunks(open, segment, segment === from.segment ? from.offset : 0, chunkBytes);
    } finally {
      await open.close();
    }
  }
}

async function* segmentChunks(
  open: OpenSegment,
  segment: number,
  from: number,
  chunkBytes: number,
): AsyncGenerator<readonly Line[], void, void> {
  let carry: Buffer = Buffer.alloc(0);
  let carryAt = from;
  for (;;) {
    const chunk = await open.read(carryAt + carry.length, chunkBytes);
    if (chunk.length === 0) break;
    const bytes = carry.length === 0 ? chunk : Buffer.concat([carry, chunk]);
    const lines: Line[] = [];
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(NEWLINE, start === 0 ? carry.length : start);
      if (end === -1) break;
      lines.push(new Line(bytes.subarray(start, end), segment, carryAt + start, true));
      start = end + 1;
    }
    carry = bytes.subarray(start);
    carryAt += start;
    if (carry.length > MAX_LINE_BYTES) {
      lines.push(new Line(carry, segment, carryAt, false));
      carryAt += carry.length;
      carry = Buffer.alloc(0);
    }
    yield lines;
  }
  if (carry.length > 0) yield [new Line(carry, segment, carryAt, false)];
}

/** The last whole line of a stream and what is torn after it, read backwards from its end. */
export async function readTail(reader: SegmentReader, stream: string): Promise<StreamTail> {
  const segments = await reader.list(stream);
  let torn: LogLine | undefined;
  for (const { segment } of segments.toReversed()) {
    const open = await reader.open(stream, segment);
    try {
      const found = await segmentTail(open, segment);
      torn ??= found.torn;
      if (found.last) return { last: found.last, torn };
    } finally {
      await open.close();
    }
  }
  return { torn };
}

async function segmentTail(open: OpenSegment, segment: number): Promise<StreamTail> {
  const size = await open.size();
  let window = Math.min(size, 64 * 1024);
  for (;;) {
    const start = size - window;
    const bytes = (await open.read(start, window)).subarray(0, window);
    const end = bytes.lastIndexOf(NEWLINE);
    const torn =
      end < bytes.length - 1 ? new Line(bytes.subarray(end + 1), segment, start + end + 1, false) : undefined;
    const before = end > 0 ? bytes.lastIndexOf(NEWLINE, end - 1) : -1;
    if (end >= 0 && (before >= 0 || start === 0))
      return { last: new Line(bytes.subarray(before + 1, end), segment, start + before + 1, true), torn };
    if (start === 0) return { torn };
    if (window > 2 * MAX_LINE_BYTES) throw new StorageUnavailable(`The end of segment ${segment} has no line in it`);
    window = Math.min(size, window * 4);
  }
}
