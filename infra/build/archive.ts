import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { ZipFile } from 'yazl';

/** Zip has no zone and starts in 1980: one fixed moment, so that the same build gives the same bytes. */
const fixedTime = new Date(1980, 0, 1);

/** What people install, not what is deployed. */
const isForPeople = (path: string): boolean => path.startsWith('cli/');

/** The files of a build by their names, sorted, with forward slashes. */
export const filesOf = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort();

/** The build as One Deploy takes it: a zip with host.json at its root. */
export async function archive(folder: string): Promise<{ readonly bytes: Buffer; readonly sha256: string }> {
  const zip = new ZipFile();
  for (const path of filesOf(folder).filter((each) => !isForPeople(each)))
    zip.addBuffer(readFileSync(join(folder, path)), path, {
      mtime: fixedTime,
      mode: 0o100644,
      forceDosTimestamp: true,
    });
  zip.end();
  const bytes = await buffer(zip.outputStream);
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}
