import { expect, test } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

test('whoever makes a temporary folder removes it: by itself, or by test/support/temporary-folder.ts', () => {
  const files = globSync('test/**/*.{ts,js}', { cwd: root, exclude: (name) => name.includes('node_modules') });
  const making = files.filter((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    return /mkdtemp(?:Sync)?\(/.test(text) && /tmpdir\(\)/.test(text);
  });
  expect(making.length).toBeGreaterThan(50);
  expect(making.filter((file) => !/\brm(?:Sync)?\(/.test(readFileSync(join(root, file), 'utf8')))).toEqual([]);
});
