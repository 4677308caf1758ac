export type Json = string | number | boolean | null | undefined | readonly Json[] | { readonly [member: string]: Json };
export interface JsonObject {
  readonly [member: string]: Json;
}

/** Most strings: none of their characters has an escape. Cheaper to ask than to call JSON.stringify. */
const plain = /^[ !#-[\]-~]*$/;

/**
 * RFC 8785 canonical JSON, of integers only a number that is not a safe integer, a string with a lone surrogate and a
 * value that JSON does not have are programmer errors (TypeError). Undefined members are left out.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string') {
    if (plain.test(value)) return `"${value}"`;
    if (!value.isWellFormed()) throw new TypeError('A lone surrogate has no UTF-8');
    // ECMA-262's own escapes are those of RFC 8785, section 3.2.2.2.
    return JSON.stringify(value);
  }
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new TypeError('Only integers are canonical here');
    return String(value === 0 ? 0 : value);
  }
  if (value === undefined) throw new TypeError('undefined is not JSON');
  if (value === null || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object') throw new TypeError(`A ${typeof value} is not JSON`);
  return canonicalObject(value as Readonly<Record<string, unknown>>);
}

function canonicalObject(value: Readonly<Record<string, unknown>>): string {
  let text = '';
  // sort() compares UTF-16 code units, as RFC 8785, section 3.2.3 asks.
  for (const key of Object.keys(value).sort()) {
    const member = value[key];
    if (member === undefined) continue;
    text += `${text === '' ? '' : ','}${canonicalJson(key)}:${canonicalJson(member)}`;
  }
  return `{${text}}`;
}
