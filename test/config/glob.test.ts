import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { compileGlob, globsOverlap } from '../../shared/config/glob.ts';
import { seed } from '../support/seed.ts';

test('a glob matches what the same regular expression matches', () => {
  const short = (...letters: string[]) =>
    fc.array(fc.constantFrom(...letters), { maxLength: 7 }).map((each) => each.join(''));
  let matched = 0;
  fc.assert(
    fc.property(short('a', 'b', '*', '.'), short('a', 'b', '.'), (pattern, text) => {
      const expected = new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`).test(text);
      if (expected && pattern.includes('*')) matched++;
      expect(compileGlob(pattern).matches(text)).toBe(expected);
    }),
    { seed, numRuns: 5000 },
  );
  expect(matched).toBeGreaterThan(100);
});

test.each([
  ['ab*ba', 'aba', false],
  ['a*bc*c', 'abc', false],
  ['a*bc*c', 'abcc', true],
  ['*', '', true],
  ['a*', 'a', true],
])('%s on "%s": %s', (pattern, text, expected) => {
  expect(compileGlob(pattern).matches(text)).toBe(expected);
});

test('many stars take no longer than few: the text is the caller’s', () => {
  // A backtracking matcher would take some 253^20 steps here and never come back.
  expect(compileGlob(`${'a*'.repeat(20)}b`).matches('a'.repeat(253))).toBe(false);
});

test('two globs overlap where a text is in both', () => {
  // Of two patterns of four characters that overlap, a text of no more than six is in both.
  const texts = [''];
  for (const text of texts) if (text.length < 6) texts.push(`${text}a`, `${text}b`);
  const pattern = fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 4 }).map((each) => each.join(''));
  let overlapped = 0;
  fc.assert(
    fc.property(pattern, pattern, (one, other) => {
      const [left, right] = [compileGlob(one), compileGlob(other)];
      const expected = texts.some((text) => left.matches(text) && right.matches(text));
      if (expected) overlapped++;
      expect(globsOverlap(one, other)).toBe(expected);
    }),
    { seed, numRuns: 1000 },
  );
  expect(overlapped).toBeGreaterThan(50);
});
