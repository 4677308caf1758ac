import {
  Composer,
  type CST,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  Parser,
  type Alias,
  type Document,
  type Node,
  type Scalar,
} from 'yaml';
import { refuse } from '../lib/refuse.ts';
import { decodeUtf8 } from '../lib/utf8.ts';
import { readBlockYaml } from './yaml-block.ts';
import { plainScalar, readJson, type Json, type JsonObject } from './json.ts';

/**
 * YAML as kubectl reads it: YAML 1.1 in go-yaml's dialect (measured: 0644 is 420, `on` is true, big integers are exact, no
 * sexagesimals, timestamps stay text). Where two readers could disagree (duplicate keys, tags, directives, content after `...`)
 * the text is refused.
 */

/** Nesting that no manifest needs; beyond it parsers overflow their stacks. */
const DEEPEST = 100;
/** Nodes that aliases may add: "billion laughs" (CVE-2019-11253, in the API server itself). */
const MOST_ALIASED = 20_000;

interface YamlSource {
  /** For refusals: a path, or `stdin`. */
  readonly name: string;
  readonly text: string;
  /** Shared by all that one request sends. */
  readonly budget: YamlBudget;
}

/** What of one request, charts and all steps of a batch included, may still be read. Nobody else is served meanwhile. */
export interface YamlBudget {
  /** Characters for the general reader, which needs two to four milliseconds for a thousand of them. */
  general: number;
  /** Keys, items and documents of JSON and plain block YAML, which need one or two milliseconds for a thousand of them. */
  values: number;
}

export const yamlBudget = (): YamlBudget => ({ general: 64 * 1024, values: MOST_VALUES });

/** More than the largest bundles of custom resource definitions have. The API server takes no object of more than a few megabytes anyway. */
const MOST_VALUES = 100_000;

/** Takes one of the values that are left. */
export const counting = (name: string, budget: YamlBudget) => (): void => {
  budget.values -= 1;
  if (budget.values < 0) throw refuse(name, `has more than ${MOST_VALUES} values, with what was sent beside it`);
};

/** UTF-8 text of an upload. Throws Problem `command-refused` for anything else. */
export function decodeText(name: string, bytes: Uint8Array): string {
  let text: string;
  try {
    text = decodeUtf8(bytes).replace(/^\ufeff/u, '');
  } catch (error) {
    if (error instanceof TypeError) throw refuse(name, 'is not UTF-8 text');
    throw error;
  }
  if (text.includes('\0')) throw refuse(name, 'has a NUL character');
  return text;
}

/** Every document of a text, empty ones left out. Throws Problem `command-refused` naming the source and the line. */
export function readYaml({ name, text: raw, budget }: YamlSource): Json[] {
  const text = raw.startsWith('\ufeff') ? raw.slice(1) : raw;
  try {
    const count = counting(name, budget);
    const quick = readJson(text, (why) => refuse(name, why), count) ?? readBlockYaml(text, count);
    if (quick !== undefined) return quick;
    budget.general -= text.length;
    if (budget.general < 0) {
      throw refuse(
        name,
        'is too much YAML with anchors, tags, folded texts or the like; send plain block YAML or JSON',
      );
    }
    return readDocuments(name, text);
  } catch (error) {
    if (error instanceof RangeError) throw refuse(name, 'is nested too deeply');
    throw error;
  }
}

/** All of YAML, slowly. */
export function readDocuments(name: string, text: string): Json[] {
  refuseAmbiguity(name, text);
  // The package makes an error for each fault and goes on; taking a stack costs ten times as much as all the rest of it.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return compose(name, text);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function compose(name: string, text: string): Json[] {
  const lines = new LineCounter();
  const at = (offset: number): string => `line ${lines.linePos(offset).line}`;
  const documents: Json[] = [];
  // Plain scalars stay text here ("failsafe"): json.ts resolves them as go-yaml does.
  const composer = new Composer({ schema: 'failsafe', uniqueKeys: false, strict: true, lineCounter: lines });
  for (const document of composer.compose(soundTokens(new Parser(lines.addNewLine).parse(text), name, at))) {
    const [fault] = [...document.errors, ...document.warnings];
    if (fault !== undefined) throw refuse(name, `${at(fault.pos[0])}: ${firstLine(fault.message)}`);
    const json = toJson(document, text, (offset, why) => refuse(name, `${at(offset)}: ${why}`));
    if (json !== null) documents.push(json);
  }
  return documents;
}

/** Ends at the first fault: the parser goes on after it, and makes an error of each character that follows. */
function* soundTokens(tokens: Iterable<CST.Token>, name: string, at: (offset: number) => string): Generator<CST.Token> {
  for (const token of tokens) {
    if (token.type === 'error') throw refuse(name, `${at(token.offset)}: ${firstLine(token.message)}`);
    yield token;
  }
}

const firstLine = (message: string): string =>
  message.split('\n', 1)[0]?.replace(/ at line \d+, column \d+:?$/u, '') ?? '';

function refuseAmbiguity(name: string, text: string): void {
  // kubectl stops reading at `...` (measured); a YAML reader goes on.
  const end = /^\.\.\.(?=[ \t\r\n]|$)/mu.exec(text);
  if (end !== null && /^[ \t]*[^#\s]/mu.test(text.slice(end.index + 3))) {
    throw refuse(name, 'has content after "...", which kubectl would not read');
  }
  // kubectl splits documents before it reads them, and refuses a marker with content (apimachinery, YAMLReader).
  if (/^---(?![ \t\r]*(?:#|$))/mu.test(text)) throw refuse(name, 'has content on the line of "---"');
  if (/^%/mu.test(text)) throw refuse(name, 'has a YAML directive; manifests need none');
  // Line breaks of YAML 1.1 (5.4) and a byte-order mark within the text, which YAML 1.2 takes for characters.
  const odd = /[\u0085\u2028\u2029\ufeff]/u.exec(text);
  if (odd !== null) {
    const code = odd[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
    throw refuse(name, `has the character U+${code}, which readers of YAML take in two ways; write it as "\\u${code}"`);
  }
}

type Complain = (offset: number, why: string) => Error;

/** Where the last line begins that holds nothing but spaces and tabs; -1 without one. */
function lastLineOfSpaces(text: string): number {
  let found = -1;
  for (const { index } of text.matchAll(/^[ \t]+\r?$/gmu)) found = index;
  return found;
}

/** A document that is being turned into JSON. */
interface Conversion {
  readonly text: string;
  readonly complain: Complain;
  readonly anchors: Map<string, unknown>;
  readonly lastBlankLine: number;
  /** Nodes that aliases have added. */
  aliased: number;
}

function toJson(document: Document.Parsed, text: string, complain: Complain): Json {
  const lastBlankLine = lastLineOfSpaces(text);
  return convert({ text, complain, anchors: new Map(), lastBlankLine, aliased: 0 }, document.contents, 0, false);
}

function convert(conversion: Conversion, node: unknown, depth: number, inAlias: boolean): Json {
  const { complain, anchors } = conversion;
  if (node === null || node === undefined) return null;
  if (inAlias && ++conversion.aliased > MOST_ALIASED) throw complain(0, 'its aliases stand for too much');
  if (isAlias(node)) return convertAlias(conversion, node, depth);
  // An anchor can be set again: the last one before the alias counts. Nodes are visited in the order of the text.
  if (!inAlias && isNode(node) && 'anchor' in node && node.anchor !== undefined) anchors.set(node.anchor, node);
  if (isScalar(node)) return convertScalar(conversion, node);
  if (isSeq(node)) {
    checkCollection(complain, node, 'seq', depth);
    if (node.flow === true) for (const item of node.items) checkFlowScalar(conversion, item);
    return node.items.map((item) => convert(conversion, item, depth + 1, inAlias));
  }
  if (isMap(node)) {
    checkCollection(complain, node, 'map', depth);
    if (node.flow === true)
      for (const { key, value } of node.items) for (const part of [key, value]) checkFlowScalar(conversion, part);
    return convertMap(conversion, node.items, depth, inAlias);
  }
  throw complain(0, 'has a node that is neither scalar, list nor map');
}

function convertAlias(conversion: Conversion, { source, range }: Alias, depth: number): Json {
  const { complain, anchors } = conversion;
  const offset = range?.[0] ?? 0;
  if (depth > DEEPEST) throw complain(offset, 'is nested too deeply');
  const target = anchors.get(source);
  if (target === undefined) throw complain(offset, `there is no anchor &${source} before this`);
  return convert(conversion, target, depth + 1, true);
}

function convertScalar(conversion: Conversion, node: Scalar): Json {
  const { complain } = conversion;
  const offset = node.range?.[0] ?? 0;
  const content = typeof node.value === 'string' ? node.value : '';
  checkBlockText(conversion, node);
  if (!content.isWellFormed()) throw complain(offset, 'has half a surrogate pair');
  if (node.tag === 'tag:yaml.org,2002:str' || (node.type !== 'PLAIN' && node.tag === undefined)) return content;
  if (node.tag !== undefined) throw complain(offset, `the tag ${node.tag} is not taken`);
  const value = plainScalar(content);
  if (value === undefined) throw complain(offset, `${content} has no form in JSON`);
  return value;
}

function convertMap(conversion: Conversion, items: readonly unknown[], depth: number, inAlias: boolean): JsonObject {
  const { complain } = conversion;
  const object: Record<string, Json> = Object.create(null);
  const merged: Json[] = [];
  let before: readonly string[] = [];
  for (const pair of items) {
    if (!isPair(pair)) throw complain(0, 'has a map entry without a key');
    const offset = isScalar(pair.key) || isAlias(pair.key) ? (pair.key.range?.[0] ?? 0) : 0;
    if (isScalar(pair.key) && pair.key.value === '<<' && pair.key.type === 'PLAIN') {
      merged.push(convert(conversion, pair.value, depth + 1, inAlias));
      before = Object.keys(object);
      if (merged.length > 1) throw complain(offset, 'the key << is there twice');
      continue;
    }
    const key = keyText(complain, pair.key, convert(conversion, pair.key, depth + 1, inAlias), offset);
    if (key in object) throw complain(offset, `the key ${JSON.stringify(key)} is there twice`);
    object[key] = convert(conversion, pair.value, depth + 1, inAlias);
  }
  for (const source of merged) merge(complain, object, source, before);
  return object;
}

/**
 * Keys that are whole numbers or booleans get their text in JSON. Other spellings of a number are refused: a float would be
 * cut to 32 bits and `1e9` printed as Go prints floats (sigs.k8s.io/yaml, convertToJSONableObject).
 */
function keyText(complain: Complain, node: unknown, key: Json, offset: number): string {
  if (typeof key === 'string') return key;
  const asWritten = typeof key === 'number' && isScalar(node) && node.value === String(key);
  if (asWritten || typeof key === 'boolean') return String(key);
  throw complain(offset, 'a key of a map has to be text');
}

/**
 * `<<: *base`: what the map says itself wins, then the earlier of several. A key that stands before `<<` and is in the base
 * too is refused: kubectl takes the base's (go-yaml merges where `<<` stands; measured with 1.27 to 1.37).
 */
function merge(complain: Complain, object: Record<string, Json>, source: Json, before: readonly string[]): void {
  for (const one of Array.isArray(source) ? source : [source]) {
    if (one === null || typeof one !== 'object' || Array.isArray(one)) throw complain(0, '<< has to name a map');
    for (const [key, value] of Object.entries(one as JsonObject)) {
      if (before.includes(key))
        throw complain(0, `the key ${JSON.stringify(key)} stands before a << that has it too; write << first`);
      if (!(key in object)) object[key] = value;
    }
  }
}

function checkCollection(complain: Complain, { tag, range }: Node, kind: 'map' | 'seq', depth: number): void {
  const offset = range?.[0] ?? 0;
  if (tag !== undefined && tag !== `tag:yaml.org,2002:${kind}`) throw complain(offset, `the tag ${tag} is not taken`);
  if (depth > DEEPEST) throw complain(offset, 'is nested too deeply');
}

/** In flow collections kubectl and this reader disagree on `[a:, b]` (a key, or text that ends in a colon) and on `[?a]` (measured). */
function checkFlowScalar({ text, complain }: Conversion, node: unknown): void {
  if (!isScalar(node) || node.type !== 'PLAIN') return;
  const [start, end] = node.range ?? [0, 0];
  if (text[start] === '?' || /^[ \t]*:[^\s]/u.test(text.slice(end, end + 100))) {
    throw complain(start, 'quote what holds "?" or ":" in a flow collection, and put a space after a colon');
  }
}

/** kubectl and this reader disagree on lines of nothing but spaces at or after the end of a text of explicit indentation, `|2` (measured). */
function checkBlockText({ text, complain, lastBlankLine }: Conversion, node: Scalar): void {
  if (node.type !== 'BLOCK_LITERAL' && node.type !== 'BLOCK_FOLDED') return;
  const [start] = node.range ?? [0];
  if (/^[|>][-+]?[0-9]/u.test(text.slice(start, start + 3)) && lastBlankLine > start) {
    throw complain(start, 'has a text of given indentation with lines of spaces; leave them empty');
  }
}
