/**
 * Caller's text made fit for a line that people read: bounded, and with nothing in it that a terminal, an editor or a log viewer
 * would act on (CVE-2021-42574 for the bidirectional ones).
 */

/** Controls (C0, C1), formats (bidi, zero width), line and paragraph separators, lone surrogates; a backslash that would be read as an escape. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]|\\(?=u)/gu;
const plain = /^[ -[\]-~]*$/;

/**
 * Each such character as `\uXXXX`, in the text itself: the escapes of JSON would be undone by the reader that parses the line. One to
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

const LONGEST_SHOWN = 80;

/** A word as it may stand in a message: quoted, without characters that a terminal acts on, not longer than a line. */
export function shown(word: string): string {
  const text = JSON.stringify(word.length > LONGEST_SHOWN ? `${word.slice(0, LONGEST_SHOWN)}…` : word);
  // JSON leaves DEL, the C1 controls and the bidirectional overrides as they are (CVE-2021-25743, CVE-2021-42574).
  return text.replaceAll(/[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, '\ufffd');
}

/** A value out of something unverified, fit for a header: short, printable ASCII, marked as a quotation. */
export function shownInHeader(text: string): string {
  const printable = text.replace(/[^\x20-\x7e]|["\\]/g, '?');
  return `'${printable.length > LONGEST_SHOWN ? `${printable.slice(0, LONGEST_SHOWN)}...` : printable}'`;
}

/**
 * Text for a terminal: characters that would move, colour or reprogram it, or show words in another order than they have, are shown, not
 * obeyed (CVE-2021-25743, CVE-2021-42574). Tabs and newlines stay; so do carriage returns before a newline.
 */
export const printable = (text: string): string =>
  text.replace(/[^\P{Cc}\t\n\r]|[\p{Cf}\p{Zl}\p{Zp}]|\r(?!\n)/gu, (character) => {
    const point = character.codePointAt(0) ?? 0;
    return point < 0x100 ? `\\x${point.toString(16).padStart(2, '0')}` : `\\u${point.toString(16).padStart(4, '0')}`;
  });

/** JSON in which such characters are escapes: it is read back as it was, by `jq` too. */
export const printableJson = (value: unknown): string =>
  JSON.stringify(value, null, 2).replace(/[\u007f-\u009f]|[\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );

/** The same for a chat, which shows lone surrogates and fillers as nothing. Lines end as everywhere else. */
export const visibleText = (text: string): string =>
  printable(text.replaceAll('\r\n', '\n')).replace(
    /[\p{Cs}\u115f\u1160\u3164\uffa0]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16)}`,
  );
