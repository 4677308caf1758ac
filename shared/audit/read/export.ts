import { type Hash, createHash } from 'node:crypto';
import { canonicalJson } from '../../lib/canonical-json.ts';
import type { AppendLog, LogLine } from '../../store/append-log.ts';
import { hashLine, rfc3339 } from '../chain.ts';
import type { RootKey } from '../root-key.ts';
import { detach, signCompactWith } from '../signature.ts';
import { startPosition, seek } from './seek.ts';
import { type Extent, type StreamIndex, readSigned } from './stream-index.ts';

export interface TimeRange {
  /** Epoch ms: from `since` on, before `until`. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface ExportOptions extends TimeRange {
  /** Who vouches for the completeness of the export; without it, the export proves its lines and not that none was left out. */
  readonly key?: Pick<RootKey, 'keyId' | 'jwk' | 'sign'> | undefined;
  /** Epoch ms. */
  readonly now: number;
}

/** One stream's part of an export. */
type ExportedStream = {
  readonly stream: string;
  /** The first line after the opening's batch, and the last, which is a signature that covers the others. */
  readonly from: number;
  readonly to: number;
  readonly lines: number;
  /** The hash of the line `to`. */
  readonly hash: string;
};

/** What the last line of an export says of the lines before it. */
export type Manifest = {
  readonly v: 1;
  readonly trail: string;
  readonly made: string;
  readonly filters: { readonly since?: string | undefined; readonly until?: string | undefined };
  readonly streams: readonly ExportedStream[];
  readonly lines: number;
  /** SHA-256, hex, of all the bytes before this line. */
  readonly sha256: string;
};

interface Context {
  readonly log: AppendLog;
  readonly since: number;
  readonly until: number;
  readonly signal: AbortSignal | undefined;
  readonly sha256: Hash;
  readonly streams: ExportedStream[];
  trail: string;
}

/**
 * JSON Lines that verify by themselves (`aksgw audit verify --export`): the trail's own lines, stream by stream, each with its
 * opening before them and up to a signature that covers them; and a manifest, signed when there is a key. Rejects with
 * StorageUnavailable or Problem `audit-unavailable`.
 */
export async function* exportLines(index: StreamIndex, options: ExportOptions): AsyncGenerator<string> {
  const { since = 0, until = Number.POSITIVE_INFINITY, signal } = options;
  const context: Context = {
    log: index.log,
    since,
    until,
    signal,
    sha256: createHash('sha256'),
    streams: [],
    trail: '',
  };
  for (const extent of await index.within(since, until))
    for await (const text of exportStream(context, extent)) {
      context.sha256.update(text);
      yield text;
    }
  yield await manifestLine(context, options);
}

/** The lines in question, batch by batch: what no signature covers yet is not evidence, and stays out. */
async function* exportStream(context: Context, extent: Extent): AsyncGenerator<string> {
  const { log, since, until, signal } = context;
  const { stream } = extent;
  const opening = await openingBatch(context, stream);
  const from = await seek(log, stream, since);
  const first = from.segment === startPosition.segment && from.offset === startPosition.offset;
  let batch: LogLine[] = [];
  let begun = first && extent.start >= since;
  let lines = 0;
  let range: { from: number; to: number; hash: string } | undefined;
  for await (const line of log.read(stream, from)) {
    signal?.throwIfAborted();
    if (!line.complete) break;
    batch.push(line);
    const signed = readSigned(line);
    if (!signed) continue;
    begun ||= signed.maxTime >= since;
    if (begun) {
      const head = range || seqOf(batch[0]) <= 1 ? [] : opening;
      range = { from: range?.from ?? seqOf(batch[0]), to: seqOf(line), hash: hashLine(line.bytes) };
      lines += head.length + batch.length;
      yield [...head, ...batch].map(({ text }) => `${text}\n`).join('');
      // What was written later cannot lie further back in time.
      if (signed.maxTime >= until + extent.lagMs) break;
    }
    batch = [];
  }
  if (range) context.streams.push({ stream, ...range, lines });
}

/** A stream's first batch: the opening, and the signature over it. */
async function openingBatch(context: Context, stream: string): Promise<readonly LogLine[]> {
  const batch: LogLine[] = [];
  for await (const line of context.log.read(stream)) {
    if (!line.complete) break;
    batch.push(line);
    context.trail ||= trailOf(line);
    if (readSigned(line)) break;
  }
  return batch;
}

function trailOf({ text }: LogLine): string {
  try {
    const { opening } = JSON.parse(text) as { readonly opening?: { readonly trail?: { readonly id?: string } } };
    return opening?.trail?.id ?? '';
  } catch {
    // A damaged line goes into the export as it is; verification names it.
    return '';
  }
}

function seqOf(line: LogLine | undefined): number {
  try {
    const { seq } = JSON.parse(line?.text ?? '') as { readonly seq?: unknown };
    return typeof seq === 'number' ? seq : -1;
  } catch {
    return -1;
  }
}

async function manifestLine(context: Context, { key, now, since, until }: ExportOptions): Promise<string> {
  const { streams, sha256, trail } = context;
  const manifest: Manifest = {
    v: 1,
    trail,
    made: rfc3339(now),
    filters: {
      since: since === undefined ? undefined : rfc3339(since),
      until: until === undefined ? undefined : rfc3339(until),
    },
    streams,
    lines: streams.reduce((sum, { lines }) => sum + lines, 0),
    sha256: sha256.digest('hex'),
  };
  const signed = key && { key: key.jwk, signature: detach(await signCompactWith(key, 'aksgw-export', manifest)) };
  return `${canonicalJson({ manifest, ...signed })}\n`;
}
