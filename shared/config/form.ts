import * as Type from 'typebox';
import type { TObject, TSchema, TUnion } from 'typebox';
import type { Path } from './problem.ts';
import { didYouMean } from '../lib/suggest.ts';

type Tell = (path: Path, message: string) => void;

/**
 * Holds a value against a schema of schema.ts and tells every difference in words for the person who wrote the file. Done by
 * hand rather than by typebox's compiler, since that stops at eight errors and reports each branch of a union: here the branch
 * that was meant is found first, so that one wrong key is one problem.
 */
export function checkForm(schema: TSchema, value: unknown, path: Path, tell: Tell): void {
  if (Type.IsUnion(schema)) checkUnion(schema, value, path, tell);
  else if (Type.IsObject(schema)) checkObject(schema, value, path, tell);
  else if (Type.IsRecord(schema)) {
    if (!isMapping(value)) return tell(path, `must be a mapping, not ${show(value)}`);
    const member = Object.values(schema.patternProperties)[0];
    if (member) for (const [key, child] of Object.entries(value)) checkForm(member, child, [...path, key], tell);
  } else if (Type.IsArray(schema)) {
    if (!Array.isArray(value)) return tell(path, `must be a list, not ${show(value)}`);
    if (value.length < bound(schema, 'minItems', 0)) tell(path, 'must not be empty');
    value.forEach((item, index) => checkForm(schema.items, item, [...path, index], tell));
  } else if (Type.IsLiteral(schema)) {
    if (value !== schema.const) tell(path, `must be ${show(schema.const)}, not ${show(value)}`);
  } else if (Type.IsString(schema)) {
    if (typeof value !== 'string') {
      const quoted = typeof value === 'number' || typeof value === 'boolean' ? `; write it in quotes: "${value}"` : '';
      tell(path, `must be a text, not ${show(value)}${quoted}`);
    } else if (value.length < bound(schema, 'minLength', 0)) tell(path, 'must not be empty');
  } else if (Type.IsInteger(schema)) {
    const least = bound(schema, 'minimum', -Infinity);
    const most = bound(schema, 'maximum', Infinity);
    if (!Number.isSafeInteger(value)) tell(path, `must be a whole number, not ${show(value)}`);
    else if (Number(value) < least) tell(path, `must be at least ${least}, not ${show(value)}`);
    else if (Number(value) > most) tell(path, `must be at most ${most}, not ${show(value)}`);
  } else if (Type.IsBoolean(schema)) {
    if (typeof value !== 'boolean') tell(path, `must be true or false, not ${show(value)}`);
  } else if (!Type.IsUnknown(schema)) throw new TypeError(`no check for this schema: ${JSON.stringify(schema)}`);
}

function checkObject(
  schema: TObject,
  value: unknown,
  path: Path,
  tell: Tell,
  known: readonly string[] = Object.keys(schema.properties),
): void {
  if (!isMapping(value)) return tell(path, `must be a mapping, not ${show(value)}`);
  for (const key of Object.keys(value)) {
    if (Object.hasOwn(schema.properties, key)) continue;
    tell(
      [...path, key],
      laterKeys(schema).includes(key)
        ? 'is not built yet: without what it asks for, it would be a promise that nothing keeps. Leave it out'
        : `unknown key.${didYouMean(key, known)} Known here: ${known.join(', ')}`,
    );
  }
  for (const [key, member] of Object.entries(schema.properties)) {
    if (Object.hasOwn(value, key)) checkForm(member, value[key], [...path, key], tell);
    else if (schema.required?.includes(key)) tell([...path, key], MISSING);
  }
}

const MISSING = 'is missing';

/** Keys of the documented configuration that this version does not understand: never taken for a slip of the finger. */
const laterKeys = (schema: TObject): readonly string[] =>
  (schema as { readonly later?: readonly string[] }).later ?? [];

function checkUnion(schema: TUnion, value: unknown, path: Path, tell: Tell): void {
  const literals = schema.anyOf.flatMap((branch) => (Type.IsLiteral(branch) ? [branch.const] : []));
  if (literals.length === schema.anyOf.length) {
    if (!literals.some((literal) => literal === value)) {
      tell(path, `must be ${literals.join(' or ')}, not ${show(value)}`);
    }
    return;
  }
  const list = schema.anyOf.find((branch) => Type.IsArray(branch));
  if (list) {
    if (literals.some((literal) => literal === value)) return;
    if (Array.isArray(value)) return checkForm(list, value, path, tell);
    return tell(path, `must be a list or ${literals.join(' or ')}, not ${show(value)}`);
  }
  const text = schema.anyOf.find((branch) => Type.IsString(branch));
  if (text && typeof value === 'string') return checkForm(text, value, path, tell);
  const branches = schema.anyOf.flatMap((branch) => (Type.IsObject(branch) ? [branch] : []));
  if (!isMapping(value)) return tell(path, `must be a mapping${text ? ' or a text' : ''}, not ${show(value)}`);
  const kinds = branches.map(({ properties }) => properties['kind']).filter((kind) => Type.IsLiteral(kind));
  if (kinds.length === branches.length) {
    const branch = branches[kinds.findIndex((kind) => kind.const === value['kind'])];
    if (branch) return checkObject(branch, value, path, tell);
    const choices = kinds.map((kind) => kind.const).join(', ');
    return tell([...path, 'kind'], `must be one of ${choices}${'kind' in value ? `, not ${show(value['kind'])}` : ''}`);
  }
  checkBranch(branches, value, path, tell);
}

/** Finds the branch that was meant, and holds the value against it alone. */
function checkBranch(branches: readonly TObject[], value: Mapping, path: Path, tell: Tell): void {
  const keys = Object.keys(value);
  const missing = (branch: TObject): readonly string[] => (branch.required ?? []).filter((key) => !(key in value));
  const possible = branches.filter((branch) => keys.every((key) => Object.hasOwn(branch.properties, key)));
  const branch = possible.find((each) => missing(each).length === 0) ?? possible[0] ?? meant(branches, value);
  // Several would still do: what is missing is one of the keys that tell them apart, not the first one's.
  const open = possible.length > 1 && missing(branch).length > 0;
  // A key that no branch knows, and none that tells which was meant: it is mistyped, and so the one that is missing.
  const required = branches.flatMap((each) => each.required ?? []);
  const telling = new Set(required.filter((key) => !branches.every((each) => each.required?.includes(key))));
  const mistyped = possible.length === 0 && !keys.some((key) => telling.has(key));
  if (!open && !mistyped) return checkObject(branch, value, path, tell);
  if (open) {
    const choice = new Set(possible.flatMap(missing).filter((key) => telling.has(key)));
    if (choice.size > 0) tell(path, `needs one of ${[...choice].join(', ')}`);
  }
  const hear: Tell = (at, message) => {
    const ofBranch = message === MISSING && at.length === path.length + 1 && telling.has(String(at.at(-1)));
    if (!ofBranch) tell(at, message);
  };
  checkObject(branch, value, path, hear, [...new Set(branches.flatMap((each) => Object.keys(each.properties)))]);
}

/** The branch of which the value has most of the required keys. */
function meant(branches: readonly TObject[], value: Mapping): TObject {
  const score = (branch: TObject): number => (branch.required ?? []).filter((key) => key in value).length;
  return branches.reduce((best, branch) => (score(branch) > score(best) ? branch : best));
}

/** A keyword of the JSON schema that typebox's types leave out. */
function bound(schema: TSchema, keyword: 'minItems' | 'minLength' | 'minimum' | 'maximum', otherwise: number): number {
  const value = (schema as Readonly<Record<string, unknown>>)[keyword];
  return typeof value === 'number' ? value : otherwise;
}

type Mapping = Readonly<Record<string, unknown>>;

const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (isMapping(value)) return 'a mapping';
  if (value === undefined || value === null) return 'nothing';
  return JSON.stringify(value).slice(0, 80);
}
