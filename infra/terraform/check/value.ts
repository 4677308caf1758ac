/** A value that is known only when the plan is carried out, or an expression that was read and not evaluated. */
export const UNKNOWN: unique symbol = Symbol('unknown');

/** The value of an attribute or block; blocks are objects, or lists of them. */
export type Value =
  | string
  | number
  | boolean
  | null
  | bigint
  | symbol
  | readonly Value[]
  | { readonly [name: string]: Value };

export type ObjectValue = { readonly [name: string]: Value };

export const isObject = (value: Value | undefined): value is ObjectValue =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isList = (value: Value | undefined): value is readonly Value[] => Array.isArray(value);

/** Present, and not null. Unknown counts as present. */
export const isSet = (value: Value | undefined): boolean =>
  value !== undefined && value !== null && !(isList(value) && value.length === 0);

interface Leaf {
  readonly path: readonly (string | number)[];
  readonly value: Value;
}

/** The values at a dotted path, through every element of the lists on the way and of the list at its end. */
export function valuesAt(value: Value | undefined, path: string): readonly Leaf[] {
  let leaves: readonly Leaf[] = value === undefined ? [] : [{ path: [], value }];
  for (const name of path.split('.')) {
    leaves = leaves.flatMap(elements).flatMap((leaf) => {
      const member = isObject(leaf.value) ? leaf.value[name] : undefined;
      return member === undefined ? [] : [{ path: [...leaf.path, name], value: member }];
    });
  }
  return leaves.flatMap(elements);
}

function elements({ path, value }: Leaf): readonly Leaf[] {
  if (!isList(value)) return [{ path, value }];
  return value.map((element, index) => ({ path: [...path, index], value: element }));
}
