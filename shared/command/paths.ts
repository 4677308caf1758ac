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
      const key = spelling.normalize('NFC').toLowerCase();
      const file = index === segments.length - 1;
      const before = seen.get(key);
      seen.set(key, { spelling, file });
      return before !== undefined && (before.file || file || before.spelling !== spelling);
    });
  });
}
