import { buffer } from 'node:stream/consumers';

import { ZipFile } from 'yazl';

import { Problem } from '../../errors.ts';
import type { SentFile } from '../invocation.ts';
import { findCollision, foldCase, pathFault } from '../paths.ts';

/**
 * Run command unzips the context into `/command-files`. Its own size limit is not documented (a 413 was seen, azure-cli#22870);
 * Azure Resource Manager takes bodies of 4 MiB, which as base64 is this much of a zip.
 */
export const contextLimits = { files: 1_000, bytes: 32 * 1024 * 1024, zipBytes: 2_900_000 } as const;

/** The folder of the launcher's own files; uploads may not use it. */
export const LAUNCHER_FOLDER = '.aksgw';

/** Zip has no zone and starts in 1980: one fixed moment, so that the same files give the same bytes. */
const fixedTime = new Date(1980, 0, 1);
const FILE_MODE = 0o100644;
const FOLDER_MODE = 0o40755;

/**
 * The files as a zip with Unix modes, folders included: entries without modes came out unreadable for the pod's user
 * (azure-powershell#17454). The command room has judged the paths; they are checked again here, where the zip is made, since a
 * path outside the folder would be written by a pod. Throws Problem `payload-too-large` or `request-invalid`.
 */
export async function zipContext(uploads: readonly SentFile[], own: readonly SentFile[]): Promise<Uint8Array> {
  checkUploads(uploads);
  const files = [...own, ...uploads];
  let bytes = 0;
  for (const file of files) bytes += file.bytes.byteLength;
  if (files.length > contextLimits.files)
    throw new Problem(
      'payload-too-large',
      `There are ${uploads.length} files; at most ${contextLimits.files} can be sent.`,
    );
  if (bytes > contextLimits.bytes)
    throw new Problem(
      'payload-too-large',
      `The files hold ${bytes} bytes; at most ${contextLimits.bytes} can be sent.`,
    );

  const zip = new ZipFile();
  for (const folder of folders(files))
    zip.addEmptyDirectory(folder, { mtime: fixedTime, mode: FOLDER_MODE, forceDosTimestamp: true });
  for (const { path, bytes } of files)
    zip.addBuffer(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), path, {
      mtime: fixedTime,
      mode: FILE_MODE,
      forceDosTimestamp: true,
    });
  zip.end();
  const packed = await buffer(zip.outputStream);
  if (packed.byteLength > contextLimits.zipBytes)
    throw new Problem(
      'payload-too-large',
      `The files are ${packed.byteLength} bytes when compressed; at most ${contextLimits.zipBytes} can be sent.`,
    );
  return packed;
}

/** Relative, inside, unambiguous on any file system, and not one of the launcher's. Throws Problem `request-invalid`. */
export function checkUploads(files: readonly SentFile[]): void {
  const refuse = (path: string, why: string): never => {
    throw new Problem('request-invalid', `The file ${JSON.stringify(path.slice(0, 200))} cannot be sent: ${why}.`);
  };
  for (const { path } of files) {
    const checked = pathFault(path);
    if ('fault' in checked) refuse(path, `it ${checked.fault}`);
    else if (checked.canonical !== path) refuse(path, 'its path is not plainly relative');
    if (foldCase(path.split('/', 1)[0] ?? '') === LAUNCHER_FOLDER)
      refuse(path, `${LAUNCHER_FOLDER} belongs to the gateway`);
  }
  const twice = findCollision(files.map(({ path }) => path));
  if (twice !== undefined) refuse(twice, 'it collides with another one');
}

function folders(files: readonly SentFile[]): readonly string[] {
  const all = new Set<string>();
  for (const { path } of files) {
    for (let end = path.indexOf('/'); end !== -1; end = path.indexOf('/', end + 1)) all.add(path.slice(0, end + 1));
  }
  return [...all].sort();
}
