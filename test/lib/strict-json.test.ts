import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Problem } from '../../shared/errors.ts';
import { readStrictJson } from '../../shared/lib/strict-json.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8');

/** Keys that JSON can hold without an escape. */
const withPlainKeys = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).map(([key, one]) => [key.replaceAll(/["\\\p{C}]/gu, '_'), one]))
      : inner,
  );

function detailOf(body: Uint8Array): string {
  try {
    readStrictJson(body);
  } catch (error) {
    if (error instanceof Problem && error.code === 'request-invalid') return error.message;
    throw error;
  }
  return 'accepted';
}

describe('a JSON body', () => {
  test('is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }).map(withPlainKeys), (value) => {
        const text = JSON.stringify(value);
        expect(readStrictJson(bytes(text))).toEqual(JSON.parse(text));
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['{"argv":["a"],"argv":["b"]}', /"argv" stands twice/],
    [`{${Array.from({ length: 101 }, (_, at) => `"k${at}":0`).join()}}`, /more than 100 keys/],
    [`[${'[],'.repeat(100_001)}[]]`, /more than 100000 values/],
    ['{"a":{"b":1,"c":[{"b":2}],"b":3}}', /"b" stands twice/],
    [String.raw`{"a":1,"\u0061":2}`, /spelt with an escape/],
    [String.raw`{"a\"b":1}`, /spelt with an escape/],
    ['{"__proto__":1,"__proto__":2}', /"__proto__" stands twice/],
    ['{"a":1,}', /not valid JSON/],
    ['', /not valid JSON/],
    ['\u{feff}{}', /not valid JSON/],
    ['['.repeat(100_000), /nested deeper/],
    [`${'[{"a":'.repeat(17)}1${'}]'.repeat(17)}`, /nested deeper/],
    [String.raw`{"a":"x\ud800y"}`, /half a surrogate pair/],
    [String.raw`{"a":["\udc00\ud800"]}`, /half a surrogate pair/],
    ['"\\"', /not valid JSON/],
    ['{"a', /not valid JSON/],
  ])('is refused when it is %.40s', (text, why) => {
    expect(detailOf(bytes(text))).toMatch(why);
  });

  test('is not read with the keys of the body before it', () => {
    // V8 takes the key that it expects for the one that is there when that begins like the raw text, escapes and all.
    expect(readStrictJson(bytes(String.raw`{"files":0,"argv":1}`))).toEqual({ files: 0, argv: 1 });
    expect(detailOf(bytes(String.raw`{"poison":0,"\\u00":0}`))).toMatch(/spelt with an escape/);
    expect(detailOf(bytes(String.raw`{"poison":0,"\u0061rgv":0}`))).toMatch(/spelt with an escape/);
    expect(readStrictJson(bytes('{"poison":0,"argv":0}'))).toEqual({ poison: 0, argv: 0 });
    // Values may hold what they like.
    expect(readStrictJson(bytes(String.raw`{"poison":"\\u00","argv":"\u0061"}`))).toEqual({
      poison: '\\u00',
      argv: 'a',
    });
  });

  test('is refused when it is not UTF-8', () => {
    expect(detailOf(Buffer.from([0x22, 0xc3, 0x28, 0x22]))).toMatch(/UTF-8/);
    expect(detailOf(Buffer.from('{"a":1}', 'utf16le'))).not.toBe('accepted');
  });

  test.each([
    '{"a":{"b":1},"b":{"a":1}}',
    '[{"a":1},{"a":2}]',
    '{"a":"{\\"a\\":1,\\"a\\":2}"}',
    '{"a":"\\\\","b":"a"}',
    String.raw`{"a":"\ud83d\ude00","b":"\\ud800"}`,
  ])('keeps keys of different objects and texts apart: %s', (text) => {
    expect(readStrictJson(bytes(text))).toEqual(JSON.parse(text));
  });

  test('with one key repeated anywhere is always found out', () => {
    const object = fc.dictionary(
      fc.stringMatching(/^[^"\\\p{C}]+$/u),
      fc.jsonValue({ maxDepth: 2 }).map(withPlainKeys),
      {
        minKeys: 1,
        maxKeys: 6,
      },
    );
    fc.assert(
      fc.property(object, fc.nat(), fc.nat(), (value, pick, place) => {
        const members = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}:${JSON.stringify(inner)}`);
        const again = members[pick % members.length] ?? '';
        members.splice(place % (members.length + 1), 0, again);
        expect(detailOf(bytes(`[0,{${members.join(',')}}]`))).toMatch(/stands twice/);
      }),
      { numRuns: 300 },
    );
  });
});
