import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { Problem } from '../../errors.ts';
import type { Position } from '../../store/append-log.ts';

/** Where a merge of streams goes on. */
export interface Cursor {
  /** The running maximum of time that was reached, epoch ms. */
  readonly reached: number;
  /** The next line of each stream that may have one: those that may still grow, and the newest ones, read or not. */
  readonly places: ReadonlyMap<string, Position>;
}

/** So many fit into a request line (Kestrel's, before Functions, takes 8 KiB): see MAX_CURSOR. */
const MAX_PLACES = 150;
/** Characters of the longest cursor. */
export const MAX_CURSOR = 7_500;
/** What the longest cursor is before it is packed, with room to spare. */
const MAX_UNPACKED = 64 * 1024;

/** Throws Problem `request-invalid` when more streams are alive than a cursor holds. */
export function writeCursor({ reached, places }: Cursor): string {
  if (places.size > MAX_PLACES)
    throw new Problem('request-invalid', 'More streams are alive at that time than a cursor holds; ask for less time');
  const list = [...places].map(([stream, { segment, offset }]) => [stream, segment, offset]);
  return deflateRawSync(JSON.stringify([reached, list])).toString('base64url');
}

/** Throws Problem `request-invalid` for anything that writeCursor did not give. */
export function readCursor(text: string | undefined): Cursor | undefined {
  if (text === undefined) return undefined;
  const cursor = parseCursor(text);
  if (!cursor) throw new Problem('request-invalid', 'The cursor is not one that this gateway gave');
  return cursor;
}

function parseCursor(text: string): Cursor | undefined {
  let parsed: unknown;
  try {
    const packed = Buffer.from(text, 'base64url');
    parsed = JSON.parse(inflateRawSync(packed, { maxOutputLength: MAX_UNPACKED }).toString('utf8'));
  } catch {
    return undefined;
  }
  if (!isArray(parsed)) return undefined;
  const [reached, list] = parsed;
  if (!isNatural(reached) || !isArray(list) || list.length > MAX_PLACES) return undefined;
  const places = new Map<string, Position>();
  for (const place of list) {
    if (!isArray(place)) return undefined;
    const [stream, segment, offset] = place;
    if (typeof stream !== 'string' || !isNatural(segment) || !isNatural(offset)) return undefined;
    places.set(stream, { segment, offset });
  }
  return { reached, places };
}

const isArray: (value: unknown) => value is readonly unknown[] = Array.isArray;
const isNatural = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
