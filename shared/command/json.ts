/** What a manifest is made of, once read. A key `__proto__` is a key like others: read own properties only. */
export type Json = JsonScalar | readonly Json[] | JsonObject;
type JsonScalar = string | number | boolean | null | BigNumber;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** An integer beyond 2^53, kept digit by digit: JSON.stringify writes it as it stands. */
interface BigNumber {
  readonly rawJSON: string;
}

// ECMA-262 proposal "JSON.parse source text access", in V8 since 11.4; not yet in TypeScript's library.
const { rawJSON: rawJson, isRawJSON: isRawJson } = JSON as unknown as {
  readonly rawJSON: (text: string) => BigNumber;
  readonly isRawJSON: (value: unknown) => value is BigNumber;
};

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawJson(value);

export const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

// Characters that JSON takes raw, and YAML does not, or takes for a line break (YAML 1.1, 5.1 and 5.4).
const notYaml = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/gu;

/** The text that is sent: what was judged, nothing else. It reads the same as JSON and as YAML, on one line. */
export const writeJson = (value: Json): string =>
  JSON.stringify(value).replaceAll(
    notYaml,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

const keywords: ReadonlyMap<string, boolean | null> = new Map<string, boolean | null>([
  ...['', '~', 'null', 'Null', 'NULL'].map((word) => [word, null] as const),
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map((word) => [word, true] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map((word) => [word, false] as const),
]);
/** Of ASCII, by its code. */
export const isLetter = (code: number): boolean => (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a);

const notNumbers = /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/u;
const integerPattern = /^[-+]?(?:0|[1-9][0-9]*|0[0-7]+|0[oO][0-7]+|0[xX][0-9a-fA-F]+|0[bB][01]+)$/u;
const floatPattern = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/u;

const LARGEST = 2n ** 64n - 1n;
const SMALLEST = -(2n ** 63n);

/**
 * A plain (unquoted) scalar as go-yaml's YAML 1.1 reads it, which is how kubectl does (sigs.k8s.io/yaml, goyaml.v2 resolve.go):
 * no sexagesimal numbers, underscores allowed in numbers, 64-bit integers, dates stay text. Undefined for what JSON cannot say.
 */
export function plainScalar(text: string): JsonScalar | undefined {
  const first = text.charCodeAt(0);
  // Most scalars start with a letter: at most five characters are a keyword, and nothing else of them is more than text.
  const keyword = text.length > 5 ? undefined : keywords.get(text);
  if (keyword !== undefined) return keyword;
  if (isLetter(first)) return text;
  if (notNumbers.test(text)) return undefined;
  const numeric = (first >= 0x30 && first <= 0x39) || first === 0x2b || first === 0x2d;
  if (!numeric) return first === 0x2e && floatPattern.test(text) ? finite(text) : text;
  const plain = text.replaceAll('_', '');
  if (integerPattern.test(plain)) {
    const value = integer(plain);
    if (value !== undefined) return value;
  }
  return floatPattern.test(plain) ? finite(plain) : text;
}

/** Sign, base and digits; `0` before another digit is the base of an octal number. */
const partsPattern = /^([-+]?)(0[xXoObB]?(?=[0-9a-fA-F]))?0*([0-9a-fA-F]*)/u;

/** Undefined when it has more than 64 bits: go-yaml then reads a float. */
function integer(text: string): JsonScalar | undefined {
  const [, sign, base = '', digits = ''] = partsPattern.exec(text) ?? [];
  // The binary spelling is the longest. Reading a number takes the square of its length.
  if (digits.length > 64) return undefined;
  const magnitude = BigInt(`${base === '0' ? '0o' : base}${digits === '' ? '0' : digits}`);
  const value = sign === '-' ? -magnitude : magnitude;
  if (value > LARGEST || value < SMALLEST) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : rawJson(value.toString());
}

/** strconv.ParseFloat refuses what overflows; then it is text. */
function finite(text: string): JsonScalar {
  const value = Number(text.replace(/^\+/u, ''));
  return Number.isFinite(value) ? value : text;
}

// RFC 8259, tokens. A string that is more than what stands between its quotes is checked and read by JSON.parse.
const tokenPattern =
  /[ \t\r\n]*(?:([{}[\],:])|"([^"\\\p{Cc}]*)"|("[^"\\]*(?:\\.[^"\\]*)*")|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)|(true|false|null)|(---(?=\s))|($))/suy;

const DEEPEST_JSON = 100;

/**
 * Reads JSON documents that follow each other, with or without `---` between them. Undefined when the text is not JSON (it may
 * still be YAML). Unlike JSON.parse it refuses a key that is there twice, of which two readers may take different ones, and keeps
 * 64-bit integers. `count` hears of each value.
 */
export function readJson(
  text: string,
  complain: (why: string) => Error,
  count: () => void = () => undefined,
): Json[] | undefined {
  if (!/^\s*[{[]/u.test(text)) return undefined;
  const token = new RegExp(tokenPattern);
  let match: RegExpExecArray | null = null;
  const next = (): boolean => (match = token.exec(text)) !== null;
  const mark = (): string | undefined => match?.[1];
  const string = (): string | undefined => match?.[2] ?? (match?.[3] === undefined ? undefined : unquote(match[3]));

  const value = (depth: number): Json | undefined => {
    if (match === null) return undefined;
    count();
    if (depth > DEEPEST_JSON) throw complain('is nested too deeply');
    if (match[1] === '{') return object(depth);
    if (match[1] === '[') return list(depth);
    if (match[4] !== undefined) return numberOf(match[4]);
    if (match[5] !== undefined) return match[5] === 'null' ? null : match[5] === 'true';
    return string();
  };
  const object = (depth: number): Json | undefined => {
    const members: Record<string, Json> = {};
    if (!next()) return undefined;
    if (mark() === '}') return members;
    for (;;) {
      const key = string();
      if (key === undefined || !next() || mark() !== ':' || !next()) return undefined;
      if (Object.hasOwn(members, key)) throw complain(`the key ${JSON.stringify(key)} is there twice`);
      const member = value(depth + 1);
      if (member === undefined) return undefined;
      if (key === '__proto__') Object.defineProperty(members, key, { value: member, enumerable: true });
      else members[key] = member;
      if (!next()) return undefined;
      if (mark() === '}') return members;
      if (mark() !== ',' || !next()) return undefined;
    }
  };
  const list = (depth: number): Json | undefined => {
    const items: Json[] = [];
    if (!next()) return undefined;
    if (mark() === ']') return items;
    for (;;) {
      const item = value(depth + 1);
      if (item === undefined) return undefined;
      items.push(item);
      if (!next()) return undefined;
      if (mark() === ']') return items;
      if (mark() !== ',' || !next()) return undefined;
    }
  };

  const documents: Json[] = [];
  while (next()) {
    if (match?.[6] !== undefined) continue;
    if (match?.[7] !== undefined) return documents;
    const document = value(0);
    if (document === undefined) return undefined;
    documents.push(document);
  }
  return undefined;
}

function unquote(text: string): string | undefined {
  try {
    const value = JSON.parse(text) as string;
    // Half a surrogate pair has no UTF-8, so that readers put different things in its place.
    return value.isWellFormed() ? value : undefined;
  } catch (error) {
    // A control character, or an escape that JSON does not know: the text may be YAML.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function numberOf(text: string): JsonScalar | undefined {
  if (/^-?[0-9]+$/u.test(text)) return integer(text);
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}
