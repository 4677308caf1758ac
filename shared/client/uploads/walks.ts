import { readFileSync } from 'node:fs';
import type { Folder } from './folder.ts';
import { globOf, readHelmIgnore } from './helm-ignore.ts';
import { UploadRefused } from './upload.ts';

/** The manifests of a folder, as kubectl picks them; those of the folders in it too when it is `deep`. */
export function manifestsBelow(path: string, deep: boolean, folder: Folder): readonly string[] {
  return folder.entries(path).flatMap((entry) => {
    if (entry.kind === 'folder' && !entry.link) return deep ? manifestsBelow(entry.path, deep, folder) : [];
    if (!/\.(?:json|yaml|yml)$/.test(entry.name)) return [];
    if (entry.kind === 'file') return [entry.path];
    throw new UploadRefused(`${entry.path} is not a file that can be read: kubectl would end there too`);
  });
}

/** What helm loads of a chart (helm pkg/chart/loader, LoadDir): links followed, `.helmignore` heeded. */
export function chartFiles(chart: string, folder: Folder): readonly string[] {
  const ignoreFile = chart === '' ? '.helmignore' : `${chart}/.helmignore`;
  const ignored = readHelmIgnore(folder.isFile(ignoreFile) ? readFileSync(folder.full(ignoreFile), 'utf8') : '');
  return below(chart, folder, (path, isFolder) =>
    ignored(chart === '' ? path : path.slice(chart.length + 1), isFolder),
  );
}

/** All files of a folder, for a copy of it. */
export const everything = (path: string, folder: Folder): readonly string[] => below(path, folder, () => false);

/** All files below a folder, links followed. Throws UploadRefused for a link that leads back into itself. */
function below(
  start: string,
  folder: Folder,
  ignored: (path: string, isFolder: boolean) => boolean,
): readonly string[] {
  const walk = (path: string, above: readonly string[]): readonly string[] => {
    const full = folder.full(path);
    if (above.includes(full)) throw new UploadRefused(`${path} is a link to a folder that it lies in: a loop`);
    return folder.entries(path).flatMap((entry) => {
      if (ignored(entry.path, entry.kind === 'folder')) return [];
      if (entry.kind === 'folder') return walk(entry.path, [...above, full]);
      if (entry.kind === 'file') return [entry.path];
      throw new UploadRefused(`${entry.path} is ${entry.link ? 'a link to nothing' : 'no regular file'}`);
    });
  };
  return walk(start, []);
}

/** What a pattern fits, segment by segment, as Go's filepath.Glob. */
export function expand(pattern: string, folder: Folder): readonly string[] {
  let found: readonly string[] = [''];
  for (const segment of pattern.split('/')) {
    const fits = globOf(segment);
    found = found.flatMap((path) =>
      path === '' || folder.isFolder(path)
        ? folder
            .entries(path)
            .filter(({ name }) => fits(name))
            .map((entry) => entry.path)
        : [],
    );
  }
  return found;
}
