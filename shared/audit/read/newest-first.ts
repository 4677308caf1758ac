import { Problem } from '../../errors.ts';
import { createMatcher, type AuditItem, type EventQuery, type Page } from './match.ts';
import { startMerge } from './merge.ts';
import type { StreamIndex } from './stream-index.ts';

/** A place in the order of the trail: time (epoch ms), then stream, then number. */
type LinePosition = readonly [time: number, stream: string, seq: number];
interface Found {
  readonly item: AuditItem;
  readonly place: LinePosition;
}

/** How far the first look goes back; each is twice as far as the last, unless it had much to read. */
const FIRST_MS = 10_000;
const MUCH = 20_000;
/** How far ahead clocks of other processes may be. */
const AHEAD_MS = 10 * 60_000;

/**
 * Events, newest first: the streams are read forwards over one span of time after the other, from the latest to the earliest. An event that
 * is written after its time was passed is not found, which only a clock that is behind does. Throws Problem `request-invalid` for a cursor
 * that is not one; rejects with StorageUnavailable.
 */
export async function newestFirst(
  index: StreamIndex,
  query: EventQuery & { readonly maxScanned: number },
): Promise<Page<AuditItem>> {
  const { since = 0, limit, maxScanned } = query;
  const before = readCursor(query.cursor);
  let until = Math.min(query.until ?? Number.POSITIVE_INFINITY, before ? before[0] + 1 : Number.POSITIVE_INFINITY);
  let span = FIRST_MS;
  let scanned = 0;
  const items: AuditItem[] = [];
  for (;;) {
    const last = await lastTime(index, since, until);
    if (last === undefined) return { items };
    until = Math.min(until, last + 1);
    const from = Math.max(since, until - span);
    const looked = await look(index, query, { from, until, before, most: limit + 1 - items.length });
    scanned += looked.scanned;
    items.push(...looked.found.map(({ item }) => item));
    const lastGiven = items[limit - 1];
    if (lastGiven && items.length > limit)
      return { items: items.slice(0, limit), next: writeCursor(placeOf(lastGiven)) };
    if (from <= since) return { items };
    if (items.length === limit || scanned >= maxScanned) return { items, next: writeCursor([from, '', -1]) };
    until = from;
    span = looked.scanned > MUCH ? span / 2 : span * 2;
  }
}

/** The latest time that a line in the range may have; undefined when no stream has any. */
async function lastTime(index: StreamIndex, since: number, until: number): Promise<number | undefined> {
  const extents = await index.within(since, until);
  if (extents.length === 0) return undefined;
  const last = Math.max(...extents.map(({ maxTime }) => maxTime));
  return Number.isFinite(last) ? last : index.now() + AHEAD_MS;
}

interface Span {
  readonly from: number;
  readonly until: number;
  readonly before: LinePosition | undefined;
  readonly most: number;
}

/** What matches in a span, newest first; `most` of it, the latest. */
async function look(index: StreamIndex, query: EventQuery, { from, until, before, most }: Span) {
  const matches = createMatcher(query);
  const merge = await startMerge(index, { since: from, until });
  const found: Found[] = [];
  let scanned = 0;
  try {
    for (let next = await merge.next(); next; next = await merge.next()) {
      if (scanned++ % 1024 === 0) query.signal?.throwIfAborted();
      const item = next.time >= from && next.time < until ? matches(next.line) : undefined;
      if (!item) continue;
      const place = placeOf(item);
      if (before && compare(place, before) >= 0) continue;
      found.push({ item, place });
      if (found.length >= 2 * most) cut(found, most);
    }
  } finally {
    await merge.close();
  }
  cut(found, most);
  return { found, scanned };
}

function cut(found: Found[], most: number): void {
  found.sort((a, b) => compare(b.place, a.place));
  found.length = Math.min(found.length, most);
}

/** Every line of the trail has these three (README.md, "Events"). */
function placeOf(item: AuditItem): LinePosition {
  const { time, stream, seq } = item as unknown as { time: string; stream: string; seq: number };
  return [Date.parse(time), stream, seq];
}

function compare(a: LinePosition, b: LinePosition): number {
  if (a[0] !== b[0]) return a[0] - b[0];
  if (a[1] !== b[1]) return a[1] < b[1] ? -1 : 1;
  return a[2] - b[2];
}

const writeCursor = (place: LinePosition): string => Buffer.from(JSON.stringify(place), 'utf8').toString('base64url');

function readCursor(text: string | undefined): LinePosition | undefined {
  if (text === undefined) return undefined;
  try {
    const read: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    const [time, stream, seq, ...more] = read as readonly unknown[];
    if (typeof time === 'number' && typeof stream === 'string' && typeof seq === 'number' && more.length === 0)
      return [time, stream, seq];
  } catch {
    // told below
  }
  throw new Problem('request-invalid', 'The cursor is not one that this gateway gave for this order');
}
