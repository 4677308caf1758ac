import { createHash } from 'node:crypto';

/**
 * JSON with sorted keys and no white space (RFC 8785, for strings, booleans, null and safe integers: all that a policy
 * holds). Keys whose value is undefined are left out, as JSON does.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    // RFC 8785, 3.2.3: sorted by UTF-16 code units, which is what comparing strings does.
    const entries = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(',')}}`;
  }
  return JSON.stringify(value);
}

/** Hex. */
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
