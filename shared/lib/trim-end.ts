/**
 * The text without the `character`s at its end. An expression such as `/ +$/` begins again at every space of the text, which takes the
 * square of its length.
 */
export function trimEnd(text: string, character: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === character) end--;
  return text.slice(0, end);
}
