import { describe, expect, test } from '@jest/globals';
import canonicalize from 'canonicalize';
import * as fc from 'fast-check';
import { canonicalJson, type Json } from '../../shared/lib/canonical-json.ts';
import { parseCanonical } from '../../shared/audit/verify/line.ts';
import { capText, escapeText, unescapeText } from '../../shared/lib/safe-text.ts';
import { completed, createBench, intended } from './support/samples.ts';

const seed = Number(process.env['FC_SEED'] ?? 20_260_102);
console.log(`seed ${seed}`);
const runs = { seed, numRuns: 1_000 };

/** Names as the trail's members have them: V8 puts names that are integers first, and reads some escaped ones wrongly. */
const key = fc.oneof(fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{0,6}$/), fc.constantFrom('é', '\ufb33', '𝒳', 'aa'));
const { value: json } = fc.letrec<{ value: Json; object: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ unit: 'binary' }),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    tie('object'),
  ),
  object: fc.dictionary(key, tie('value'), { maxKeys: 6 }),
}));
const object = fc.dictionary(key, json, { maxKeys: 8 }) as fc.Arbitrary<Json>;

const isCanonical = (line: Buffer): boolean => parseCanonical(line) !== undefined;

/** Parse, serialise with the oracle, compare; integers only. */
function isCanonicalByOracle(line: Buffer): boolean {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line);
    const value: unknown = JSON.parse(text, (_, member: unknown) => {
      if (typeof member === 'number' && !Number.isSafeInteger(member)) throw new TypeError('no integer');
      return member;
    });
    return typeof value === 'object' && value !== null && !Array.isArray(value) && canonicalize(value) === text;
  } catch {
    return false;
  }
}

describe('canonical JSON', () => {
  test('is what RFC 8785 says', () => {
    fc.assert(
      fc.property(json, (value) => expect(canonicalJson(value)).toBe(canonicalize(value))),
      runs,
    );
  });

  test('is refused for what has none', () => {
    for (const value of [1.5, Number.NaN, 2 ** 53, '\ud800', undefined])
      expect(() => canonicalJson(value)).toThrow(TypeError);
    expect(canonicalJson({ b: undefined, a: -0 })).toBe('{"a":0}');
  });
});

describe('the strict reading of a line', () => {
  test('takes every canonical line', () => {
    fc.assert(
      fc.property(object, (value) => expect(isCanonical(Buffer.from(canonicalJson(value)))).toBe(true)),
      runs,
    );
  });

  test('agrees with parse, serialise and compare on every line that was changed a little', () => {
    const change = fc.record({
      at: fc.nat(),
      cut: fc.nat(2),
      put: fc.oneof(
        fc.constantFrom(...'{}[]",:\\0123456789-+.eEu ntrufals\u0000é\u2028'.split('')),
        fc.constantFrom('\\u0001', '\\u000a', '\\u001F', '\\u001f', '\\/', '\\n', '"a":1,', '00'),
      ),
    });
    let canonical = 0;
    let compared = 0;
    fc.assert(
      fc.property(object, fc.array(change, { minLength: 1, maxLength: 2 }), (value, changes) => {
        let line = Buffer.from(canonicalJson(value));
        for (const { at, cut, put } of changes) {
          const from = at % line.length;
          line = Buffer.concat([line.subarray(0, from), Buffer.from(put), line.subarray(from + cut)]);
        }
        const expected = isCanonicalByOracle(line);
        compared += 1;
        canonical += expected ? 1 : 0;
        expect([line.toString(), isCanonical(line)]).toEqual([line.toString(), expected]);
      }),
      { seed, numRuns: 2_500 },
    );
    // The changes must give both kinds, or the comparison shows nothing.
    expect(canonical).toBeGreaterThan(30);
    expect(compared).toBeGreaterThan(1_500);
  });

  test('agrees on real lines of the trail with a few bytes changed, cut or put in', async () => {
    await using bench = await createBench();
    const trail = await bench.open();
    await trail.record(intended('cmd-1', { reason: 'é 𝒳 "quoted" \\ \n' }));
    await trail.record(completed('cmd-1'));
    await trail.close();
    const lines: Buffer[] = [];
    for (const stream of await bench.log.streams())
      for await (const { bytes } of bench.log.read(stream)) lines.push(Buffer.from(bytes));
    const change = fc.record({ at: fc.nat(), cut: fc.nat(3), put: fc.uint8Array({ maxLength: 2 }) });
    let compared = 0;
    fc.assert(
      fc.property(fc.nat(lines.length - 1), fc.array(change, { maxLength: 3 }), (index, changes) => {
        let line: Buffer = lines[index] ?? Buffer.alloc(0);
        for (const { at, cut, put } of changes) {
          const from = at % (line.length + 1);
          line = Buffer.concat([line.subarray(0, from), put, line.subarray(from + cut)]);
        }
        compared += 1;
        expect([line.toString('latin1'), isCanonical(line)]).toEqual([
          line.toString('latin1'),
          isCanonicalByOracle(line),
        ]);
      }),
      { seed, numRuns: 3_000 },
    );
    expect(compared).toBeGreaterThan(2_900);
  });

  test('agrees on every single byte put anywhere', () => {
    const line = Buffer.from(canonicalJson({ a: ['x"\\\n\u0001é', -12, 0, true, null], b: {}, ä: { z: 1 } }));
    for (let at = 0; at < line.length; at += 1)
      for (let byte = 0; byte < 256; byte += 1) {
        const changed = Buffer.from(line);
        changed[at] = byte;
        if (isCanonical(changed) !== isCanonicalByOracle(changed)) throw new Error(`differs at ${at} with ${byte}`);
      }
  });

  for (const [line, why] of [
    ['{"a":1,"\\u0001":1}', 'an escaped key out of order'],
    ['{"b":1,"a":1}', 'keys out of order'],
    ['{"a":1,"a":1}', 'a key twice'],
    ['{"a":1.0}', 'a fraction'],
    ['{"a":1e2}', 'an exponent'],
    ['{"a":-0}', 'minus zero'],
    ['{"a":9007199254740992}', 'no safe integer'],
    ['{"a": 1}', 'a space'],
    ['{"a":1}x', 'something after it'],
    ['{"a":"\\u000a"}', 'a long escape that has a short one'],
    ['{"a":"\\u001F"}', 'an escape in capitals'],
    ['{"a":"\\u0041"}', 'an escape that is not needed'],
    ['{"a":"\\/"}', 'an escaped slash'],
    ['{"a":"\\ud800"}', 'a lone surrogate'],
    ['[]', 'no object'],
    ['', 'nothing'],
    ['{"a":tru}', 'half a word'],
    ['{"\ufb33":1,"𝒳":1}', 'keys in the order of code points'],
  ] as const)
    test(`refuses ${why}`, () => expect(isCanonical(Buffer.from(line))).toBe(false));

  test('refuses bytes that are not UTF-8, and nesting deeper than the stack', () => {
    expect(isCanonical(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toBe(false);
    const deep = 200_000;
    expect(isCanonical(Buffer.from(`{"a":${'['.repeat(deep)}${']'.repeat(deep)}}`))).toBe(false);
  });
});

describe('text in a line', () => {
  test('has nothing that a terminal acts on, and can be had back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const escaped = escapeText(text);
        expect(escaped).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
        expect(unescapeText(escaped)).toBe(text);
      }),
      runs,
    );
    expect(escapeText('a\u202eb\nc\u009b\u2066\\u0041\\n')).toBe('a\\u202eb\\u000ac\\u009b\\u2066\\u005cu0041\\n');
    expect(unescapeText(escapeText('\\\nu\\u\udc00x'))).toBe('\\\nu\\u\udc00x');
  });

  test('is capped outside of surrogate pairs and escapes, and says by how much', () => {
    expect(capText('abc', 3)).toBe('abc');
    expect(capText('abcdef', 4)).toBe('abcd…[+2]');
    expect(capText('abc𝒳', 4)).toBe('abc…[+2]');
    expect(capText('ab\\u202ecd', 5)).toBe('ab…[+8]');
  });
});
