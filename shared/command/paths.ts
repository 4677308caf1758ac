/**
 * The one spelling of a path below the working folder: `k8s//app.yaml`, `./k8s/./app.yaml` and `x/../k8s/app.yaml` are
 * `k8s/app.yaml`; '' is the folder itself. Undefined for what is absolute or leaves the folder.
 */
export function canonicalPath(path: string): string | undefined {
  if (path.startsWith('/')) return undefined;
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment !== '..') segments.push(segment);
    else if (segments.pop() === undefined) return undefined;
  }
  return segments.join('/');
}

/** Linux takes names of 255 bytes (NAME_MAX); whole paths are held far below its 4,096. */
const longest = { name: 255, path: 512 } as const;

/**
 * What keeps a path from being sent, or undefined: the one rule, for what is explained, sent and unpacked. `canonical` is the path in
 * its one spelling.
 */
export function pathFault(path: string): { readonly fault: string } | { readonly canonical: string } {
  const fault = (why: string) => ({ fault: why });
  if (Buffer.byteLength(path) > longest.path) return fault(`is longer than ${longest.path} bytes`);
  if (!path.isWellFormed()) return fault('holds half of a surrogate pair, which has no UTF-8');
  if (path.includes('\\')) return fault('has a backslash; folders are parted by forward slashes');
  if (path.startsWith('/') || /^[A-Za-z]:/u.test(path))
    return fault('is not relative; only files sent with the request can be used');
  if (path.includes(':')) return fault('has a colon, by which a tool could take it for an address');
  if (/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u.test(path)) return fault('has a control or invisible character');
  // Two spellings of one name: which of them a tool or a file system means, differs (Unicode Standard Annex 15).
  if (path !== path.normalize('NFC')) return fault('is not in Unicode normal form C');
  const canonical = canonicalPath(path);
  if (canonical === undefined) return fault('leaves the working folder');
  if (canonical === '') return fault('is not the path of a file');
  if (canonical.split('/').some((name) => Buffer.byteLength(name) > longest.name))
    return fault(`has a name longer than ${longest.name} bytes`);
  return { canonical };
}

/**
 * A text as readers that ignore case read it. Go folds more than ASCII: for its JSON and YAML decoders and strings.EqualFold
 * `ſ` is an s and the Kelvin sign a k (unicode.SimpleFold). Each character by itself, since some change with their neighbours.
 */
export const foldCase = (text: string): string =>
  ascii.test(text)
    ? text.toLowerCase()
    : Array.from(text.normalize('NFC'), (character) => character.toUpperCase().toLowerCase())
        .join('')
        .normalize('NFC');

const ascii = /^[\x20-\x7e]*$/u;

/**
 * The first path that is there twice, differs from an earlier one only in case, or is both a file and a folder: on some file
 * system one of the two would replace the other.
 */
export function findCollision(paths: readonly string[]): string | undefined {
  const seen = new Map<string, { readonly spelling: string; readonly file: boolean }>();
  return paths.find((path) => {
    const segments = path.split('/');
    return segments.some((_, index) => {
      const spelling = segments.slice(0, index + 1).join('/');
      const key = foldCase(spelling);
      const file = index === segments.length - 1;
      const before = seen.get(key);
      seen.set(key, { spelling, file });
      return before !== undefined && (before.file || file || before.spelling !== spelling);
    });
  });
}
