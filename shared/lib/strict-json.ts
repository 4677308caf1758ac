import { Problem } from '../errors.ts';
import { decodeUtf8 } from './utf8.ts';

const MAX_DEPTH = 32;
/** No body of this API has an object with more keys: a million of them would cost seconds to read and to refuse. */
const MAX_KEYS = 100;
/** The largest body that is of use: twenty commands, each with a thousand words and a thousand files. */
const MAX_VALUES = 100_000;

/**
 * A JSON body read strictly. Refuses what two readers may read differently: bytes that are not UTF-8, a byte-order mark (RFC 8259,
 * section 8.1), a key that is there twice (section 4), half a surrogate pair (section 8.2), an escape in a key, which V8 misreads
 * (see checkKeys). Also refuses nesting that would overflow a recursive reader later on, and more keys and values than a body of this
 * API can have. Throws Problem `request-invalid`.
 */
export function readStrictJson(bytes: Uint8Array): unknown {
  const text = readText(bytes);
  checkShape(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Problem('request-invalid', 'The body is not valid JSON.', { cause: error });
  }
  checkKeys(text);
  checkSurrogates(text);
  return value;
}

function readText(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes);
  } catch (error) {
    throw new Problem('request-invalid', 'The body is not valid UTF-8.', { cause: error });
  }
}

/** Counts brackets and commas outside strings, before any other reader sees the text: in one pass. */
function checkShape(text: string): void {
  /** For each open bracket, how many more commas it may have; a list as many as the body. */
  const left: number[] = [];
  let values = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22:
        at = endOfString(text, at);
        break;
      case 0x7b:
      case 0x5b:
        left.push(text.charCodeAt(at) === 0x7b ? MAX_KEYS : Number.POSITIVE_INFINITY);
        if (left.length > MAX_DEPTH) throw invalid(`is nested deeper than ${MAX_DEPTH} levels`);
        break;
      case 0x7d:
      case 0x5d:
        left.pop();
        break;
      case 0x2c: {
        const more = (left.pop() ?? Number.POSITIVE_INFINITY) - 1;
        left.push(more);
        if (more === 0) throw invalid(`has an object with more than ${MAX_KEYS} keys`);
        if (++values > MAX_VALUES) throw invalid(`has more than ${MAX_VALUES} values`);
      }
    }
  }
}

const invalid = (what: string): Problem => new Problem('request-invalid', `The body ${what}.`);

/**
 * Refuses a key that an object holds twice, and one that is spelt with a backslash: V8 13.6 (Node 24.21) compares the key that it
 * expects from objects read before with the raw text, so that after `{"\\u00":0}` it reads `{"\u0061rgv":0}` as holding `\u00`.
 * No body of this API needs such a key. `text` is valid JSON.
 */
function checkKeys(text: string): void {
  const scopes: (Set<string> | undefined)[] = [];
  let keyNext = false;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22: {
        const end = endOfString(text, at);
        const scope = scopes.at(-1);
        if (keyNext && scope) {
          const key = text.slice(at + 1, end);
          const shown = JSON.stringify(key.slice(0, 100));
          if (key.includes('\\')) throw new Problem('request-invalid', `The key ${shown} is spelt with an escape.`);
          if (scope.has(key)) throw new Problem('request-invalid', `The key ${shown} stands twice in one object.`);
          scope.add(key);
          keyNext = false;
        }
        at = end;
        break;
      }
      case 0x7b:
        scopes.push(new Set());
        keyNext = true;
        break;
      case 0x5b:
        scopes.push(undefined);
        keyNext = false;
        break;
      case 0x7d:
      case 0x5d:
        scopes.pop();
        keyNext = false;
        break;
      case 0x2c:
        keyNext = scopes.at(-1) !== undefined;
        break;
    }
  }
}

/** Raw halves of a pair are not UTF-8 and are refused before; these are escapes. `text` is valid JSON. */
function checkSurrogates(text: string): void {
  if (!/\\u[dD][89a-fA-F]/.test(text)) return;
  for (let at = text.indexOf('"'); at !== -1; at = text.indexOf('"', at)) {
    const end = endOfString(text, at);
    if (!(JSON.parse(text.slice(at, end + 1)) as string).isWellFormed())
      throw new Problem('request-invalid', 'A text in the body has half a surrogate pair.');
    at = end + 1;
  }
}

/** Index of the quote that closes the string which opens at `start`; the text's end when none does. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ;) {
    const quote = text.indexOf('"', at);
    if (quote === -1) return text.length;
    let backslashes = 0;
    while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return quote;
    at = quote + 1;
  }
}
