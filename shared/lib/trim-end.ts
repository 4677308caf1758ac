/**
 * The text without any of the `characters` at its end. An expression such as `/ +$/` begins again at every space of the text, which takes the
 * square of its length.
 */
export function trimEnd(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text[end - 1] ?? '')) end--;
  return text.slice(0, end);
}
