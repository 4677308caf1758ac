import type { AppendBlobClient, ContainerClient } from '@azure/storage-blob';
import type { Clock } from '../clock.ts';
import {
  type AppendLog,
  type AppendStream,
  type Segment,
  type Stranger,
  StorageUnavailable,
  isStreamName,
} from './append-log.ts';
import { createAppender, unavailable } from './append-log-commit.ts';
import {
  type LogListing,
  type SegmentReader,
  consecutive,
  parseSegmentName,
  readLines,
  readTail,
  segmentName,
  strangersOf,
} from './append-log-lines.ts';

export interface BlobLogOptions {
  /** A client with the SDK's own retries off (`retryOptions: { maxTries: 1 }`): it would append a block twice after a lost answer. */
  readonly container: ContainerClient;
  readonly clock: Clock;
  /** Where a segment ends, whichever comes first: an append blob takes 50,000 blocks (learn.microsoft.com/rest/api/storageservices/append-block). */
  readonly maxSegmentBytes?: number;
  readonly maxSegmentBlocks?: number;
  readonly maxSegmentMs?: number;
  /** How long one append may take, its retries included. Default 10 s. */
  readonly appendMs?: number;
}

const READ_CHUNK_BYTES = 1024 * 1024;
/** Waits between the tries of one append. */
const retryMs = [100, 400, 1_000, 2_000];

/** Streams as append blobs `<stream>.<segment>.jsonl` in one container; its immutability policy is infrastructure. */
export function createBlobLog(options: BlobLogOptions): AppendLog {
  const { container } = options;
  const reader = createReader(container);
  return {
    open: (stream) => openStream(options, stream),
    streams: async () => [...(await listContainer(container)).segments.keys()].sort(),
    strangers: async () => strangersOf(await listContainer(container)),
    read: (stream, from = { segment: 0, offset: 0 }) => readLines(reader, stream, from, READ_CHUNK_BYTES),
    tail: (stream) => readTail(reader, stream),
    segments: reader.list,
    keepOnce: (name, text) => keepOnce(container, name, text),
  };
}

/** A segment as it was written. Its ETag changes with every write to the blob, whoever makes it. */
interface WrittenSegment {
  readonly blob: AppendBlobClient;
  etag: string | undefined;
  size: number;
  blocks: number;
  readonly since: number;
}

async function openStream(options: BlobLogOptions, stream: string): Promise<AppendStream> {
  if (!isStreamName(stream)) throw new TypeError(`"${stream}" cannot name a stream`);
  const { container, clock, appendMs = 10_000 } = options;
  const { maxSegmentBytes = 256 * 1024 * 1024, maxSegmentBlocks = 40_000, maxSegmentMs = 24 * 60 * 60_000 } = options;
  const written: WrittenSegment[] = [];
  let storeTime: number | undefined;
  const begin = async (): Promise<WrittenSegment> => {
    const segment = await createSegment(container, segmentName(stream, written.length), clock);
    written.push(segment);
    return segment;
  };
  let open = await begin();

  const full = ({ size, blocks, since }: WrittenSegment, more: number): boolean =>
    size + more > maxSegmentBytes || blocks >= maxSegmentBlocks || clock.monotonic() - since >= maxSegmentMs;

  const appender = createAppender(async (batch) => {
    if (open.size > 0 && full(open, batch.length)) open = await begin();
    const at = { segment: written.length - 1, offset: open.size };
    storeTime = (await appendOnce(open, batch, clock, appendMs)) ?? storeTime;
    return at;
  });
  return {
    append: appender.append,
    check: () =>
      appender.check(async () => {
        for (const segment of written) await confirm(segment);
      }),
    storeTime: () => storeTime,
    close: appender.close,
  };
}

async function confirm({ blob, etag, size }: WrittenSegment): Promise<void> {
  const there = await blob.getProperties().catch((error: unknown) => {
    throw unavailable(statusOf(error) === 404 ? 'The audit blob is gone' : 'The audit blob cannot be read', error);
  });
  if (there.contentLength !== size)
    throw new StorageUnavailable(`The audit blob has ${there.contentLength ?? 0} bytes where ${size} were written`);
  if (there.etag !== etag) throw new StorageUnavailable('The audit blob was changed by somebody else');
}

async function createSegment(
  container: ContainerClient,
  name: string,
  clock: Pick<Clock, 'monotonic'>,
): Promise<WrittenSegment> {
  const blob = container.getAppendBlobClient(name);
  const segment = (etag: string | undefined) => ({ blob, etag, size: 0, blocks: 0, since: clock.monotonic() });
  try {
    const { etag } = await blob.create({
      conditions: { ifNoneMatch: '*' },
      blobHTTPHeaders: { blobContentType: 'application/jsonl' },
      abortSignal: AbortSignal.timeout(30_000),
    });
    return segment(etag);
  } catch (error) {
    // 409 may be the echo of our own lost answer; the name is random, and an empty segment of ours can be used.
    if (statusOf(error) !== 409) throw unavailable('The audit blob cannot be made', error);
    const { contentLength, etag } = await blob.getProperties().catch((cause: unknown) => {
      throw unavailable('The audit blob cannot be read', cause);
    });
    if (contentLength !== 0) throw unavailable('The audit blob exists already', error);
    return segment(etag);
  }
}

/**
 * One batch at exactly one place of exactly this blob: the append-position condition makes the store refuse a second copy and a
 * second writer, the ETag another blob of the same length. When an answer was lost the same append goes out again; a 412 then
 * means that the first arrived, which the bytes there must show. Gives the store's Date (epoch ms).
 */
async function appendOnce(
  segment: WrittenSegment,
  batch: Buffer,
  clock: Clock,
  appendMs: number,
): Promise<number | undefined> {
  const { blob, size: position } = segment;
  const deadline = clock.monotonic() + appendMs;
  const taken = (etag: string | undefined): void => {
    segment.etag = etag;
    segment.size += batch.length;
    segment.blocks += 1;
  };
  for (let tries = 0; ; tries += 1) {
    try {
      const { date, etag } = await blob.appendBlock(batch, batch.length, {
        conditions: { appendPosition: position, ...(segment.etag !== undefined && { ifMatch: segment.etag }) },
        abortSignal: AbortSignal.timeout(appendMs),
      });
      taken(etag);
      return date?.getTime();
    } catch (error) {
      if (statusOf(error) === 412) {
        const there = tries > 0 ? await arrived(blob, batch, position) : undefined;
        if (!there) throw unavailable('Something else was written to the audit blob', error);
        taken(there.etag);
        return undefined;
      }
      const wait = retryMs[tries];
      if (!mayRetry(error) || wait === undefined || clock.monotonic() + wait > deadline)
        throw unavailable(statusOf(error) === 404 ? 'The audit blob is gone' : 'The audit blob takes no more', error);
      await clock.sleep(wait);
    }
  }
}

async function arrived(
  blob: AppendBlobClient,
  batch: Buffer,
  position: number,
): Promise<{ readonly etag: string | undefined } | undefined> {
  try {
    const { contentLength = 0, etag } = await blob.getProperties();
    if (contentLength !== position + batch.length) return undefined;
    return batch.equals(await blob.downloadToBuffer(position, batch.length)) ? { etag } : undefined;
  } catch (error) {
    throw unavailable('Whether the audit blob took the last lines is not known', error);
  }
}

async function keepOnce(container: ContainerClient, name: string, text: string): Promise<string> {
  const blob = container.getBlockBlobClient(name);
  try {
    await blob.upload(text, Buffer.byteLength(text), { conditions: { ifNoneMatch: '*' } });
    return text;
  } catch (error) {
    // 409: it exists; 412: the condition of another version of the API says the same.
    if (statusOf(error) !== 409 && statusOf(error) !== 412)
      throw unavailable('The audit container takes no blob', error);
    const kept = await blob.downloadToBuffer().catch((cause: unknown) => {
      throw unavailable('The audit container cannot be read', cause);
    });
    return kept.toString('utf8');
  }
}

async function listContainer(container: ContainerClient): Promise<LogListing> {
  const segments = new Map<string, number[]>();
  const strangers: Stranger[] = [];
  try {
    for await (const { name } of container.listBlobsFlat()) {
      const parsed = parseSegmentName(name);
      if (!parsed) strangers.push({ name, why: 'name' });
      else segments.set(parsed.stream, [...(segments.get(parsed.stream) ?? []), parsed.segment]);
    }
  } catch (error) {
    throw unavailable('The audit container cannot be listed', error);
  }
  return { segments, strangers };
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
      return consecutive(segments);
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
          ? `${place} has no immutability policy: anyone who may write there can remove or replace what stands in it`
          : `${place} does not say whether it has an immutability policy`,
      ),
    );
  } catch (error) {
    warn(new Error(`Whether ${place} has an immutability policy could not be asked`, { cause: error }));
  }
}
