import { isUtf8 } from 'node:buffer';

/**
 * The strict reading of a line: is it RFC 8785 canonical JSON of an object, with integers only? One pass over the bytes, without
 * building the value: several times as fast as to parse, serialise again and compare, and held to that by a property test.
 * Nesting deeper than MAX_DEPTH is refused.
 */
const MAX_DEPTH = 32;

/** A member of the line's object by its place: `start` to `end` are its value's bytes. */
export interface Span {
  start: number;
  end: number;
}

export interface LineScanner {
  /** The offset at which the line stops being canonical; -1 when it never does. */
  scan(line: Buffer): number;
  /** Where the line that was last scanned has that member, if it has. */
  readonly members: Readonly<Record<ScannedMember, Span>>;
}

/** The members that verification looks at in every line. */
const scanned = ['code', 'commandId', 'monoMs', 'prev', 'seq', 'stream', 'time', 'v'] as const;
export type ScannedMember = (typeof scanned)[number];

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
/** The largest safe integer has 16 digits. */
const MAX_DIGITS = 16;

/** What may follow a backslash, RFC 8785, 3.2.2.2: the two-letter escapes, and \u00xx for the other controls. */
const SHORT_ESCAPES = new Set(Buffer.from('"\\bfnrt', 'latin1'));
const SHORT_CONTROLS = new Set([0x08, 0x09, 0x0a, 0x0c, 0x0d]);

/** 1 for the bytes at which the plain run of a string ends: quote, backslash, controls. */
const ends = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 0x20 || byte === QUOTE || byte === BACKSLASH ? 1 : 0,
);

export function createLineScanner(): LineScanner {
  const members = Object.fromEntries(scanned.map((name) => [name, { start: 0, end: 0 }])) as Record<
    ScannedMember,
    Span
  >;
  const names = scanned.map((name) => ({ bytes: Buffer.from(name, 'latin1'), span: members[name] }));
  const byLength = Array.from({ length: 10 }, (_, length) => names.filter(({ bytes }) => bytes.length === length));
  let line: Buffer = Buffer.alloc(0);
  let at = 0;

  /** Past the string that starts at `at`; false when it is not canonical. */
  const string = (): boolean => {
    const bytes = line;
    if (bytes[at] !== QUOTE) return false;
    // A local index: this loop is most of what verification costs.
    let index = at;
    for (;;) {
      index += 1;
      while (ends[bytes[index] ?? 0] === 0) index += 1;
      at = index;
      if (bytes[index] === QUOTE) {
        at += 1;
        return true;
      }
      if (bytes[index] !== BACKSLASH || !escape()) return false;
      index = at;
    }
  };

  /** To the last byte of the escape that starts at `at`. */
  const escape = (): boolean => {
    const letter = line[at + 1] ?? 0;
    if (SHORT_ESCAPES.has(letter)) {
      at += 1;
      return true;
    }
    const hex = line.toString('latin1', at + 1, at + 6);
    if (!/^u00[01][0-9a-f]$/.test(hex) || SHORT_CONTROLS.has(Number.parseInt(hex.slice(1), 16))) return false;
    at += 5;
    return true;
  };

  const number = (): boolean => {
    const start = at;
    if (line[at] === MINUS) at += 1;
    const first = at;
    for (let byte = line[at]; byte !== undefined && byte >= ZERO && byte <= NINE; byte = line[at]) at += 1;
    const digits = at - first;
    if (digits === 0 || digits > MAX_DIGITS) return false;
    if (line[first] === ZERO && (digits > 1 || first > start)) return false;
    return digits < MAX_DIGITS || Number.isSafeInteger(Number(line.toString('latin1', start, at)));
  };

  const word = (text: string): boolean => {
    const end = at + text.length;
    if (line.toString('latin1', at, end) !== text) return false;
    at = end;
    return true;
  };

  const value = (depth: number): boolean => {
    switch (line[at] ?? 0) {
      case QUOTE:
        return string();
      case 0x7b:
        return object(depth + 1);
      case 0x5b:
        return array(depth + 1);
      case 0x74:
        return word('true');
      case 0x66:
        return word('false');
      case 0x6e:
        return word('null');
      default:
        return number();
    }
  };

  const array = (depth: number): boolean => {
    if (depth > MAX_DEPTH) return false;
    at += 1;
    if (line[at] === 0x5d) {
      at += 1;
      return true;
    }
    for (;;) {
      if (!value(depth)) return false;
      const next = line[at];
      at += 1;
      if (next === 0x5d) return true;
      if (next !== COMMA) return false;
    }
  };

  const object = (depth: number): boolean => {
    if (depth > MAX_DEPTH) return false;
    at += 1;
    if (line[at] === 0x7d) {
      at += 1;
      return true;
    }
    let before = 0;
    let beforeEnd = 0;
    for (;;) {
      const start = at;
      if (!string()) return false;
      const end = at;
      if (beforeEnd > 0 && !keyFollows(line, before, beforeEnd, start, end)) {
        at = start;
        return false;
      }
      before = start;
      beforeEnd = end;
      if (line[at] !== COLON) return false;
      at += 1;
      const from = at;
      if (!value(depth)) return false;
      if (depth === 1) note(start + 1, end - 1, from, at);
      const next = line[at];
      at += 1;
      if (next === 0x7d) return true;
      if (next !== COMMA) return false;
    }
  };

  const note = (nameStart: number, nameEnd: number, start: number, end: number): void => {
    for (const { bytes, span } of byLength[nameEnd - nameStart] ?? []) {
      let same = 0;
      while (same < bytes.length && bytes[same] === line[nameStart + same]) same += 1;
      if (same < bytes.length) continue;
      span.start = start;
      span.end = end;
      return;
    }
  };

  return {
    members,
    scan: (bytes) => {
      line = bytes;
      at = 0;
      for (const { span } of names) {
        span.start = 0;
        span.end = 0;
      }
      if (!isUtf8(bytes)) return firstBadByte(bytes);
      if (line[0] !== 0x7b || !object(1)) return Math.min(at, bytes.length);
      return at === bytes.length ? -1 : at;
    },
  };
}

/** Whether the second key, quotes included, comes after the first by UTF-16 code units (RFC 8785, 3.2.3); equal ones do not. */
function keyFollows(line: Buffer, aStart: number, aEnd: number, bStart: number, bEnd: number): boolean {
  const shorter = Math.min(aEnd - aStart, bEnd - bStart);
  for (let index = 1; index < shorter; index += 1) {
    const a = line[aStart + index] ?? 0;
    const b = line[bStart + index] ?? 0;
    // Escapes sort by what they stand for, and UTF-8 above U+FFFF by another order than UTF-16: then as strings.
    if (a === BACKSLASH || b === BACKSLASH || a >= 0xee || b >= 0xee)
      return keyText(line, aStart, aEnd) < keyText(line, bStart, bEnd);
    // A key that ends is the shorter one: its quote is not part of it.
    if (a === QUOTE) return b !== QUOTE;
    if (b === QUOTE) return false;
    if (a !== b) return a < b;
  }
  return false;
}

const keyText = (line: Buffer, start: number, end: number): string =>
  String(JSON.parse(line.toString('utf8', start, end)));

function firstBadByte(bytes: Buffer): number {
  let low = 0;
  let high = bytes.length;
  // A prefix that is cut inside a character is bad too, so this finds the character's end or thereabouts: a place to look at.
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isUtf8(bytes.subarray(0, middle + 1))) low = middle + 1;
    else high = middle;
  }
  return low;
}
