import { constants, type Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import * as nodeFs from 'node:fs/promises';
import path from 'node:path';
import { systemClock, type Clock } from '../clock.ts';
import type { AppendLog, AppendStream, Position } from './append-log.ts';
import { StorageUnavailable, isStreamName } from './append-log.ts';
import { createGroupCommit, unavailable } from './append-log-commit.ts';
import { type SegmentReader, parseSegmentName, readLines, readTail, segmentName } from './append-log-lines.ts';

/** What the log needs of the file system: handed in by tests that fill the disk. */
export type LogFileSystem = Pick<typeof nodeFs, 'mkdir' | 'open' | 'readdir' | 'stat'>;

export interface FileLogOptions {
  readonly folder: string;
  /** A segment that would grow past this is followed by a new one. Default 64 MiB. */
  readonly maxSegmentBytes?: number;
  /** Whether `write` alone makes lines durable (O_DSYNC), without an fdatasync after it. Default: where that is as safe. */
  readonly syncOnWrite?: boolean;
  readonly fs?: LogFileSystem;
  /** The one that the file system goes by. */
  readonly clock?: Pick<Clock, 'now'>;
}

const READ_CHUNK_BYTES = 256 * 1024;

/**
 * Linux's O_DSYNC is write and fdatasync in one (open(2)): one way through the thread pool in place of two. macOS's leaves lines in
 * the drive's cache, where fdatasync does not (libuv asks F_FULLFSYNC); Windows has none.
 */
const SYNC_ON_WRITE = process.platform === 'linux';

/** Streams as files `<stream>.<segment>.jsonl` in one folder: 0600 in 0700, for this machine's own disk. */
export function createFileLog(options: FileLogOptions): AppendLog {
  const { folder, fs = nodeFs, clock = systemClock } = options;
  const listing = createListing(folder, fs, clock);
  const reader = createReader(folder, fs, listing);
  return {
    open: (stream) => openStream(options, stream),
    streams: async ({ modifiedSince } = {}) => {
      const segments = [...(await listing()).values()].flat();
      const kept = modifiedSince === undefined ? segments : await modifiedIn(folder, segments, modifiedSince, fs);
      return [...new Set(kept.map(({ stream }) => stream))].sort();
    },
    read: (stream, from = { segment: 0, offset: 0 }) => readLines(reader, stream, from, READ_CHUNK_BYTES),
    tail: (stream) => readTail(reader, stream),
    segments: reader.list,
  };
}

async function openStream(options: FileLogOptions, stream: string): Promise<AppendStream> {
  const { folder, fs = nodeFs, maxSegmentBytes = 64 * 1024 * 1024, syncOnWrite = SYNC_ON_WRITE } = options;
  if (!isStreamName(stream)) throw new TypeError(`"${stream}" cannot name a stream`);
  const guard = async <T>(what: string, work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw unavailable(what, error);
    }
  };
  await guard('The audit folder cannot be made', fs.mkdir(folder, { recursive: true, mode: 0o700 }));

  let segment = 0;
  let size = 0;
  const flags = syncOnWrite ? constants.O_DSYNC : 0;
  const begin = (): Promise<FileHandle> => createSegment(folder, segmentName(stream, segment), flags, fs);
  let file = await guard('The audit file cannot be made', begin());

  const commit = createGroupCommit(async (batch) => {
    if (size > 0 && size + batch.length > maxSegmentBytes) {
      await file.close();
      segment += 1;
      size = 0;
      file = await begin();
    }
    const at: Position = { segment, offset: size };
    await writeAll(file, batch);
    if (!syncOnWrite) await file.datasync();
    size += batch.length;
    return at;
  });
  return {
    append: commit.append,
    storeTime: () => undefined,
    close: async () => {
      await commit.close();
      await guard('The audit file cannot be closed', file.close());
    },
  };
}

/** Made durable before its first line: a file whose directory entry is not on disk is lost with every line in it (fsync(2)). */
async function createSegment(folder: string, name: string, flags: number, fs: LogFileSystem): Promise<FileHandle> {
  const { O_WRONLY, O_APPEND, O_CREAT, O_EXCL } = constants;
  const file = await fs.open(path.join(folder, name), O_WRONLY | O_APPEND | O_CREAT | O_EXCL | flags, 0o600);
  try {
    // Windows cannot open a folder; there NTFS journals the entry.
    if (process.platform !== 'win32') {
      const directory = await fs.open(folder, 'r');
      try {
        await directory.sync();
      } finally {
        await directory.close();
      }
    }
    return file;
  } catch (error) {
    await file.close();
    throw error;
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

interface SegmentFile {
  readonly stream: string;
  readonly segment: number;
}

async function modifiedIn(
  folder: string,
  files: readonly SegmentFile[],
  since: number,
  fs: LogFileSystem,
): Promise<readonly SegmentFile[]> {
  const kept: SegmentFile[] = [];
  for (const file of files) if ((await statOf(folder, file, fs)).mtimeMs >= since) kept.push(file);
  return kept;
}

async function statOf(folder: string, { stream, segment }: SegmentFile, fs: LogFileSystem): Promise<Stats> {
  try {
    return await fs.stat(path.join(folder, segmentName(stream, segment)));
  } catch (error) {
    throw unavailable('The audit folder cannot be read', error);
  }
}

type Listing = ReadonlyMap<string, readonly SegmentFile[]>;

/** A folder that changed this shortly before it was listed may have changed again in the same tick of its clock (inode(7)). */
const SETTLED_MS = 1_000;

/**
 * The files of a folder by stream. Kept for as long as the folder itself is unchanged: a reader asks for each of its streams, and
 * every process that ever ran has left one.
 */
function createListing(folder: string, fs: LogFileSystem, clock: Pick<Clock, 'now'>): () => Promise<Listing> {
  let kept: { readonly mtimeMs: number; readonly listing: Listing } | undefined;
  return async () => {
    try {
      const { mtimeMs } = await fs.stat(folder);
      if (kept?.mtimeMs === mtimeMs) return kept.listing;
      const listing = Map.groupBy(
        (await fs.readdir(folder)).map(parseSegmentName).filter((name) => name !== undefined),
        ({ stream }) => stream,
      );
      kept = clock.now() - mtimeMs > SETTLED_MS ? { mtimeMs, listing } : undefined;
      return listing;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Map();
      throw unavailable('The audit folder cannot be read', error);
    }
  };
}

function createReader(folder: string, fs: LogFileSystem, listing: () => Promise<Listing>): SegmentReader {
  return {
    list: async (stream) => {
      const own = (await listing()).get(stream) ?? [];
      const sizes = own.map(async (file) => ({
        segment: file.segment,
        bytes: (await statOf(folder, file, fs)).size,
      }));
      return (await Promise.all(sizes)).sort((a, b) => a.segment - b.segment);
    },
    open: async (stream, segment) => {
      try {
        const file = await fs.open(path.join(folder, segmentName(stream, segment)), 'r');
        return {
          size: async () => (await file.stat()).size,
          read: async (offset, length) => {
            try {
              const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, offset);
              return buffer.subarray(0, bytesRead);
            } catch (error) {
              throw unavailable('The audit file cannot be read', error);
            }
          },
          close: () => file.close(),
        };
      } catch (error) {
        throw unavailable('The audit file cannot be read', error);
      }
    },
  };
}
