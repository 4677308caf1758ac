import { execFileSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { describeWith } from '../support/programs.ts';
import { quote, quoteWords } from '../../shared/command/quote.ts';
import { splitWords } from '../../shared/command/words.ts';
import { seed } from '../support/seed.ts';

const shells = [['sh'], ['dash'], ['bash'], ['busybox', 'sh']] as const;

/** The words that a shell makes of the text, as bytes. */
function read([shell, ...first]: readonly [string, ...string[]], text: Buffer): Buffer[] {
  const script = Buffer.concat([Buffer.from("printf '%s\\0' "), text]);
  // Through stdin, not as an argument: Node would read the bytes as UTF-8.
  const out = execFileSync(shell, [...first, '-s'], { input: script, env: { LC_ALL: 'C' } });
  const words: Buffer[] = [];
  for (let at = 0; at < out.length;) {
    const end = out.indexOf(0, at);
    words.push(out.subarray(at, end));
    at = end + 1;
  }
  return words;
}

/** quote() works on text; each byte is one character in latin1, so that all 255 can be tried. */
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

const hostile = [
  '',
  ' ',
  "'",
  "''",
  "'\\''",
  '$(id)',
  '$$(id)',
  '$$',
  '$$$((1+1))',
  '`id`',
  '${HOME}',
  '"; id; "',
  "'; id; '",
  '\\',
  '\\\\',
  "\\'",
  'a\nb',
  '-n',
  '!!',
  '*',
  '~',
  '#',
  '\u0001\u001b[31m',
  "$'x'",
  "$('",
];

describe.each(shells)('read back by', (shell, ...first) => {
  describeWith([shell], shell, () => {
    test('every byte from 1 to 255, alone and between others', () => {
      const bytes = Array.from({ length: 255 }, (_, at) => String.fromCharCode(at + 1));
      const words = [
        ...bytes,
        ...bytes.map((byte) => `a${byte}b`),
        ...bytes.map((byte) => `$${byte}(${byte}'`),
        bytes.join(''),
      ];
      expect(read([shell, ...first], latin1(quoteWords(words)))).toEqual(words.map(latin1));
    });

    test('what is meant to break out', () => {
      expect(read([shell, ...first], latin1(quoteWords(hostile)))).toEqual(hostile.map(latin1));
    });

    test(`any words at all (seed ${seed})`, () => {
      const byte = fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code));
      const word = fc.array(fc.oneof(byte, fc.constantFrom('$', '(', "'", '"', '\\', '`')), { maxLength: 20 });
      fc.assert(
        fc.property(fc.array(word, { minLength: 1, maxLength: 40 }), (arrays) => {
          const words = arrays.map((characters) => characters.join(''));
          expect(read([shell, ...first], latin1(quoteWords(words)))).toEqual(words.map(latin1));
        }),
        { seed, numRuns: 10 },
      );
    });
  });
});

describe('quote', () => {
  test('never lets $ stand beside ( or another $, which Kubernetes would expand or halve before any shell runs', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('$', '(', ')', "'", 'A', '\\'), { maxLength: 30 }), (characters) => {
        expect(quote(characters.join(''))).not.toMatch(/\$[$(]/u);
      }),
      { seed, numRuns: 500 },
    );
  });

  test('is undone by splitWords for every word without NUL and CR', () => {
    const word = fc.string({ unit: 'grapheme' }).filter((text) => !/[\0\r]/u.test(text));
    fc.assert(
      fc.property(fc.array(word), (words) => {
        expect(splitWords(quoteWords(words))).toEqual(words);
      }),
      { seed, numRuns: 200 },
    );
  });

  test('throws on NUL, which no argument can hold', () => {
    expect(() => quote('a\0b')).toThrow(TypeError);
  });
});
