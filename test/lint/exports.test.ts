import { describe, expect, test } from '@jest/globals';
import { circles, readModules, unusedExports } from './exports.ts';

const modules = readModules();
const isProduct = (file: string): boolean => !file.startsWith('test/');

describe('the modules', () => {
  test('export nothing that no other file imports', () => {
    expect(unusedExports(modules).filter(isProduct)).toEqual([]);
  });

  test('do not import each other in a circle, types included', () => {
    expect(circles(modules)).toEqual([]);
  });

  test('are read well enough to find an unused export and a circle', () => {
    const two = [
      { file: 'a.ts', exports: ['used', 'unused'], imports: [{ from: 'b.ts', names: ['b'] }] },
      { file: 'b.ts', exports: ['b'], imports: [{ from: 'a.ts', names: ['used'] }] },
    ];
    expect(unusedExports(two)).toEqual(['a.ts: unused']);
    expect(circles(two)).toEqual([['a.ts', 'b.ts']]);
    expect(modules.length).toBeGreaterThan(200);
    expect(modules.flatMap(({ imports }) => imports).length).toBeGreaterThan(1_000);
  });
});
