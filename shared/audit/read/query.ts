import { eventCodes } from '../events.ts';
import { attach } from '../signature.ts';
import { createMatcher, type AuditItem, type EventQuery, type Page } from './match.ts';
import { startMerge } from './merge.ts';
import { newestFirst } from './newest-first.ts';
import type { StreamIndex } from './stream-index.ts';

const MAX_SCANNED = 100_000;

/**
 * Events in the order of their times over all streams, or newest first. A cursor holds the place in each stream that may still grow, so that
 * nothing written while somebody pages is lost or told twice; an event that is written late comes late. Throws Problem
 * `request-invalid` for what is not a cursor; rejects with StorageUnavailable.
 */
export async function queryEvents(index: StreamIndex, query: EventQuery): Promise<Page<AuditItem>> {
  if (query.order === 'desc') return newestFirst(index, { ...query, maxScanned: query.maxScanned ?? MAX_SCANNED });
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
