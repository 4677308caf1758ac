import { gunzipSync, constants } from 'node:zlib';

import { digestMatches } from './digest.ts';
import { STDERR_CAP, STDOUT_CAP } from './script.ts';

/** What a run's `logs` say, read by the frames the launcher put around the output (spec: launcher). */
export interface Reading {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** Undefined when no frame tells: then only Azure's own exit code is known. */
  readonly exitCode?: number | undefined;
  readonly timedOut: boolean;
  /** Part of the output is missing, wherever it was lost. */
  readonly truncated: boolean;
  readonly streams: 'separate' | 'merged';
  /**
   * `whole`: a header or trailer was found. `started`: the launcher began and its end is missing. `raw`: no frame at all.
   * `foreign`: the frames are another command's.
   */
  readonly frame: 'whole' | 'started' | 'raw' | 'foreign';
  readonly warnings: readonly string[];
}

/** Where frames may start: whatever the pod's image prints before them is less. */
const PREAMBLE = 4096;
const EMPTY = new Uint8Array(0);

const FRAME =
  /^rc=(\d{1,3}) timeout=([01]) enc=(gzip\+base64|base64|raw) o=(\d{1,9}),(\d{1,9}),([0-9a-f]{64}|\d{1,10}|-) e=(\d{1,9}),(\d{1,9}),([0-9a-f]{64}|\d{1,10}|-) cut=([01]) miss=(-[a-z0-9,]{0,64})$/;

interface Frame {
  readonly line: string;
  readonly exitCode: number;
  readonly timedOut: boolean;
  readonly encoding: 'gzip+base64' | 'base64' | 'raw';
  readonly stdout: Block;
  readonly stderr: Block;
  readonly cut: boolean;
  readonly missing: readonly string[];
}

interface Block {
  /** Bytes as the command wrote them, as far as they were kept. */
  readonly raw: number;
  /** Bytes in the frame. */
  readonly encoded: number;
  readonly digest: string;
}

/**
 * Reads a run's logs. Goes by position and length, never by searching inside the output: a command may print anything, a copy of
 * an older frame too. Never throws: what cannot be read as frames is given back as it is, with a warning.
 */
export function readFrames(logs: string, nonce: string): Reading {
  const bytes = Buffer.from(logs, 'utf8');
  const head = bytes.subarray(0, PREAMBLE + 512).toString('latin1');
  const start = findLine(head, `AKSGW1 S ${nonce}`);
  if (start !== undefined) {
    const header = readFrame(bytes, start.end, 'H', nonce);
    if (header) return fromHeader(bytes, header.frame, header.end, nonce);
  }
  const trailer = findTrailer(bytes, nonce);
  if (trailer) return fromTrailer(bytes, trailer.frame, trailer.start, start?.end ?? 0);
  if (start !== undefined)
    return {
      ...merged(bytes.subarray(start.end), 'started'),
      truncated: true,
      warnings: [
        'The command was started, but the end of its output is missing: the pod was stopped, or Azure cut the output.',
      ],
    };
  if (/^AKSGW1 [SHT] [0-9a-f]{32}\b/m.test(head))
    return {
      ...merged(EMPTY, 'foreign'),
      truncated: true,
      warnings: ['Azure answered with the output of another command.'],
    };
  return {
    ...merged(bytes, 'raw'),
    warnings: [
      'The launcher left no frame: output is as Azure gave it, both streams in one, cut without notice above 512 kB, and the time limit was not enforced.',
    ],
  };
}

const merged = (stdout: Uint8Array, frame: Reading['frame']): Reading => ({
  stdout,
  stderr: EMPTY,
  timedOut: false,
  truncated: false,
  streams: 'merged',
  frame,
  warnings: [],
});

/** A whole line within the preamble, at the start of a line. Latin-1 text, so that positions are bytes. */
function findLine(head: string, line: string): { readonly end: number } | undefined {
  for (let at = head.indexOf(line); at !== -1 && at <= PREAMBLE; at = head.indexOf(line, at + 1)) {
    const end = at + line.length;
    if ((at === 0 || head[at - 1] === '\n') && (end === head.length || head[end] === '\n')) return { end: end + 1 };
  }
  return undefined;
}

/** The frame line that starts exactly at `offset`. */
function readFrame(
  bytes: Buffer,
  offset: number,
  mark: 'H' | 'T',
  nonce: string,
): { readonly frame: Frame; readonly end: number } | undefined {
  const text = bytes.subarray(offset, offset + 512).toString('latin1');
  const prefix = `AKSGW1 ${mark} ${nonce} `;
  if (!text.startsWith(prefix)) return undefined;
  const newline = text.indexOf('\n');
  // Only the very last line may lack its newline.
  if (newline === -1 && offset + text.length < bytes.length) return undefined;
  const line = (newline === -1 ? text : text.slice(0, newline)).slice(prefix.length).trimEnd();
  const match = FRAME.exec(line);
  if (!match) return undefined;
  const [, rc, timeout, encoding, o, ox, od, e, ex, ed, cut, missing] = match;
  if (encoding !== 'gzip+base64' && encoding !== 'base64' && encoding !== 'raw') return undefined;
  return {
    frame: {
      line,
      exitCode: Number(rc),
      timedOut: timeout === '1',
      encoding,
      stdout: { raw: Number(o), encoded: Number(ox), digest: od ?? '-' },
      stderr: { raw: Number(e), encoded: Number(ex), digest: ed ?? '-' },
      cut: cut === '1',
      missing: missing?.split(',').slice(1) ?? [],
    },
    end: offset + (newline === -1 ? text.length : newline + 1),
  };
}

/** The last trailer near the end. */
function findTrailer(bytes: Buffer, nonce: string): { readonly frame: Frame; readonly start: number } | undefined {
  const prefix = `AKSGW1 T ${nonce} `;
  for (
    let at = bytes.lastIndexOf(prefix, undefined, 'latin1');
    at !== -1 && at >= bytes.length - PREAMBLE;
    at = at === 0 ? -1 : bytes.lastIndexOf(prefix, at - 1, 'latin1')
  ) {
    const trailer = readFrame(bytes, at, 'T', nonce);
    if (trailer) return { frame: trailer.frame, start: at };
  }
  return undefined;
}

function fromHeader(bytes: Buffer, frame: Frame, offset: number, nonce: string): Reading {
  const between = offset + frame.stderr.encoded;
  const end = between + frame.stdout.encoded;
  const trailer = readFrame(bytes, end, 'T', nonce);
  if (trailer?.frame.line === frame.line)
    return decode(frame, bytes.subarray(offset, between), bytes.subarray(between, end), false);
  // Raw output that was no UTF-8 changed its length on the way (each bad byte became U+FFFD): the blocks are bounded by the
  // trailer instead, and only told apart when one of them is empty.
  const last = findTrailer(bytes, nonce);
  if (frame.encoding === 'raw' && last?.frame.line === frame.line) {
    const body = bytes.subarray(offset, last.start);
    return {
      ...whole(frame),
      stdout: frame.stderr.raw === 0 ? body : frame.stdout.raw === 0 ? EMPTY : body,
      stderr: frame.stderr.raw !== 0 && frame.stdout.raw === 0 ? body : EMPTY,
      streams: frame.stderr.raw === 0 || frame.stdout.raw === 0 ? 'separate' : 'merged',
      truncated: frame.cut,
      warnings: [...warnings(frame), 'Output that was not UTF-8 was changed on the way, since the pod has no base64.'],
    };
  }
  return decode(frame, bytes.subarray(offset, between), bytes.subarray(Math.min(between, bytes.length), end), true);
}

/** The start is lost: blocks are counted back from the trailer. */
function fromTrailer(bytes: Buffer, frame: Frame, end: number, floor: number): Reading {
  const between = end - frame.stdout.encoded;
  const start = between - frame.stderr.encoded;
  const whole = { stderr: start >= floor, stdout: between >= floor };
  return decode(
    frame,
    whole.stderr ? bytes.subarray(start, between) : undefined,
    whole.stdout ? bytes.subarray(between, end) : undefined,
    true,
  );
}

const whole = (frame: Frame) => ({
  exitCode: frame.exitCode,
  timedOut: frame.timedOut,
  streams: 'separate' as const,
  frame: 'whole' as const,
});

/** @param stderr its block, shorter than announced when its end is lost; undefined when its start is. */
function decode(frame: Frame, stderr: Buffer | undefined, stdout: Buffer | undefined, azureCut: boolean): Reading {
  const out = decodeBlock(frame, frame.stdout, stdout, STDOUT_CAP + 1);
  const err = decodeBlock(frame, frame.stderr, stderr, STDERR_CAP + 1);
  const lost = !out.complete || !err.complete;
  const notes = warnings(frame);
  if (lost && azureCut) notes.push('Azure cut the output, and not all of it could be recovered.');
  for (const [name, block] of Object.entries({ stdout: out, stderr: err }))
    if (block.damaged) notes.push(`${name} does not match the digest that the pod computed.`);
  return { ...whole(frame), stdout: out.bytes, stderr: err.bytes, truncated: frame.cut || lost, warnings: notes };
}

interface Decoded {
  readonly bytes: Uint8Array;
  readonly complete: boolean;
  readonly damaged: boolean;
}

function decodeBlock(frame: Frame, block: Block, encoded: Buffer | undefined, cap: number): Decoded {
  if (encoded === undefined) return { bytes: EMPTY, complete: block.raw === 0, damaged: false };
  const bytes = unpack(frame.encoding, encoded, cap);
  if (bytes === undefined) return { bytes: EMPTY, complete: false, damaged: true };
  const complete = bytes.byteLength === block.raw;
  return { bytes, complete, damaged: complete && !digestMatches(bytes, block.digest) };
}

/** Undefined for what is no gzip, or would be larger than the launcher ever keeps (a pod may be hostile). */
function unpack(encoding: Frame['encoding'], encoded: Buffer, cap: number): Uint8Array | undefined {
  if (encoding === 'raw') return encoded.subarray(0, cap);
  const packed = Buffer.from(encoded.toString('latin1'), 'base64');
  if (encoding === 'base64') return packed.subarray(0, cap);
  // Shorter than gzip's own header: nothing can be said about what it held.
  if (packed.byteLength < 18) return EMPTY;
  try {
    // A stream that was cut still gives everything up to the cut.
    return gunzipSync(packed, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: cap });
  } catch {
    // Not gzip, or too much of it: the caller says that the output is damaged.
    return undefined;
  }
}

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
