import { isDeepStrictEqual } from 'node:util';
import type { Config } from './config.ts';
import { formatPath, type Path } from './problem.ts';

/** What a line of the audit trail has room for. */
const MOST_CHANGES = 50;

/**
 * Where two configurations differ, in the order of the file: `+ policy.roles.viewer` is new, `- clusters.demo` is gone, `policy.bindings[2].role`
 * has another value. At most MOST_CHANGES, the last of which says how many more there are. Values are left out: the digests tell them.
 */
export function changesBetween(before: Config, after: Config): readonly string[] {
  const changes: string[] = [];
  const { digest: _old, warnings: _told, ...was } = before;
  const { digest: _new, warnings: _tell, ...is } = after;
  compare(was, is, [], changes);
  if (changes.length <= MOST_CHANGES) return changes;
  return [...changes.slice(0, MOST_CHANGES - 1), `and ${changes.length - MOST_CHANGES + 1} more`];
}

function compare(before: unknown, after: unknown, path: Path, changes: string[]): void {
  if (isDeepStrictEqual(before, after)) return;
  const [was, is] = [membersOf(before), membersOf(after)];
  if (!was || !is || Array.isArray(before) !== Array.isArray(after)) {
    changes.push(formatPath(path));
    return;
  }
  const step = (key: string): string | number => (Array.isArray(after) ? Number(key) : key);
  for (const key of new Set([...was.keys(), ...is.keys()])) {
    const at = [...path, step(key)];
    const [old, next] = [was.get(key), is.get(key)];
    if (old === undefined && next !== undefined) changes.push(`+ ${formatPath(at)}`);
    else if (next === undefined && old !== undefined) changes.push(`- ${formatPath(at)}`);
    else compare(old, next, at, changes);
  }
}

/** Of a list of words the whole is one value: which of them moved is of no use to a reader. */
function membersOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (value instanceof Map) return value as ReadonlyMap<string, unknown>;
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value) && value.some((item) => typeof item !== 'object')) return undefined;
  return new Map(Object.entries(value));
}
