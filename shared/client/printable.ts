/**
 * Text for a terminal: control characters that would move, colour or reprogram it are shown, not obeyed (CVE-2021-25743).
 * Tabs and newlines stay; so do carriage returns before a newline.
 */
export const printable = (text: string): string =>
  text.replace(
    // oxlint-disable-next-line no-control-regex -- control characters are what this is about
    /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]|\r(?!\n)/g,
    (character) =>
      character.charCodeAt(0) < 0x100
        ? `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
        : `\\u${character.charCodeAt(0).toString(16)}`,
  );
