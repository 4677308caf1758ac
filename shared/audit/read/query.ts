import type { LogLine } from '../../store/append-log.ts';
import type { JsonObject } from '../../lib/canonical-json.ts';
import { hashLine } from '../chain.ts';
import { eventCodes } from '../events.ts';
import { attach } from '../signature.ts';
import { startMerge } from './merge.ts';
import type { StreamIndex } from './stream-index.ts';

export interface EventQuery {
  /** Epoch ms, inclusive. */
  readonly since?: number | undefined;
  /** Epoch ms, exclusive. */
  readonly until?: number | undefined;
  /** An object id, or `<tenant id>:<object id>`. */
  readonly principal?: string | undefined;
  /** A cluster's name. */
  readonly cluster?: string | undefined;
  /** `AKG300I`. */
  readonly code?: string | undefined;
  readonly command?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
  /** So many lines are looked at for one page at most: a query that finds nothing answers in bounded time, with a cursor. */
  readonly maxScanned?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An event as it stands in the trail, with its line's hash. */
export type AuditItem = JsonObject & { readonly hash: string };

export interface Page<T> {
  readonly items: readonly T[];
  /** Absent at the end of what there is. A page may have fewer items than asked, even none, and still a next. */
  readonly next?: string | undefined;
}

const MAX_SCANNED = 100_000;

/**
 * Events in the order of their times over all streams. A cursor holds the place in each stream that may still grow, so that
 * nothing written while somebody pages is lost or told twice; an event that is written late comes late. Throws Problem
 * `request-invalid` for a cursor that is none; rejects with StorageUnavailable.
 */
export async function queryEvents(index: StreamIndex, query: EventQuery): Promise<Page<AuditItem>> {
  const { since = 0, until = Number.POSITIVE_INFINITY, limit, maxScanned = MAX_SCANNED, signal } = query;
  const matches = createMatcher(query);
  const merge = await startMerge(index, { since, until, cursor: query.cursor });
  try {
    const items: AuditItem[] = [];
    for (let scanned = 0; items.length < limit && scanned < maxScanned; scanned += 1) {
      if (scanned % 1024 === 0) signal?.throwIfAborted();
      const found = await merge.next();
      if (!found) return { items };
      const item = found.time >= since && found.time < until ? matches(found.line) : undefined;
      if (item) items.push(item);
    }
    return { items, next: merge.cursor() };
  } finally {
    await merge.close();
  }
}

/** Checkpoints as compact JWS, to be kept in a second place; oldest first. */
export async function checkpoints(
  index: StreamIndex,
  query: Pick<EventQuery, 'limit' | 'cursor' | 'signal'>,
): Promise<Page<{ readonly stream: string; readonly seq: number; readonly time: string; readonly jws: string }>> {
  const { items, next } = await queryEvents(index, { ...query, code: eventCodes.checkpoint });
  return {
    items: items.flatMap(({ stream, seq, time, checkpoint, signature }) =>
      typeof stream === 'string' && typeof seq === 'number' && typeof time === 'string' && typeof signature === 'string'
        ? [{ stream, seq, time, jws: attach(signature, checkpoint) }]
        : [],
    ),
    next,
  };
}

interface Subject {
  readonly principal?: { readonly tid?: unknown; readonly oid?: unknown };
  readonly cluster?: { readonly name?: unknown };
}

/** The item, if the line is one that was asked for. Most lines are turned away by their bytes, without a parse. */
function createMatcher({ principal, cluster, code, command }: EventQuery): (line: LogLine) => AuditItem | undefined {
  const [oid, tid] = principal?.split(':').toReversed() ?? [];
  // In canonical JSON a member is spelt in one way only, and never inside a string, where its quotes are escaped.
  const spelt = (name: string, value: string | undefined): readonly Buffer[] =>
    value === undefined ? [] : [Buffer.from(`"${name}":${JSON.stringify(value)}`, 'utf8')];
  const needles = [
    ...spelt('code', code),
    ...spelt('commandId', command),
    ...spelt('oid', oid),
    ...spelt('name', cluster),
  ];
  return (line) => {
    if (!needles.every((needle) => line.bytes.includes(needle))) return undefined;
    const item = parseItem(line);
    if (!item) return undefined;
    const own = item as AuditItem & Subject & { readonly whose?: Subject };
    const who = own.principal ?? own.whose?.principal;
    const where = own.cluster ?? own.whose?.cluster;
    const asked =
      (code === undefined || own['code'] === code) &&
      (command === undefined || own['commandId'] === command) &&
      (cluster === undefined || where?.name === cluster) &&
      (oid === undefined || who?.oid === oid) &&
      (tid === undefined || who?.tid === tid);
    return asked ? item : undefined;
  };
}

/** A damaged line is verification's business: a query passes over it. */
function parseItem(line: LogLine): AuditItem | undefined {
  try {
    return Object.assign(JSON.parse(line.text) as JsonObject, { hash: hashLine(line.bytes) });
  } catch {
    return undefined;
  }
}
