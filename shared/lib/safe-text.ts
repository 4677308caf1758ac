/**
 * Caller's text made fit for a line that people read: bounded, and with nothing in it that a terminal, an editor or a log viewer
 * would act on (CVE-2021-42574 for the bidirectional ones).
 */

/** Controls (C0, C1), formats (bidi, zero width), line and paragraph separators, lone surrogates; a backslash that would be read as an escape. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]|\\(?=u)/gu;
const plain = /^[ -[\]-~]*$/;

/**
 * Each such character as `\uXXXX`, in the text itself: the escapes of JSON would be undone by whoever parses the line. One to
 * one: `unescapeText` gives the original back.
 */
export function escapeText(text: string): string {
  if (plain.test(text)) return text;
  return text.replace(unprintable, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

export const unescapeText = (text: string): string =>
  text.replace(/\\u([0-9a-f]{4})/gu, (_, unit: string) => String.fromCharCode(Number.parseInt(unit, 16)));

/** At most `limit` UTF-16 units, then how many are missing. */
export function capText(text: string, limit: number): string {
  if (text.length <= limit) return text;
  // Never between the halves of a surrogate pair, nor inside an escape.
  const kept = text
    .slice(0, limit)
    .replace(/[\uD800-\uDBFF]$/, '')
    .replace(/\\(?:u[0-9a-f]{0,3})?$/, '');
  return `${kept}…[+${text.length - kept.length}]`;
}
