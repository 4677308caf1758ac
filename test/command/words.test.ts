import { execFileSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { splitWords } from '../../shared/command/words.ts';
import { Problem } from '../../shared/errors.ts';
import { seed } from '../support/seed.ts';

/** What a real shell makes of the line; NUL between words. */
function shellWords(line: string): string[] {
  const out = execFileSync('/bin/sh', ['-c', `printf '%s\\0' ${line}`], { encoding: 'utf8' });
  return out.split('\0').slice(0, -1);
}

describe('splitWords', () => {
  test.each([
    ['kubectl get pods', ['kubectl', 'get', 'pods']],
    ['  kubectl\t get   pods ', ['kubectl', 'get', 'pods']],
    ['', []],
    [`a 'b c' d`, ['a', 'b c', 'd']],
    [`a "b c" d`, ['a', 'b c', 'd']],
    [`pre'mid dle'"post $no"`.replace('$', ''), ['premid dlepost no']],
    [`'' ""`, ['', '']],
    [`a\\ b`, ['a b']],
    [`\\| \\& \\; \\$x`, ['|', '&', ';', '$x']],
    [`"a\\"b\\\\c\\d\\$e\\\`f"`, ['a"b\\c\\d$e`f']],
    [`'a\\b$c\`d*'`, ['a\\b$c`d*']],
    [`'{"a":[1,2]}'`, ['{"a":[1,2]}']],
    [`'two\nlines'`, ['two\nlines']],
    ['-l app!=web,x=y', ['-l', 'app!=web,x=y']],
    ['{a,b}', ['{a,b}']],
  ])('%j gives %j', (line, words) => {
    expect(splitWords(line)).toEqual(words);
  });

  test.each('|&;<>()$`*?[~#\n'.split(''))('refuses an unquoted %j and names it', (character) => {
    for (const line of [`kubectl get ${character}`, `kubectl get a${character}b`, character]) {
      expect(refusal(line).options.members).toMatchObject({ word: character });
      expect(refusal(line).message).toContain(JSON.stringify(character));
    }
  });

  test.each([
    ['"$x"', '$'],
    ['"`x`"', '`'],
    ['"$(x)"', '$'],
    ["a 'b", "'"],
    ['a "b', '"'],
    ['a "b\\', '"'],
    ['a \\', '\\'],
    ['a \\\nb', '\n'],
    ['a \0 b', '\0'],
    ["a '\0' b", '\0'],
    ['a "\0" b', '\0'],
    ['a \\\0', '\0'],
    ['a\r\n', '\r'],
    ['"a\rb"', '\r'],
  ])('refuses %j, naming %j', (line, word) => {
    expect(refusal(line).options.members).toMatchObject({ word });
  });

  test('agrees with a real shell on every line that it takes', () => {
    const piece = fc.constantFrom(...'abz=,.:/%@!^{}]+-_ \t\'"\\|$*é\n'.split(''));
    let compared = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        const line = pieces.join('');
        let words: string[];
        try {
          words = splitWords(line);
        } catch (error) {
          expect(error).toBeInstanceOf(Problem);
          return;
        }
        compared++;
        expect(words).toEqual(words.length === 0 ? [] : shellWords(line));
      }),
      { seed, numRuns: 300 },
    );
    expect(compared).toBeGreaterThan(20);
  });
});

function refusal(line: string): Problem {
  try {
    splitWords(line);
  } catch (error) {
    if (error instanceof Problem && error.code === 'command-refused') return error;
    throw error;
  }
  throw new Error(`Not refused: ${line}`);
}
