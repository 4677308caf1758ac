import { minorOf, type PodTools } from '../pod-tools.ts';

/** The lines around a command's output. All positions are bytes; texts are read as Latin-1, so that they are positions too. */

export interface Frame {
  /** All fields as they stand: a header and its trailer are the same text. */
  readonly line: string;
  readonly exitCode: number;
  readonly timedOut: boolean;
  readonly encoding: 'gzip+base64' | 'base64' | 'raw';
  readonly stdout: Block;
  readonly stderr: Block;
  /** The launcher itself cut the output. */
  readonly cut: boolean;
  readonly missing: readonly string[];
}

export interface Block {
  /** Bytes as the command wrote them, as far as they were kept. */
  readonly raw: number;
  /** Bytes in the logs. */
  readonly encoded: number;
  readonly digest: string;
}

/** A frame line and where it stands. */
export interface FoundFrame {
  readonly frame: Frame;
  readonly start: number;
  readonly end: number;
}

/** Whatever the pod's image prints before the first frame or after the last one is less than this. */
export const MARGIN = 4096;
/** No frame line is longer. */
const LINE = 512;

const fields =
  /^rc=(\d{1,3}) timeout=([01]) enc=(gzip\+base64|base64|raw) o=(\d{1,9}),(\d{1,9}),([0-9a-f]{64}|\d{1,10}|-) e=(\d{1,9}),(\d{1,9}),([0-9a-f]{64}|\d{1,10}|-) cut=([01]) miss=(-[a-z0-9,]{0,64})$/;
/** Anywhere in a line: raw output need not end with a newline before its trailer. */
const anyFrame = /AKSGW1 [SHTN] ([0-9a-f]{32})/g;

/** The header or trailer that starts exactly at `offset`. */
export function frameAt(bytes: Buffer, offset: number, mark: 'H' | 'T', nonce: string): FoundFrame | undefined {
  const line = lineAt(bytes, offset);
  const prefix = `AKSGW1 ${mark} ${nonce} `;
  if (!line?.text.startsWith(prefix)) return undefined;
  const frame = parseFields(line.text.slice(prefix.length).trimEnd());
  return frame && { frame, start: offset, end: line.end };
}

/** The end of the line of a step that was not reached, when it starts exactly at `offset`. */
export function skipAt(bytes: Buffer, offset: number, nonce: string): number | undefined {
  const line = lineAt(bytes, offset);
  return line?.text === `AKSGW1 N ${nonce}` ? line.end : undefined;
}

/** Where such a line begins when it ends exactly before `end`. */
export function skipBefore(bytes: Buffer, end: number, nonce: string): number | undefined {
  const at = end - `AKSGW1 N ${nonce}\n`.length;
  return at >= 0 && skipAt(bytes, at, nonce) === end ? at : undefined;
}

/** The trailer that ends exactly before `end`. */
export function trailerBefore(bytes: Buffer, end: number, nonce: string): FoundFrame | undefined {
  const from = Math.max(0, end - LINE);
  const at = bytes.subarray(from, end).lastIndexOf(`AKSGW1 T ${nonce} `, undefined, 'latin1');
  const trailer = at === -1 ? undefined : frameAt(bytes, from + at, 'T', nonce);
  return trailer?.end === end ? trailer : undefined;
}

/** The first line of a launcher, and what it tells about the tools in its pod, if it was asked. */
export interface Start {
  readonly at: number;
  readonly end: number;
  readonly tools?: PodTools | undefined;
}

const toolsPattern = /^ kubectl=(\S{0,64}) helm=(\S{0,64})$/;

/** The first start line within the margin. */
export function findStart(bytes: Buffer, nonce: string): Start | undefined {
  const head = bytes.subarray(0, MARGIN + LINE).toString('latin1');
  const line = `AKSGW1 S ${nonce}`;
  for (let at = head.indexOf(line); at !== -1 && at <= MARGIN; at = head.indexOf(line, at + 1)) {
    if (at !== 0 && head[at - 1] !== '\n') continue;
    const start = startAt(bytes, at, nonce);
    if (start) return start;
  }
  return undefined;
}

/** The start line that begins exactly at `offset`. */
export function startAt(bytes: Buffer, offset: number, nonce: string): Start | undefined {
  const line = lineAt(bytes, offset);
  const prefix = `AKSGW1 S ${nonce}`;
  if (!line?.text.startsWith(prefix)) return undefined;
  const rest = line.text.slice(prefix.length);
  if (rest === '') return { at: offset, end: line.end };
  const [, kubectl, helm] = toolsPattern.exec(rest) ?? [];
  if (kubectl === undefined || helm === undefined) return undefined;
  return { at: offset, end: line.end, tools: { kubectl: minorOf(kubectl), helm: minorOf(helm) } };
}

/** The start line that ends exactly before `end`. */
export function startBefore(bytes: Buffer, end: number, nonce: string): Start | undefined {
  const from = Math.max(0, end - LINE);
  const at = bytes.subarray(from, end).lastIndexOf(`AKSGW1 S ${nonce}`, undefined, 'latin1');
  const start = at === -1 ? undefined : startAt(bytes, from + at, nonce);
  return start?.end === end ? start : undefined;
}

/** The last trailer within the margin before the end. */
export function findTrailer(bytes: Buffer, nonce: string): FoundFrame | undefined {
  const prefix = `AKSGW1 T ${nonce} `;
  const floor = Math.max(0, bytes.length - MARGIN);
  for (let at = bytes.lastIndexOf(prefix, undefined, 'latin1'); at >= floor;) {
    const trailer = frameAt(bytes, at, 'T', nonce);
    if (trailer) return trailer;
    at = at === 0 ? -1 : bytes.lastIndexOf(prefix, at - 1, 'latin1');
  }
  return undefined;
}

/** Whose frames stand anywhere in what came back, readable or not. */
export function noncesIn(bytes: Buffer): ReadonlySet<string> {
  return new Set([...bytes.toString('latin1').matchAll(anyFrame)].map(([, nonce = '']) => nonce));
}

/** A line with its end, without its newline, which only the very last line may lack. */
function lineAt(bytes: Buffer, offset: number): { readonly text: string; readonly end: number } | undefined {
  if (offset < 0 || offset >= bytes.length) return undefined;
  const text = bytes.subarray(offset, offset + LINE).toString('latin1');
  const newline = text.indexOf('\n');
  if (newline !== -1) return { text: text.slice(0, newline), end: offset + newline + 1 };
  return offset + text.length < bytes.length ? undefined : { text, end: offset + text.length };
}

function parseFields(line: string): Frame | undefined {
  const match = fields.exec(line);
  if (!match) return undefined;
  const [, rc, timeout, encoding, o, ox, od, e, ex, ed, cut, missing] = match;
  if (encoding !== 'gzip+base64' && encoding !== 'base64' && encoding !== 'raw') return undefined;
  // An exit status is one byte (POSIX, exit()).
  if (Number(rc) > 255) return undefined;
  return {
    line,
    exitCode: Number(rc),
    timedOut: timeout === '1',
    encoding,
    stdout: { raw: Number(o), encoded: Number(ox), digest: od ?? '-' },
    stderr: { raw: Number(e), encoded: Number(ex), digest: ed ?? '-' },
    cut: cut === '1',
    missing: missing?.split(',').slice(1) ?? [],
  };
}
