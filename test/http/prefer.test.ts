import { expect, test } from '@jest/globals';
import { readPrefer } from '../../shared/http/prefer.ts';
import { wantsText } from '../../shared/http/plain-text.ts';

test.each([
  [undefined, 25, undefined],
  ['wait=10', 10, 'wait=10'],
  ['wait="7"', 7, 'wait=7'],
  ['wait=0', 0, 'wait=0'],
  ['WAIT = 12', 12, 'wait=12'],
  ['wait=999', 225, 'wait=225'],
  ['respond-async', 0, 'respond-async'],
  ['respond-async, wait=3', 3, 'respond-async, wait=3'],
  ['wait=4, wait=9', 4, 'wait=4'],
  ['wait=ten', 25, undefined],
  ['wait=-1', 25, undefined],
  ['wait=1.5', 25, undefined],
  ['return=minimal; foo=bar', 25, undefined],
  [['respond-async', 'wait=2'], 2, 'respond-async, wait=2'],
])('Prefer: %j waits %d s and applies %j', (header, waitSeconds, applied) => {
  expect(readPrefer(header)).toEqual({ waitSeconds, applied });
});

test.each([
  [undefined, false],
  ['*/*', false],
  ['application/json', false],
  ['text/plain', true],
  ['text/*', true],
  ['text/plain, application/json', false],
  ['text/plain, application/json;q=0.5', true],
  ['text/plain;q=0.2, */*', false],
  ['text/plain, */*;q=0.1', true],
  ['text/plain;q=0', false],
  ['text/html', false],
])('Accept: %j is plain text: %j', (accept, text) => {
  expect(wantsText(accept)).toBe(text);
});
