import { fromHeader, fromTrailer, without, type FrameReading } from './frames.ts';
import { findStart, frameAt, markAt, markBefore, MARGIN, trailerBefore, type FoundFrame } from './frame-line.ts';

/**
 * Reads the logs of a pod with steps: their frames stand one after the other, each found by position. From the start as far as it is
 * whole, then from the end; what is missing between was cut. Never throws. A step without its own frames yields no byte.
 */
export function readSteps(logs: string, nonces: readonly string[]): readonly FrameReading[] {
  const bytes = Buffer.from(logs, 'utf8');
  const readings: (FrameReading | undefined)[] = nonces.map(() => undefined);
  const { next, position } = readForwards(bytes, nonces, readings);
  readBackwards(bytes, nonces, readings, next, position);
  return readings.map((reading) => reading ?? without('lost', 'Nothing of this step came back: Azure cut the output.'));
}

/** Where reading stopped: the first step that was not read whole, and how far the bytes before are accounted for. */
interface Stopped {
  readonly next: number;
  readonly position: number;
}

function readForwards(bytes: Buffer, nonces: readonly string[], readings: (FrameReading | undefined)[]): Stopped {
  const first = firstFrame(bytes, nonces[0] ?? '');
  if (first === undefined) return { next: 0, position: 0 };
  let position: number = first;
  for (const [index, nonce] of nonces.entries()) {
    const skipped: number | undefined = markAt(bytes, position, 'N', nonce);
    if (skipped !== undefined) {
      readings[index] = notReached;
      position = skipped;
      continue;
    }
    const begun: number | undefined = markAt(bytes, position, 'S', nonce);
    if (begun === undefined) return { next: index, position };
    const header = frameAt(bytes, begun, 'H', nonce);
    if (!header) {
      // It began; whether it ended is told from the other side, or not at all.
      readings[index] = without('started', 'The step was started, and its end is missing from what came back.');
      return { next: index, position: begun };
    }
    const end: number = header.end + header.frame.stderr.encoded + header.frame.stdout.encoded;
    const trailer: FoundFrame | undefined = frameAt(bytes, end, 'T', nonce);
    if (!trailer) {
      readings[index] = fromHeader(bytes, nonce, header, undefined);
      return { next: index, position: bytes.length };
    }
    readings[index] = fromHeader(bytes, nonce, header, trailer);
    position = trailer.end;
  }
  return { next: nonces.length, position };
}

function firstFrame(bytes: Buffer, nonce: string): number | undefined {
  const start = findStart(bytes, nonce);
  if (start) return start.at;
  const head = bytes.subarray(0, MARGIN).toString('latin1');
  const at = head.search(new RegExp(`^AKSGW1 N ${nonce}$`, 'm'));
  return at === -1 ? undefined : at;
}

/** From the end, for those that were not read; not below `floor`, which is accounted for. */
function readBackwards(
  bytes: Buffer,
  nonces: readonly string[],
  readings: (FrameReading | undefined)[],
  first: number,
  floor: number,
): void {
  let end = bytes.length;
  for (let index = nonces.length - 1; index >= first; index -= 1) {
    const nonce = nonces[index] ?? '';
    const skipped = markBefore(bytes, end, 'N', nonce);
    if (skipped !== undefined && skipped >= floor) {
      // A step that is known to have begun was reached, even if a line says otherwise.
      readings[index] ??= notReached;
      end = skipped;
      continue;
    }
    const trailer = trailerBefore(bytes, end, nonce);
    if (!trailer || trailer.start < floor) return;
    readings[index] = fromTrailer(bytes, trailer, floor);
    const blocks = trailer.start - trailer.frame.stdout.encoded - trailer.frame.stderr.encoded;
    const header = frameAt(bytes, blocks - (trailer.end - trailer.start), 'H', nonce);
    if (!header || header.frame.line !== trailer.frame.line) return;
    const begun = markBefore(bytes, header.start, 'S', nonce);
    if (begun === undefined) return;
    end = begun;
  }
}

const notReached: FrameReading = {
  ...without('not-reached', ''),
  truncated: false,
  warnings: [],
};
