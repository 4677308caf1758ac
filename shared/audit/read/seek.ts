import type { AppendLog, LogLine, Position, Segment } from '../../store/append-log.ts';
import { readSigned } from './stream-index.ts';

/** So near is near enough: about what is read at once anyway. */
const SEEK_BYTES = 128 * 1024;

/** Where a stream begins. */
export const startPosition: Position = { segment: 0, offset: 0 };

/** The place of the line after that one. */
export const after = ({ position, bytes }: LogLine): Position => ({
  segment: position.segment,
  offset: position.offset + bytes.length + 1,
});

/**
 * A place in a stream before which the running maximum of time is below `since` (epoch ms), and not far before it reaches it. The
 * signatures of the batches say the maximum so far: it never falls, whatever the clock did, so that it is found by halving.
 */
export async function seek(log: AppendLog, stream: string, since: number): Promise<Position> {
  const segments = await log.segments(stream);
  let low = 0;
  let high = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  let found = startPosition;
  while (high - low > SEEK_BYTES) {
    const middle = Math.floor((low + high) / 2);
    const signed = await signedAfter(log, stream, positionAt(segments, middle));
    const place = signed && distanceOf(segments, signed.place);
    // A line that cannot be read is not a reason to begin after it.
    if (signed && place !== undefined && place <= high && signed.maxTime < since) {
      low = place;
      found = signed.place;
    } else high = middle;
  }
  return found;
}

/** The first signature after a place: what it says, and where the line after it begins. */
async function signedAfter(log: AppendLog, stream: string, from: Position) {
  let first = from.offset > 0;
  for await (const line of log.read(stream, from)) {
    // Nobody knows where a line begins: the first is a line's end.
    const signed = !first && line.complete ? readSigned(line) : undefined;
    first = false;
    if (signed) return { maxTime: signed.maxTime, place: after(line) };
  }
  return undefined;
}

/** The segments of a stream as one run of bytes. */
function positionAt(segments: readonly Segment[], distance: number): Position {
  let rest = distance;
  for (const { segment, bytes } of segments) {
    if (rest < bytes) return { segment, offset: rest };
    rest -= bytes;
  }
  return { segment: segments.length, offset: 0 };
}

const distanceOf = (segments: readonly Segment[], { segment, offset }: Position): number =>
  segments.slice(0, segment).reduce((sum, { bytes }) => sum + bytes, 0) + offset;
