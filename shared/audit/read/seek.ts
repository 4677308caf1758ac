import type { AppendLog, LogLine, Position, Segment } from '../../store/append-log.ts';

/**
 * How far clocks of processes and store may lie apart, and how late a stream may show in the listing after it took its name. A
 * clock that was set back by more within a stream may hide its lines from a query by time; verification names such a step.
 */
export const SLACK_MS = 10 * 60_000;
/** So near is near enough: about what is read at once anyway. */
const SEEK_BYTES = 128 * 1024;

/** Where a stream begins. */
export const START: Position = { segment: 0, offset: 0 };

const timeMember = Buffer.from('"time":"', 'latin1');

/** A line's own time: in canonical order no nested one comes after it, and inside a string the quotes would be escaped. */
export function lineTime(bytes: Buffer): number | undefined {
  const at = bytes.lastIndexOf(timeMember);
  const time = at === -1 ? Number.NaN : Date.parse(bytes.toString('latin1', at + 8, at + 32));
  return Number.isNaN(time) ? undefined : time;
}

/** When a stream took its name, epoch ms; 0 for a name without a time. */
export function startTime(stream: string): number {
  const [, y, mo, d, h, mi, s, ms] = /^(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)(\d{3})z/.exec(stream) ?? [];
  return y === undefined
    ? 0
    : Date.parse(`${y}-${mo ?? ''}-${d ?? ''}T${h ?? ''}:${mi ?? ''}:${s ?? ''}.${ms ?? ''}Z`) || 0;
}

/** The place of the line after that one. */
export const after = ({ position, bytes }: LogLine): Position => ({
  segment: position.segment,
  offset: position.offset + bytes.length + 1,
});

/**
 * A place in a stream before which every line is clearly older than `since`, and not far before its time: found by halving, so
 * that a narrow question reads little of a long trail. The stream's end, if all of it is older.
 */
export async function seek(log: AppendLog, stream: string, since: number): Promise<Position> {
  if (startTime(stream) >= since) return START;
  const wanted = since - SLACK_MS;
  const { last } = await log.tail(stream);
  if (last && (lineTime(last.bytes) ?? since) < wanted) return after(last);
  let found: Segment | undefined;
  for (const segment of await log.segments(stream)) {
    const first = await lineFrom(log, stream, { segment: segment.segment, offset: 0 });
    if (!first || (lineTime(first.bytes) ?? 0) > wanted) break;
    found = segment;
  }
  return found ? seekWithin(log, stream, found, wanted) : START;
}

async function seekWithin(log: AppendLog, stream: string, { segment, bytes }: Segment, wanted: number) {
  let low = 0;
  let high = bytes;
  while (high - low > SEEK_BYTES) {
    const middle = Math.floor((low + high) / 2);
    // The first is a line's end: nobody knows where a line begins.
    const line = await lineFrom(log, stream, { segment, offset: middle }, 1);
    // What cannot be read as a line is no reason to begin after it.
    const older = line?.position.segment === segment && (lineTime(line.bytes) ?? wanted) < wanted;
    if (older) low = line.position.offset;
    else high = middle;
  }
  return { segment, offset: low };
}

/** The first line from a place on, or the one after so many. */
export async function lineFrom(log: AppendLog, stream: string, from: Position, skip = 0): Promise<LogLine | undefined> {
  let count = 0;
  for await (const line of log.read(stream, from)) {
    if (count === skip) return line;
    count += 1;
  }
  return undefined;
}
