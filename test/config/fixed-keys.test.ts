import { expect, test } from '@jest/globals';
import { Type, type TSchema } from 'typebox';
import { keepFixedKeys, reloadOf } from '../../shared/config/fixed-keys.ts';
import { formatPath, type Path } from '../../shared/config/problem.ts';
import { ConfigSchema, type ConfigFile } from '../../shared/config/schema.ts';

/** Each way down the schema to a mark, or to a leaf without one. */
function marks(schema: TSchema, path: Path = []): readonly (readonly [path: string, mark: string | undefined])[] {
  const mark = reloadOf(schema);
  if (mark !== undefined || !Type.IsObject(schema)) return [[formatPath(path), mark]];
  return Object.entries(schema.properties).flatMap(([key, member]) => marks(member, [...path, key]));
}

test('every key says whether a change of it waits for a restart', () => {
  expect(marks(ConfigSchema).filter(([, mark]) => mark === undefined)).toEqual([]);
  expect(marks(ConfigSchema).filter(([, mark]) => mark === 'fixed').length).toBeGreaterThan(8);
});

test('what is left out of the next file is kept as well, and what is added to it is not taken', () => {
  const base = { version: 1, identity: { tenants: ['t'], audience: 'a' }, azure: { credential: { kind: 'default' } } };
  const storage = { audit: 'file:a', records: 'sqlite:r', signingKey: 'file:k' };
  const rest = { clusters: {}, policy: { roles: {}, bindings: [] } };
  const running = { ...base, ...rest, storage, listen: { port: 1 }, limits: { bodyBytes: 5000 } } as ConfigFile;
  const next = { ...base, ...rest, storage: { ...storage, checkpoints: 'file:c' } } as ConfigFile;
  const { file, kept } = keepFixedKeys(next, running);
  expect(file).toEqual(running);
  expect(kept.map(formatPath)).toEqual(['listen', 'storage.checkpoints', 'limits.bodyBytes']);
});
