import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { judgeCommand, readList } from './list.ts';
import { refused } from './refused.ts';

const list = readList();
const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');

describe('commands that people type', () => {
  test('are many, each once, and each with where it was read', () => {
    expect(list.length).toBeGreaterThanOrEqual(500);
    expect(new Set(list.map(({ command }) => command)).size).toBe(list.length);
    expect(list.filter(({ source }) => !source.startsWith('https://'))).toEqual([]);
    expect(new Set(list.map(({ source }) => source)).size).toBeGreaterThanOrEqual(10);
  });

  test('get from the roles of infra/policies what the list says', () => {
    // What changed on purpose is written anew by write.ts beside this file.
    const today = list.map(({ command }) => `${judgeCommand(command).verdicts} ${command}`);
    expect(today).toEqual(list.map(({ verdicts, command }) => `${verdicts} ${command}`));
  });

  test('are refused only where they must be, but for less than 8 in 100', () => {
    const all = list.filter(({ verdicts }) => verdicts === 'rrr');
    expect(all.filter(({ why }) => why !== '' && !Object.hasOwn(refused, why))).toEqual([]);
    expect(list.filter(({ verdicts, why }) => verdicts !== 'rrr' && why !== '')).toEqual([]);
    expect(all.filter(({ why }) => why === '').length / list.length).toBeLessThan(0.08);
    expect(new Set(all.map(({ why }) => why).filter(Boolean))).toEqual(new Set(Object.keys(refused)));
  });
});

test.each(Object.entries(refused))('the README says why %s must be refused', (_kind, why) => {
  expect(readme).toContain(`| ${why} |`);
});
