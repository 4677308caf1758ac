import type { PodTools } from '../pod-tools.ts';
import { decodeBlock } from './block.ts';
import {
  findStart,
  findTrailer,
  frameAt,
  noncesIn,
  type Block,
  type FoundFrame,
  type Frame,
  type Start,
} from './frame-line.ts';
import { OUTPUT_LIMIT, STDERR_CAP, STDOUT_CAP } from './script.ts';

/** What a run's `logs` say, read by the frames that the launcher put around the output (README.md). */
export interface FrameReading {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** Undefined when no frame tells: then only Azure's own exit code is known. */
  readonly exitCode?: number | undefined;
  readonly timedOut: boolean;
  /** Part of the output is missing, wherever it was lost. */
  readonly truncated: boolean;
  readonly streams: 'separate' | 'merged';
  readonly frame: FrameKind;
  /** Set when what the frames say does not fit together: then no output and no exit code is believed. */
  readonly contradiction?: string;
  readonly warnings: readonly string[];
  /** What the pod told about its tools, if it was asked. */
  readonly tools?: PodTools | undefined;
}

type FrameKind =
  /** A header or trailer was found. */
  | 'whole'
  /** The launcher began and its end is missing: no output can be told apart from anything else. */
  | 'started'
  /** No frame at all. */
  | 'raw'
  /** The frames are another command's: nothing of it is given out. */
  | 'foreign'
  /** A step that the launcher says it did not start. */
  | 'not-reached'
  /** A step of which nothing was found where others were: it may have been lost in a cut. */
  | 'lost';

const empty = new Uint8Array(0);

/**
 * Reads a run's logs. Goes by position and length, never by searching inside the output: a command may print anything, a copy of
 * an older frame too. Never throws, and gives nothing out that could be another command's.
 */
export function readFrames(logs: string, nonce: string): FrameReading {
  const bytes = Buffer.from(logs, 'utf8');
  const start = findStart(bytes, nonce);
  const reading = readAfter(bytes, nonce, start);
  return start?.tools === undefined ? reading : { ...reading, tools: start.tools };
}

function readAfter(bytes: Buffer, nonce: string, start: Start | undefined): FrameReading {
  const header = start && frameAt(bytes, start.end, 'H', nonce);
  const trailer = findTrailer(bytes, nonce);
  if (header) return fromHeader(bytes, nonce, header, trailer);
  if (trailer) return fromTrailer(bytes, trailer, start?.end ?? 0);
  const nonces = noncesIn(bytes);
  if (nonces.has(nonce)) return without('started', STARTED);
  if (nonces.size > 0) return without('foreign', 'Azure answered with the output of another command.');
  return raw(bytes);
}

const STARTED =
  'The command was started, but the end of its output is missing: the pod was stopped, or Azure cut the output.';

export const without = (frame: FrameKind, warning: string): FrameReading => ({
  stdout: empty,
  stderr: empty,
  timedOut: false,
  truncated: true,
  streams: 'merged',
  frame,
  warnings: [warning],
});

const inconsistent = (why: string): FrameReading => ({ ...without('whole', why), contradiction: why });

/** Whatever came, under the cap of any output. At Azure's limit its end is probably missing, and nothing in it tells. */
function raw(bytes: Buffer): FrameReading {
  const truncated = bytes.byteLength >= OUTPUT_LIMIT;
  return {
    stdout: bytes.subarray(0, STDOUT_CAP),
    stderr: empty,
    timedOut: false,
    truncated,
    streams: 'merged',
    frame: 'raw',
    warnings: [
      'The launcher left no frame: output is as Azure gave it, both streams in one, and the time limit was not enforced.',
      ...(truncated ? [`The output is as long as Azure lets any be (${OUTPUT_LIMIT} bytes): its end is missing.`] : []),
    ],
  };
}

/** The blocks start right after the header; the trailer stands right after them, unless something was lost or changed between. */
export function fromHeader(
  bytes: Buffer,
  nonce: string,
  { frame, end: start }: FoundFrame,
  last: FoundFrame | undefined,
): FrameReading {
  const between = start + frame.stderr.encoded;
  const end = between + frame.stdout.encoded;
  const trailer = frameAt(bytes, end, 'T', nonce) ?? last;
  if (trailer && trailer.frame.line !== frame.line) return inconsistent(contradiction(frame, trailer.frame));
  if (frame.encoding === 'raw') {
    if (trailer && trailer.start !== end) return changedOnTheWay(frame, nonce, bytes.subarray(start, trailer.start));
    // Nothing in a text that was cut tells where another command's begins.
    if (!trailer && hasOthers(bytes, nonce)) return inconsistent("Another command's frames stand in the output.");
  }
  const floor = Math.min(end, trailer?.start ?? bytes.length);
  return decode(
    frame,
    bytes.subarray(start, Math.min(between, floor)),
    bytes.subarray(Math.min(between, floor), floor),
  );
}

/** The start is lost: blocks are counted back from the trailer. */
export function fromTrailer(bytes: Buffer, { frame, start: end }: FoundFrame, floor: number): FrameReading {
  const between = end - frame.stdout.encoded;
  const start = between - frame.stderr.encoded;
  // Without a digest, gzip's own or the frame's, only the header would vouch for bytes that stand at the right distance.
  const verified = (block: Block): boolean => block.digest !== '-' || frame.encoding === 'gzip+base64';
  return decode(
    frame,
    start >= floor && verified(frame.stderr) ? bytes.subarray(start, between) : undefined,
    between >= floor && verified(frame.stdout) ? bytes.subarray(between, end) : undefined,
  );
}

const hasOthers = (bytes: Buffer, nonce: string): boolean => [...noncesIn(bytes)].some((other) => other !== nonce);

function contradiction(header: Frame, trailer: Frame): string {
  const [one, other] = [header.exitCode, trailer.exitCode];
  return one === other
    ? 'The two ends of the output describe different outputs.'
    : `The output begins with exit code ${one} and ends with exit code ${other}.`;
}

/**
 * Raw output that was not UTF-8 changed its length on the way: each bad byte became U+FFFD. The blocks are bounded by the trailer,
 * and told apart only when one of them is empty.
 */
function changedOnTheWay(frame: Frame, nonce: string, body: Buffer): FrameReading {
  const grown = body.byteLength - frame.stderr.encoded - frame.stdout.encoded;
  const replaced = body.toString('utf8').split('\ufffd').length - 1;
  // One byte became three: anything else was put in, or taken out, by others.
  if (grown <= 0 || grown % 2 !== 0 || grown / 2 > replaced || hasOthers(body, nonce))
    return inconsistent('The output is not where its frame says.');
  const [onlyErr, onlyOut] = [frame.stdout.raw === 0, frame.stderr.raw === 0];
  return {
    ...whole(frame),
    stdout: onlyErr && !onlyOut ? empty : body.subarray(0, STDOUT_CAP),
    stderr: onlyErr && !onlyOut ? body.subarray(0, STDERR_CAP) : empty,
    streams: onlyOut || onlyErr ? 'separate' : 'merged',
    truncated: true,
    warnings: [...warnings(frame), 'Output that was not UTF-8 was changed on the way, since the pod has no base64.'],
  };
}

const whole = (frame: Frame) => ({
  exitCode: frame.exitCode,
  timedOut: frame.timedOut,
  streams: 'separate' as const,
  frame: 'whole' as const,
});

/** Each block is what arrived of it, from its start; undefined when its start is lost. */
function decode(frame: Frame, stderr: Buffer | undefined, stdout: Buffer | undefined): FrameReading {
  const out = decodeBlock(frame, frame.stdout, stdout, STDOUT_CAP + 1);
  const err = decodeBlock(frame, frame.stderr, stderr, STDERR_CAP + 1);
  if (out.kind === 'wrong') return inconsistent(changed('stdout'));
  if (err.kind === 'wrong') return inconsistent(changed('stderr'));
  const lost = out.kind === 'part' || err.kind === 'part';
  const notes = warnings(frame);
  if (lost && !frame.cut) notes.push('Azure cut the output, and not all of it could be recovered.');
  return { ...whole(frame), stdout: out.bytes, stderr: err.bytes, truncated: frame.cut || lost, warnings: notes };
}

const changed = (name: string): string =>
  `${name} does not match the digest that the pod computed: it was changed on the way, or the pod lies.`;

/** What the pod lacked, and what that means for this result. */
function warnings(frame: Frame): string[] {
  const notes: string[] = [];
  if (frame.cut) notes.push('The output was longer than can be brought back and was cut at its end by the launcher.');
  if (frame.encoding === 'base64') notes.push('The pod has no gzip: less output fits into one answer.');
  if (frame.encoding === 'raw')
    notes.push('The pod has no base64: output that is not UTF-8 does not arrive unchanged.');
  if (frame.stdout.digest.length < 64)
    notes.push(
      `The pod has no sha256sum: the output was checked by ${frame.stdout.digest === '-' ? 'its length' : 'cksum'} only.`,
    );
  if (frame.missing.includes('sleep')) notes.push('The pod has no sleep: the time limit was not enforced.');
  if (frame.missing.includes('mkfifo') || frame.missing.includes('head'))
    notes.push('The pod has no mkfifo or head: the output was not capped while the command ran.');
  return notes;
}
