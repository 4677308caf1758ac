/**
 * One word for a POSIX shell, always in single quotes, inside which nothing is special (XCU 2.2.2). The only function of the
 * gateway that quotes.
 *
 * `$(` and `$$` never stand side by side in what comes out: AKS may put the text into a container's args, where Kubernetes
 * expands `$(NAME)` and halves `$$` before any shell runs (k8s.io/kubernetes/third_party/forked/golang/expansion), so the quotes
 * are closed and opened again between the two. A newline is quoted correctly, but the command text must be one line: the caller
 * sends such words in the context instead.
 *
 * Throws TypeError on NUL, which no argument of a process can hold; parse() refuses it long before.
 */
export function quote(word: string): string {
  if (word.includes('\0')) throw new TypeError('A word with a NUL character cannot be quoted');
  if (!/['$]/u.test(word)) return `'${word}'`;
  // Functions as replacements: in a replacement text "$'" would have a meaning of its own.
  return `'${word.replaceAll("'", () => `'\\''`).replaceAll(/\$(?=[$(])/g, () => `$''`)}'`;
}

/** The words quoted and joined by one space each. */
export const quoteWords = (words: readonly string[]): string => words.map(quote).join(' ');
