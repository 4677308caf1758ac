import { trimEnd } from '../lib/trim-end.ts';
import { isLetter, plainScalar, type Json } from './json.ts';

/**
 * The plain part of YAML in which nearly all manifests are written: block maps and lists, scalars, `|` texts, flow collections of one
 * line. A scalar may go on over several lines: Go breaks them after 80 characters, so custom resource definitions are full of it. A
 * general YAML reader takes about a second for a megabyte of it, and nobody else is served meanwhile. What is not surely of this part
 * (anchors, tags, folded texts, odd spacing, every error) is left to the general reader, so that there is one place that decides what
 * is wrong; a property test holds the two to one reading. `count` hears of each document, item and key.
 */
export function readBlockYaml(text: string, count: () => void = () => undefined): Json[] | undefined {
  const normal = text.includes('\r') ? text.replaceAll('\r\n', '\n') : text;
  // Tabs, other controls, and what some readers take for line breaks.
  if (/[^\n\x20-\x7e\u00a0-\u2027\u202a-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u.test(normal)) return undefined;
  try {
    return readStream({ lines: normal.split('\n'), count, at: 0 });
  } catch (error) {
    if (error === notPlain) return undefined;
    throw error;
  }
}

const notPlain = new Error('not of the plain part of YAML');
const DEEPEST = 100;

const quotedKey = /"([^"\\]*)":(?= |$)/uy;
const literalPattern = /^\|([-+]?) *$/u;
/** What cannot begin a plain scalar here: every indicator of YAML. `-` may, before anything but a space. */
const indicator = /^(?:[?:,[\]{}#&*!|>'"%@`]|-(?: |$))/u;
const doubleQuoted = /^("(?:[^"\\]|\\(?:[ "\\/bfnrt]|u[0-9a-fA-F]{4}))*") *(?: #.*)?$/u;
/** What stands between quotes on one line. */
const insideDouble = /(?:[^"\\]|\\.)*/uy;
const insideSingle = /(?:[^']|'')*/uy;
const singleQuoted = /^'((?:[^']|'')*)' *(?: #.*)?$/u;

/** An ordinary object is several times faster than one without a prototype; the one key that it cannot hold is left to the other reader. */
const isTaken = (object: object, key: string): boolean => key === '__proto__' || Object.hasOwn(object, key);

const indentOf = (line: string): number => {
  let indent = 0;
  while (line.charCodeAt(indent) === 0x20) indent++;
  return indent;
};

/** What a key without quotes is made of, by the code of the character. */
const IN_KEY = Array.from({ length: 128 }, (_, code) => /[\w./-]/u.test(String.fromCharCode(code)));

interface Key {
  readonly key: string;
  readonly quoted: boolean;
  /** What stands behind it on its line, without the spaces between. */
  readonly rest: string;
}

/** The key that stands at a place of a line, a colon behind it; undefined without one. By hand: an expression takes twice as long. */
function keyAt(line: string, start: number): Key | undefined {
  if (line.charCodeAt(start) === 0x22) {
    quotedKey.lastIndex = start;
    const match = quotedKey.exec(line);
    return match === null ? undefined : { key: match[1] ?? '', quoted: true, rest: behind(line, quotedKey.lastIndex) };
  }
  let end = start;
  while (end < line.length && IN_KEY[line.charCodeAt(end)] === true) end++;
  const ends = line.charCodeAt(end) === 0x3a && (end + 1 === line.length || line.charCodeAt(end + 1) === 0x20);
  if (!ends || end === start || line.charCodeAt(start) === 0x2d) return undefined;
  return { key: line.slice(start, end), quoted: false, rest: behind(line, end + 1) };
}

function behind(line: string, start: number): string {
  let at = start;
  while (line.charCodeAt(at) === 0x20) at++;
  return line.slice(at);
}

/** Where a text is being read. */
interface Stream {
  readonly lines: readonly string[];
  readonly count: () => void;
  /** The line that is next. */
  at: number;
}

function readStream(stream: Stream): Json[] {
  const { lines, count } = stream;
  const documents: Json[] = [];
  while (stream.at < lines.length) {
    count();
    const indent = nextIndent(stream);
    if (indent > 0) throw notPlain;
    if (indent === 0) documents.push(readBlock(stream, 0, 0));
    if (nextIndent(stream) !== -1) throw notPlain;
    if (stream.at >= lines.length) break;
    if (!/^--- *$/u.test(lines[stream.at] ?? '')) throw notPlain;
    stream.at++;
  }
  return documents;
}

/** Moves to the next line that says something within the document, and gives its indent; -1 at the end of the document. */
function nextIndent(stream: Stream): number {
  const { lines } = stream;
  for (; stream.at < lines.length; stream.at++) {
    const line = lines[stream.at] ?? '';
    const indent = indentOf(line);
    if (indent === line.length || line.charCodeAt(indent) === 0x23) continue;
    if (indent === 0) {
      if (line.startsWith('---')) return -1;
      if (line.startsWith('...') || line.startsWith('%')) throw notPlain;
    }
    return indent;
  }
  return -1;
}

const isItem = (line: string, indent: number): boolean =>
  line.charCodeAt(indent) === 0x2d && (line.length === indent + 1 || line.charCodeAt(indent + 1) === 0x20);

function readBlock(stream: Stream, indent: number, depth: number): Json {
  if (depth > DEEPEST) throw notPlain;
  return isItem(stream.lines[stream.at] ?? '', indent)
    ? readList(stream, indent, depth)
    : readMap(stream, indent, depth);
}

function readList(stream: Stream, indent: number, depth: number): Json {
  const items: Json[] = [];
  for (let here = indent; here === indent; here = nextIndent(stream)) {
    stream.count();
    const line = stream.lines[stream.at] ?? '';
    // In a list below a key of the same indent, the next key ends it.
    if (!isItem(line, indent)) return items;
    items.push(readItem(stream, line, indent, depth));
  }
  checkEnd(stream, indent);
  return items;
}

/** What stands behind the dash of an item. */
function readItem(stream: Stream, line: string, indent: number, depth: number): Json {
  const start = indent + 1 + indentOf(line.slice(indent + 1));
  const content = line.slice(start);
  if (content === '' || content.startsWith('#')) {
    stream.at++;
    const deeper = nextIndent(stream);
    return deeper > indent ? readBlock(stream, deeper, depth + 1) : null;
  }
  // `- key: value`: a map whose indent is that of its first key. What stands before it is not looked at again.
  if (keyAt(content, 0) !== undefined || isItem(content, 0)) return readBlock(stream, start, depth + 1);
  return readValue(stream, content, indent);
}

function readMap(stream: Stream, indent: number, depth: number): Json {
  const object: Record<string, Json> = {};
  for (let here = indent; here === indent; here = nextIndent(stream)) {
    stream.count();
    const found = keyAt(stream.lines[stream.at] ?? '', indent);
    if (found === undefined) throw notPlain;
    const { key, quoted, rest } = found;
    // A key that reads as a number or a boolean, or is there twice, is for the general reader.
    if (isTaken(object, key) || (!quoted && typeof plainScalar(key) !== 'string')) throw notPlain;
    object[key] =
      rest === '' || rest.startsWith('#') ? readBelow(stream, indent, depth) : readValue(stream, rest, indent);
  }
  checkEnd(stream, indent);
  return object;
}

/** What stands on the lines below a key: a deeper block, or a list of the same indent. */
function readBelow(stream: Stream, indent: number, depth: number): Json {
  stream.at++;
  const deeper = nextIndent(stream);
  const below = deeper > indent || (deeper === indent && isItem(stream.lines[stream.at] ?? '', indent));
  return below ? readBlock(stream, deeper, depth + 1) : null;
}

/** What follows a block is less indented; anything else is an error or a text over several lines. */
function checkEnd(stream: Stream, indent: number): void {
  if (nextIndent(stream) > indent) throw notPlain;
}

/** A value on the line of its key or dash; moves past it. */
function readValue(stream: Stream, content: string, indent: number): Json {
  stream.at++;
  const literal = content.charCodeAt(0) === 0x7c ? literalPattern.exec(content) : null;
  if (literal !== null) return literalText(literalLines(stream, indent), literal[1] ?? '');
  const scalar = inline(goesOn(stream, indent) ? manyLines(stream, content, indent) : content, stream.count);
  if (nextIndent(stream) > indent) throw notPlain;
  return scalar;
}

/** Whether the next line is deeper, so that it can only go on with the value before it. */
function goesOn({ lines, at }: Stream, indent: number): boolean {
  const line = lines[at] ?? '';
  const here = indentOf(line);
  return here > indent && here < line.length;
}

/** Without its indentation; moves past it. */
function nextLine(stream: Stream): string {
  const line = stream.lines[stream.at++] ?? '';
  return line.slice(indentOf(line));
}

/** A scalar of several lines as one: breaks are spaces (YAML 1.2, section 6.5). Empty lines, which are breaks, are left over. */
function manyLines(stream: Stream, content: string, indent: number): string {
  const isQuoted = content.startsWith('"') || content.startsWith("'");
  const parts = isQuoted ? quotedLines(stream, content, indent) : plainLines(stream, content, indent);
  return parts.map((part, at) => (at < parts.length - 1 ? trimEnd(part, ' ') : part)).join(' ');
}

function plainLines(stream: Stream, content: string, indent: number): string[] {
  const parts = [content];
  if (indicator.test(content)) return parts;
  while (goesOn(stream, indent)) {
    const line = nextLine(stream);
    // A comment ends a scalar; the others are errors to some readers and text to others.
    if (/^(?:[#:]|[-?](?: |$))/u.test(line)) throw notPlain;
    parts.push(line);
  }
  if (parts.length > 1 && parts.some((part) => part.includes(' #'))) throw notPlain;
  return parts;
}

/** To the line on which the quotes close. */
function quotedLines(stream: Stream, content: string, indent: number): string[] {
  const quote = content.charAt(0);
  const inside = quote === '"' ? insideDouble : insideSingle;
  const parts = [content];
  for (let start = 1, line = content; ; start = 0) {
    inside.lastIndex = start;
    inside.exec(line);
    if (line.charAt(inside.lastIndex) === quote) return parts;
    // A backslash at the end takes the break away, one before spaces keeps the first of them.
    if (inside.lastIndex < line.length || /\\ +$/u.test(line) || !goesOn(stream, indent)) throw notPlain;
    line = nextLine(stream);
    parts.push(line);
  }
}

/** The lines of a `|` text, without their indent; moves past them. */
function literalLines(stream: Stream, parent: number): string[] {
  const { lines } = stream;
  let indent = -1;
  const texts: string[] = [];
  for (; stream.at < lines.length; stream.at++) {
    const line = lines[stream.at] ?? '';
    const here = indentOf(line);
    if (here === line.length) {
      if (indent === -1 ? here > 0 : here > indent) throw notPlain;
      texts.push('');
      continue;
    }
    if (here <= parent) break;
    if (indent === -1) indent = here;
    if (here < indent) throw notPlain;
    texts.push(line.slice(indent));
  }
  // The last line break of the file is not an empty line.
  if (stream.at === lines.length && texts.at(-1) === '') texts.pop();
  return texts;
}

/** `chomp` says what becomes of line breaks at the end: `+` keeps them, `-` takes them away, and without either there is one. */
function literalText(texts: readonly string[], chomp: string): string {
  let end = texts.length;
  while (end > 0 && texts[end - 1] === '') end--;
  if (end === 0) throw notPlain;
  if (chomp === '+') return `${texts.join('\n')}\n`;
  return texts.slice(0, end).join('\n') + (chomp === '-' ? '' : '\n');
}

/** A scalar or flow collection, and nothing behind it but a comment. */
function inline(content: string, count: () => void): Json {
  const first = content.charCodeAt(0);
  if (first === 0x22) {
    const match = doubleQuoted.exec(content);
    if (match === null) throw notPlain;
    // An escaped space, with which Go begins a line, is a space; JSON knows no such escape.
    const json = (match[1] ?? '').replaceAll(/\\(.)/gu, (escape, escaped) => (escaped === ' ' ? ' ' : escape));
    return wellFormed(JSON.parse(json) as string);
  }
  if (first === 0x27) {
    const match = singleQuoted.exec(content);
    if (match === null) throw notPlain;
    return (match[1] ?? '').replaceAll("''", "'");
  }
  if (first === 0x7b || first === 0x5b) return flow(content, count);
  if (!isLetter(first) && indicator.test(content)) throw notPlain;
  const text = trimEnd(withoutComment(content), ' ');
  if (text.includes(': ') || text.endsWith(':')) throw notPlain;
  return resolved(text);
}

/** What stands before ` #`. A search for the first, since an expression would start again at each space. */
function withoutComment(content: string): string {
  const comment = content.indexOf(' #');
  return comment === -1 ? content : content.slice(0, comment);
}

function wellFormed(text: string): string {
  if (!text.isWellFormed()) throw notPlain;
  return text;
}

function resolved(text: string): Json {
  const scalar = plainScalar(text);
  if (scalar === undefined) throw notPlain;
  return scalar;
}

// Plain scalars in flow collections: only characters that mean nothing else there.
const flowToken = / *(?:([[\]{},])|([A-Za-z0-9_./][\w./@-]*(?::[\w./@-]+)*)|"([^"\\]*)"|'([^']*)')(: )?/uy;

/** `[a, "b"]`, `{app: web}`: nothing over several lines, no empty entries. */
function flow(content: string, count: () => void): Json {
  let at = 0;
  const read = (): RegExpExecArray => {
    flowToken.lastIndex = at;
    const match = flowToken.exec(content);
    if (match === null) throw notPlain;
    at = flowToken.lastIndex;
    return match;
  };
  const text = (one: RegExpExecArray): string | undefined => one[3] ?? one[4];
  const node = (one: RegExpExecArray, depth: number): Json => {
    count();
    if (depth > DEEPEST || one[5] !== undefined) throw notPlain;
    if (one[1] === '[') return items(depth);
    if (one[1] === '{') return members(depth);
    if (one[1] !== undefined) throw notPlain;
    return text(one) ?? resolved(one[2] ?? '');
  };
  const items = (depth: number): Json => {
    const found: Json[] = [];
    let one = read();
    if (one[1] === ']') return closed(one, found);
    for (;;) {
      found.push(node(one, depth + 1));
      one = read();
      if (one[1] === ']') return closed(one, found);
      if (one[1] !== ',') throw notPlain;
      one = read();
    }
  };
  const members = (depth: number): Json => {
    const object: Record<string, Json> = {};
    let one = read();
    if (one[1] === '}') return closed(one, object);
    for (;;) {
      const key = text(one) ?? (one[2] === undefined ? null : resolved(one[2]));
      if (typeof key !== 'string' || one[5] === undefined || isTaken(object, key)) throw notPlain;
      object[key] = node(read(), depth + 1);
      one = read();
      if (one[1] === '}') return closed(one, object);
      if (one[1] !== ',') throw notPlain;
      one = read();
    }
  };
  const closed = (one: RegExpExecArray, collection: Json): Json => {
    if (one[5] !== undefined) throw notPlain;
    return collection;
  };
  const result = node(read(), 0);
  if (at < content.length && !/^ *(?: #.*)?$/u.test(content.slice(at))) throw notPlain;
  return result;
}
