import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { picture } from './picture.ts';

test("README's picture is what aksgw health prints of the recorded look: node test/health/picture.ts", async () => {
  const path = join(import.meta.dirname, '../../.github/aksgw-health.svg');
  expect(await picture()).toBe(readFileSync(path, 'utf8'));
  expect(readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')).toContain('.github/aksgw-health.svg');
});
