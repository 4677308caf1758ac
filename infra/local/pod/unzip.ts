import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fromBuffer, type Entry, type ZipFile } from 'yauzl';

const MAX_ENTRIES = 10_000;
const MAX_BYTES = 256 * 1024 * 1024;
const SYMLINK = 0o120_000;

/**
 * Unpacks a context as the pod does: Unix modes kept, even where there are none (then a file is unreadable, as seen on AKS).
 * yauzl itself refuses absolute names, `..` and backslashes; links and bombs are refused here. Throws Error.
 */
export async function unzip(zip: Buffer, folder: string): Promise<void> {
  const archive = await open(zip);
  if (archive.entryCount > MAX_ENTRIES) throw new Error(`the context has more than ${MAX_ENTRIES} entries`);
  let total = 0;
  for await (const entry of archive.eachEntry()) {
    total += entry.uncompressedSize;
    if (total > MAX_BYTES) throw new Error(`the context unpacks to more than ${MAX_BYTES} bytes`);
    await unpack(archive, entry, folder);
  }
}

const open = (zip: Buffer): Promise<ZipFile> =>
  new Promise((resolve, reject) => {
    fromBuffer(zip, { lazyEntries: true, strictFileNames: true }, (error, archive) =>
      error ? reject(error) : resolve(archive),
    );
  });

async function unpack(archive: ZipFile, entry: Entry, folder: string): Promise<void> {
  const mode = entry.externalFileAttributes >>> 16;
  if ((mode & 0o170_000) === SYMLINK) throw new Error(`the context holds a symbolic link: ${entry.fileName}`);
  const target = join(folder, entry.fileName);
  if (entry.fileName.endsWith('/')) {
    await mkdir(target, { recursive: true });
    return;
  }
  await mkdir(dirname(target), { recursive: true });
  const stream = await new Promise<NodeJS.ReadableStream>((resolve, reject) => {
    archive.openReadStream(entry, (error, stream) => (error ? reject(error) : resolve(stream)));
  });
  // Two entries of one name are a way to show one file and run another.
  await writeFile(target, await buffer(stream), { flag: 'wx' });
  await chmod(target, mode & 0o777);
}
