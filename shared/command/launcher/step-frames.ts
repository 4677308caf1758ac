import { fromHeader, fromTrailer, without, type FrameReading } from './frames.ts';
import {
  findStart,
  frameAt,
  MARGIN,
  skipAt,
  skipBefore,
  startAt,
  startBefore,
  trailerBefore,
  type FoundFrame,
} from './frame-line.ts';
import { STDERR_CAP, STDOUT_CAP } from './script.ts';

/** The outputs of all steps may hold as many bytes as that of one command may, however well they were compressed. */
export const TOGETHER_CAP = STDOUT_CAP + STDERR_CAP;

/**
 * Reads the logs of a pod with steps: their frames stand one after the other, each found by position. From the start as far as it is
 * whole, then from the end; what is missing between was cut. Never throws. A step without its own frames yields no byte.
 */
export function readSteps(logs: string, nonces: readonly string[]): readonly FrameReading[] {
  const bytes = Buffer.from(logs, 'utf8');
  const readings: (FrameReading | undefined)[] = nonces.map(() => undefined);
  const keep = createAllowance(nonces.length);
  const { next, position } = readForwards(bytes, nonces, readings, keep);
  readBackwards(bytes, nonces, readings, keep, { next, position });
  return readings.map((reading) => reading ?? without('lost', 'Nothing of this step came back: Azure cut the output.'));
}

/** Where reading stopped: the first step that was not read whole, and how far the bytes before are accounted for. */
interface Stopped {
  readonly next: number;
  readonly position: number;
}

/** Cuts what a step printed to its share. */
type Allowance = (reading: FrameReading) => FrameReading;

/**
 * An equal share for each step that is still to be read, what others did not use passed on. Each is cut as soon as it is read, so that no
 * more than one is ever held beyond its share.
 */
function createAllowance(steps: number): Allowance {
  let left = TOGETHER_CAP;
  let among = steps;
  return (reading) => {
    const share = Math.floor(left / Math.max(1, among));
    among -= 1;
    const stderr = startOf(reading.stderr, share);
    const stdout = startOf(reading.stdout, share - stderr.byteLength);
    left -= stdout.byteLength + stderr.byteLength;
    if (stdout === reading.stdout && stderr === reading.stderr) return reading;
    return { ...reading, stdout, stderr, truncated: true, warnings: [...reading.warnings, LEFT_OUT] };
  };
}

/** A copy where it is a part, so that the whole can go. */
const startOf = (bytes: Uint8Array, most: number): Uint8Array =>
  bytes.byteLength <= most ? bytes : new Uint8Array(bytes.subarray(0, most));

const LEFT_OUT = `The outputs of a batch's commands hold at most ${TOGETHER_CAP} bytes together: the end of this one was left out.`;

function readForwards(
  bytes: Buffer,
  nonces: readonly string[],
  readings: (FrameReading | undefined)[],
  keep: Allowance,
): Stopped {
  const first = firstFrame(bytes, nonces[0] ?? '');
  if (first === undefined) return { next: 0, position: 0 };
  let position: number = first;
  for (const [index, nonce] of nonces.entries()) {
    const skipped: number | undefined = skipAt(bytes, position, nonce);
    if (skipped !== undefined) {
      readings[index] = keep(notReached);
      position = skipped;
      continue;
    }
    const begun = startAt(bytes, position, nonce);
    if (!begun) return { next: index, position };
    const header = frameAt(bytes, begun.end, 'H', nonce);
    if (!header) {
      // It began; whether it ended is told from the other side, or not at all.
      readings[index] = without('started', 'The step was started, and its end is missing from what came back.');
      return { next: index, position: begun.end };
    }
    const end: number = header.end + header.frame.stderr.encoded + header.frame.stdout.encoded;
    const trailer: FoundFrame | undefined = frameAt(bytes, end, 'T', nonce);
    if (!trailer) {
      readings[index] = { ...keep(fromHeader(bytes, nonce, header, undefined)), tools: begun.tools };
      return { next: index, position: bytes.length };
    }
    readings[index] = { ...keep(fromHeader(bytes, nonce, header, trailer)), tools: begun.tools };
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

/** From the end, for those that were not read; not below the position that is accounted for. */
function readBackwards(
  bytes: Buffer,
  nonces: readonly string[],
  readings: (FrameReading | undefined)[],
  keep: Allowance,
  { next: first, position: floor }: Stopped,
): void {
  let end = bytes.length;
  for (let index = nonces.length - 1; index >= first; index -= 1) {
    const nonce = nonces[index] ?? '';
    const skipped = skipBefore(bytes, end, nonce);
    if (skipped !== undefined && skipped >= floor) {
      // A step that is known to have begun was reached, even if a line says otherwise.
      readings[index] ??= keep(notReached);
      end = skipped;
      continue;
    }
    const trailer = trailerBefore(bytes, end, nonce);
    if (!trailer || trailer.start < floor) return;
    readings[index] = keep(fromTrailer(bytes, trailer, floor));
    const blocks = trailer.start - trailer.frame.stdout.encoded - trailer.frame.stderr.encoded;
    const header = frameAt(bytes, blocks - (trailer.end - trailer.start), 'H', nonce);
    if (!header || header.frame.line !== trailer.frame.line) return;
    const begun = startBefore(bytes, header.start, nonce);
    if (!begun) return;
    end = begun.at;
  }
}

const notReached: FrameReading = {
  ...without('not-reached', ''),
  truncated: false,
  warnings: [],
};
