import { expect, test } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
/** The rooms that keep to it so far. */
const rooms =
  '{shared/{gateway,http,admission,identity,client,lib,kubernetes},functions,infra/local/{arm,entra,kubernetes}}';

const DECLARED =
  /^(?:export )?const (\w+)(?:: (?:number|string|boolean))? = (?:-?[\d(][\d_ *+()./-]*|'[^']*'|true|false)(?: as const)?;/gm;
const LISTED = /^(?:export )?const ([A-Z][A-Z0-9_]*)\b[^=\n]*= (?:[[{]|new |\/)/gm;
/** Kept, since the plain name means something else beside it. */
const kept = new Set([
  'LOG',
  'user',
  'BEHIND_TOKEN',
  'ABOUT_A_COMMAND',
  'ABOUT_A_RUN',
  'SEGMENT_NAME',
  'SYNC_ON_WRITE',
]);

test('a constant of a module is UPPER_SNAKE_CASE when it is primitive, camelCase when it is not', () => {
  const wrong = globSync(`${rooms}/**/*.ts`, { cwd: root }).flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    const primitive = [...text.matchAll(DECLARED)].map(([, name = '']) => name).filter((name) => /^[a-z]/.test(name));
    const other = [...text.matchAll(LISTED)].map(([, name = '']) => name);
    return [...primitive, ...other].filter((name) => !kept.has(name)).map((name) => `${file}: ${name}`);
  });
  expect(wrong).toEqual([]);
});
