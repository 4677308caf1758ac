import { isDeepStrictEqual } from 'node:util';
import * as Type from 'typebox';
import type { TSchema } from 'typebox';
import { formatPath, type Path } from './problem.ts';
import { ConfigSchema, type ConfigFile } from './schema.ts';

/** When a change of a key takes effect: at the next look at the file, or at the next start. */
type Reload = 'live' | 'fixed';

/** What the schema says of a key or a section; undefined where its members say it. */
export const reloadOf = (schema: TSchema): Reload | undefined => (schema as { readonly reload?: Reload }).reload;

/**
 * The next file with every fixed key as the running gateway has it, and the places of those that differ: a change that is not in force
 * must not look as if it were.
 */
export function keepFixedKeys(
  next: ConfigFile,
  running: ConfigFile,
): { readonly file: ConfigFile; readonly kept: readonly Path[] } {
  const kept: Path[] = [];
  const merge = (schema: TSchema, theirs: unknown, ours: unknown, path: Path): unknown => {
    const reload = reloadOf(schema);
    if (reload === 'live') return theirs;
    if (reload === 'fixed') {
      if (!isDeepStrictEqual(theirs, ours)) kept.push(path);
      return ours;
    }
    if (!Type.IsObject(schema))
      throw new TypeError(`the schema does not say whether ${formatPath(path)} is live or fixed`);
    const members = Object.entries(schema.properties)
      .map(([key, member]) => [key, merge(member, memberOf(theirs, key), memberOf(ours, key), [...path, key])] as const)
      .filter(([, value]) => value !== undefined);
    return members.length > 0 || theirs !== undefined ? Object.fromEntries(members) : undefined;
  };
  // Both have the form of the schema, and so has what is put together from them, member by member.
  const file = merge(ConfigSchema, next, running, []) as ConfigFile;
  return { file, kept };
}

const memberOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
