import { constants, lstatSync, type Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import * as nodeFs from 'node:fs/promises';
import path from 'node:path';
import { randomUUID } from 'node:crypto';
import type { AppendLog, AppendStream, Position, Stranger } from './append-log.ts';
import { StorageUnavailable, isStreamName } from './append-log.ts';
import { createAppender, unavailable } from './append-log-commit.ts';
import {
  type LogListing,
  type SegmentReader,
  parseSegmentName,
  readLines,
  readTail,
  segmentName,
  strangersOf,
} from './append-log-lines.ts';

/** What the log needs of the file system: handed in by tests that fill the disk. */
export type LogFileSystem = Pick<typeof nodeFs, 'mkdir' | 'open' | 'readdir' | 'lstat' | 'link' | 'rm'>;

interface FileLogOptions {
  readonly folder: string;
  /** A segment that would grow past this is followed by a new one. Default 64 MiB. */
  readonly maxSegmentBytes?: number;
  /** Whether `write` alone makes lines durable (O_DSYNC), without an fdatasync after it. Default: where that is as safe. */
  readonly syncOnWrite?: boolean;
  readonly fs?: LogFileSystem;
}

const READ_CHUNK_BYTES = 256 * 1024;

/**
 * Linux's O_DSYNC is write and fdatasync in one (open(2)): one way through the thread pool in place of two. macOS's leaves lines in
 * the drive's cache, where fdatasync does not (libuv asks F_FULLFSYNC); Windows has none.
 */
const SYNC_ON_WRITE = process.platform === 'linux';

/** Streams as files `<stream>.<segment>.jsonl` in one folder: 0600 in 0700, for this machine's own disk. */
export function createFileLog(options: FileLogOptions): AppendLog {
  const { folder, fs = nodeFs } = options;
  const reader = createReader(folder, fs);
  return {
    open: (stream) => openStream(options, stream),
    streams: async () => [...(await listFolder(folder, fs)).segments.keys()].sort(),
    strangers: async () => strangersOf(await listFolder(folder, fs)),
    read: (stream, from = { segment: 0, offset: 0 }) => readLines(reader, stream, from, READ_CHUNK_BYTES),
    tail: (stream) => readTail(reader, stream),
    segments: reader.list,
    keepOnce: (name, text) => keepOnce(folder, name, text, fs),
  };
}

/** A segment as it was written: what must still be under its path. */
interface WrittenSegment {
  readonly path: string;
  readonly ino: number;
  readonly dev: number;
  size: number;
}

async function openStream(options: FileLogOptions, stream: string): Promise<AppendStream> {
  const { folder, fs = nodeFs, maxSegmentBytes = 64 * 1024 * 1024, syncOnWrite = SYNC_ON_WRITE } = options;
  if (!isStreamName(stream)) throw new TypeError(`"${stream}" cannot name a stream`);
  await makeFolder(folder, fs);

  const written: WrittenSegment[] = [];
  const flags = syncOnWrite ? constants.O_DSYNC : 0;
  const begin = async (): Promise<{ readonly file: FileHandle; readonly segment: WrittenSegment }> => {
    const place = path.join(folder, segmentName(stream, written.length));
    const file = await createSegment(folder, place, flags, fs);
    const { ino, dev } = await file.stat();
    const segment = { path: place, ino, dev, size: 0 };
    written.push(segment);
    return { file, segment };
  };
  let open = await guarded('The audit file cannot be made', begin());

  const appender = createAppender(async (batch) => {
    if (open.segment.size > 0 && open.segment.size + batch.length > maxSegmentBytes) {
      await open.file.close();
      open = await begin();
    }
    const { file, segment } = open;
    const at: Position = { segment: written.length - 1, offset: segment.size };
    await writeAll(file, batch);
    if (!syncOnWrite) await file.datasync();
    segment.size += batch.length;
    confirm(segment);
    return at;
  });
  return {
    append: appender.append,
    check: () =>
      appender.check(async () => {
        for (const segment of written) confirm(segment);
      }),
    storeTime: () => undefined,
    close: async () => {
      await appender.close();
      await guarded('The audit file cannot be closed', open.file.close());
    },
  };
}

/**
 * What a path names now, held against what was written: an open file goes on taking lines after it was removed or moved (unlink(2)). Synchronous:
 * some microseconds, where the thread pool's way there and back costs as much as a line.
 */
function confirm({ path: place, ino, dev, size }: WrittenSegment): void {
  const there = statOf(place);
  if (there.ino !== ino || there.dev !== dev) throw new StorageUnavailable('The audit file was replaced by another');
  if (there.size !== size)
    throw new StorageUnavailable(`The audit file has ${there.size} bytes where ${size} were written`);
}

function statOf(place: string): Stats {
  try {
    return lstatSync(place);
  } catch (error) {
    throw unavailable('The audit file is gone', error);
  }
}

async function makeFolder(folder: string, fs: LogFileSystem): Promise<void> {
  await guarded('The audit folder cannot be made', fs.mkdir(folder, { recursive: true, mode: 0o700 }));
}

async function guarded<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw unavailable(what, error);
  }
}

/** Made durable before its first line: a file whose directory entry is not on disk is lost with every line in it (fsync(2)). */
async function createSegment(folder: string, place: string, flags: number, fs: LogFileSystem): Promise<FileHandle> {
  const { O_WRONLY, O_APPEND, O_CREAT, O_EXCL } = constants;
  const file = await fs.open(place, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | flags, 0o600);
  try {
    await syncFolder(folder, fs);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function syncFolder(folder: string, fs: LogFileSystem): Promise<void> {
  // Windows cannot open a folder; there NTFS journals the entry.
  if (process.platform === 'win32') return;
  const directory = await fs.open(folder, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** A full disk first writes less than asked, and fails only the next time (write(2)). */
async function writeAll(file: FileHandle, batch: Buffer): Promise<void> {
  let done = 0;
  while (done < batch.length) {
    const { bytesWritten } = await file.write(batch, done, batch.length - done);
    if (bytesWritten === 0) throw new StorageUnavailable('The audit file takes no more bytes');
    done += bytesWritten;
  }
}

/** Written beside and linked into place: no process ever reads half a text, and of two writers the first wins (link(2)). */
async function keepOnce(folder: string, name: string, text: string, fs: LogFileSystem): Promise<string> {
  const place = path.join(folder, name);
  const kept = await readKept(place, fs);
  if (kept !== undefined) return kept;
  await makeFolder(folder, fs);
  const beside = path.join(folder, `.${name}.${randomUUID()}`);
  try {
    const file = await fs.open(beside, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await fs.link(beside, place);
    await syncFolder(folder, fs);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw unavailable('The audit folder takes no file', error);
  } finally {
    await fs.rm(beside, { force: true });
  }
  return (await readKept(place, fs)) ?? text;
}

async function readKept(place: string, fs: LogFileSystem): Promise<string | undefined> {
  try {
    const file = await fs.open(place, 'r');
    try {
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw unavailable('The audit folder cannot be read', error);
  }
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

async function listFolder(folder: string, fs: LogFileSystem): Promise<LogListing> {
  const segments = new Map<string, number[]>();
  const strangers: Stranger[] = [];
  try {
    for (const entry of await fs.readdir(folder, { withFileTypes: true })) {
      const parsed = parseSegmentName(entry.name);
      if (!entry.isFile()) strangers.push({ name: entry.name, why: 'link' });
      else if (!parsed) strangers.push({ name: entry.name, why: 'name' });
      else segments.set(parsed.stream, [...(segments.get(parsed.stream) ?? []), parsed.segment]);
    }
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw unavailable('The audit folder cannot be read', error);
  }
  return { segments, strangers };
}

function createReader(folder: string, fs: LogFileSystem): SegmentReader {
  return {
    // By asking for one after the other: to list the folder for each stream takes minutes where every start has left one.
    list: async (stream) => {
      const segments: { segment: number; bytes: number }[] = [];
      for (;;) {
        const segment = segments.length;
        try {
          const there = await fs.lstat(path.join(folder, segmentName(stream, segment)));
          if (!there.isFile()) return segments;
          segments.push({ segment, bytes: there.size });
        } catch (error) {
          if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return segments;
          throw unavailable('The audit folder cannot be read', error);
        }
      }
    },
    open: async (stream, segment) => {
      const file = await guarded(
        'The audit file cannot be read',
        fs.open(path.join(folder, segmentName(stream, segment)), 'r'),
      );
      return {
        size: async () => (await file.stat()).size,
        read: async (offset, length) => {
          const { bytesRead, buffer } = await guarded(
            'The audit file cannot be read',
            file.read(Buffer.allocUnsafe(length), 0, length, offset),
          );
          return buffer.subarray(0, bytesRead);
        },
        close: () => file.close(),
      };
    },
  };
}
