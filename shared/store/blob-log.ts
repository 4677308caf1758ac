import type { AppendBlobClient, ContainerClient } from '@azure/storage-blob';
import type { Clock } from '../clock.ts';
import { type AppendLog, type AppendStream, type Segment, StorageUnavailable, isStreamName } from './append-log.ts';
import { createGroupCommit, unavailable } from './append-log-commit.ts';
import { type SegmentReader, parseSegmentName, readLines, readTail, segmentName } from './append-log-lines.ts';

export interface BlobLogOptions {
  /** A client with the SDK's own retries off (`retryOptions: { maxTries: 1 }`): it would append a block twice after a lost answer. */
  readonly container: ContainerClient;
  readonly clock: Clock;
  /** Where a segment ends, whichever comes first: spec/audit.md, "Writing". An append blob takes 50,000 blocks (learn.microsoft.com/rest/api/storageservices/append-block). */
  readonly maxSegmentBytes?: number;
  readonly maxSegmentBlocks?: number;
  readonly maxSegmentMs?: number;
  /** How long one append may take, its retries included. Default 10 s. */
  readonly appendMs?: number;
}

const READ_CHUNK_BYTES = 1024 * 1024;
/** Waits between the tries of one append. */
const RETRY_MS = [100, 400, 1_000, 2_000];

/** Streams as append blobs `<stream>.<segment>.jsonl` in one container; its immutability policy is infrastructure. */
export function createBlobLog(options: BlobLogOptions): AppendLog {
  const { container } = options;
  const reader = createReader(container);
  return {
    open: (stream) => openStream(options, stream),
    streams: async ({ modifiedSince = 0 } = {}) => {
      const names = new Set<string>();
      try {
        for await (const { name, properties } of container.listBlobsFlat()) {
          const parsed = parseSegmentName(name);
          if (parsed && properties.lastModified.getTime() >= modifiedSince - 1_000) names.add(parsed.stream);
        }
      } catch (error) {
        throw unavailable('The audit container cannot be listed', error);
      }
      return [...names].sort();
    },
    read: (stream, from = { segment: 0, offset: 0 }) => readLines(reader, stream, from, READ_CHUNK_BYTES),
    tail: (stream) => readTail(reader, stream),
    segments: reader.list,
  };
}

async function openStream(options: BlobLogOptions, stream: string): Promise<AppendStream> {
  if (!isStreamName(stream)) throw new TypeError(`"${stream}" cannot name a stream`);
  const { container, clock, appendMs = 10_000 } = options;
  const { maxSegmentBytes = 256 * 1024 * 1024, maxSegmentBlocks = 40_000, maxSegmentMs = 24 * 60 * 60_000 } = options;
  let storeTime: number | undefined;
  let segment = 0;
  let size = 0;
  let blocks = 0;
  let since = clock.monotonic();
  let blob = await createSegment(container, stream, segment);

  const full = (more: number): boolean =>
    size + more > maxSegmentBytes || blocks >= maxSegmentBlocks || clock.monotonic() - since >= maxSegmentMs;

  const commit = createGroupCommit(async (batch) => {
    if (size > 0 && full(batch.length)) {
      segment += 1;
      size = 0;
      blocks = 0;
      since = clock.monotonic();
      blob = await createSegment(container, stream, segment);
    }
    storeTime = (await appendOnce(blob, batch, size, clock, appendMs)) ?? storeTime;
    const at = { segment, offset: size };
    size += batch.length;
    blocks += 1;
    return at;
  });
  return { append: commit.append, storeTime: () => storeTime, close: commit.close };
}

async function createSegment(container: ContainerClient, stream: string, segment: number): Promise<AppendBlobClient> {
  const blob = container.getAppendBlobClient(segmentName(stream, segment));
  try {
    await blob.create({
      conditions: { ifNoneMatch: '*' },
      blobHTTPHeaders: { blobContentType: 'application/jsonl' },
      abortSignal: AbortSignal.timeout(30_000),
    });
    return blob;
  } catch (error) {
    // 409 may be the echo of our own lost answer; the name is random, and an empty segment of ours can be used.
    if (statusOf(error) !== 409) throw unavailable('The audit blob cannot be made', error);
    const { contentLength } = await blob.getProperties().catch((cause: unknown) => {
      throw unavailable('The audit blob cannot be read', cause);
    });
    if (contentLength !== 0) throw unavailable('The audit blob exists already', error);
    return blob;
  }
}

/**
 * One batch at exactly one place: the append-position condition makes the store refuse a second copy and a second writer. When
 * an answer was lost the same append goes out again; a 412 then means that the first arrived, which the bytes there must show.
 * Gives the store's Date (epoch ms).
 */
async function appendOnce(
  blob: AppendBlobClient,
  batch: Buffer,
  position: number,
  clock: Clock,
  appendMs: number,
): Promise<number | undefined> {
  const deadline = clock.monotonic() + appendMs;
  for (let tries = 0; ; tries += 1) {
    try {
      const { date } = await blob.appendBlock(batch, batch.length, {
        conditions: { appendPosition: position },
        abortSignal: AbortSignal.timeout(appendMs),
      });
      return date?.getTime();
    } catch (error) {
      if (statusOf(error) === 412) {
        if (tries > 0 && (await isThere(blob, batch, position))) return undefined;
        throw unavailable('Something else was written to the audit blob', error);
      }
      const wait = RETRY_MS[tries];
      if (!mayRetry(error) || wait === undefined || clock.monotonic() + wait > deadline)
        throw unavailable('The audit blob takes no more', error);
      await clock.sleep(wait);
    }
  }
}

async function isThere(blob: AppendBlobClient, batch: Buffer, position: number): Promise<boolean> {
  try {
    const { contentLength = 0 } = await blob.getProperties();
    return (
      contentLength === position + batch.length && batch.equals(await blob.downloadToBuffer(position, batch.length))
    );
  } catch (error) {
    throw unavailable('Whether the audit blob took the last lines is not known', error);
  }
}

/** 403, 404, 409 stay what they are; no answer, 408, 429 and 5xx may pass. */
const mayRetry = (error: unknown): boolean => {
  const status = statusOf(error);
  return status === undefined || status === 408 || status === 429 || status >= 500;
};

const statusOf = (error: unknown): number | undefined =>
  error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : undefined;

function createReader(container: ContainerClient): SegmentReader {
  return {
    list: async (stream) => {
      const segments: Segment[] = [];
      try {
        for await (const { name, properties } of container.listBlobsFlat({ prefix: `${stream}.` })) {
          const parsed = parseSegmentName(name);
          if (parsed?.stream === stream)
            segments.push({ segment: parsed.segment, bytes: properties.contentLength ?? 0 });
        }
      } catch (error) {
        throw unavailable('The audit container cannot be listed', error);
      }
      return segments.sort((a, b) => a.segment - b.segment);
    },
    open: async (stream, segment) => {
      const blob = container.getAppendBlobClient(segmentName(stream, segment));
      const size = async (): Promise<number> => {
        try {
          return (await blob.getProperties()).contentLength ?? 0;
        } catch (error) {
          throw unavailable('The audit blob cannot be read', error);
        }
      };
      return {
        size,
        read: async (offset, length) => {
          const there = Math.min(length, (await size()) - offset);
          if (there <= 0) return Buffer.alloc(0);
          try {
            return await blob.downloadToBuffer(offset, there);
          } catch (error) {
            throw unavailable('The audit blob cannot be read', error);
          }
        },
        close: async () => undefined,
      };
    },
  };
}

/** Whether the container lets nobody, the gateway included, change what was written: asked at start. Undefined when the store does not say. */
export async function isImmutable(container: Pick<ContainerClient, 'getProperties'>): Promise<boolean | undefined> {
  try {
    const { hasImmutabilityPolicy, hasLegalHold } = await container.getProperties();
    return hasImmutabilityPolicy === true || hasLegalHold === true;
  } catch (error) {
    if (statusOf(error) === undefined)
      throw new StorageUnavailable('The audit container cannot be reached', { cause: error });
    return undefined;
  }
}

/**
 * Tells when the container has no immutability policy and no legal hold, or when that cannot be learnt: a warning, since the trail
 * works without and its verification says what it then cannot prove. Never rejects and holds up no start.
 */
export async function warnIfMutable(
  container: Pick<ContainerClient, 'getProperties' | 'url'>,
  warn: (warning: Error) => void,
): Promise<void> {
  const place = container.url.split('?')[0];
  try {
    const immutable = await isImmutable(container);
    if (immutable === true) return;
    warn(
      new Error(
        immutable === false
          ? `${place} has no immutability policy: whoever may write there can remove or replace what stands in it`
          : `${place} does not say whether it has an immutability policy`,
      ),
    );
  } catch (error) {
    warn(new Error(`Whether ${place} has an immutability policy could not be asked`, { cause: error }));
  }
}
