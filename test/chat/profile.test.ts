import { expect, test } from '@jest/globals';
import { acceptedProfile } from '../../shared/chat/profile.ts';
import { Problem } from '../../shared/errors.ts';

test.each([
  ['text/markdown;profile=slack', 'slack'],
  ['text/markdown; Profile="TEAMS"', 'teams'],
  ['text/markdown', 'github'],
  ['text/markdown;profile=slack, */*', 'slack'],
  ['*/*, text/markdown;profile=slack', 'slack'],
  ['text/markdown;profile=slack, application/json;q=0.9', 'slack'],
  ['text/markdown;profile=teams;q=0.4, text/markdown;profile=slack;q=0.8, application/json;q=0.5', 'slack'],
  ['text/markdown;profile=slack, application/json', undefined],
  ['text/markdown;profile=slack;q=0.2, */*', undefined],
  ['text/markdown;profile=slack;q=0', undefined],
  ['application/json', undefined],
  ['*/*', undefined],
  [undefined, undefined],
])('Accept: %s', (accept, profile) => {
  expect(acceptedProfile(accept)).toBe(profile);
});

test('a profile that there is not is refused with those that there are', () => {
  expect(() => acceptedProfile('text/markdown;profile=discord')).toThrow(Problem);
  expect(() => acceptedProfile('text/markdown;profile=discord')).toThrow(/slack, teams, github/);
});
