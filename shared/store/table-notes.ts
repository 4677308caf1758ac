import type { Entropy } from '../clock.ts';
import type { Records } from './records.ts';
import { safeKey } from './table-rows.ts';
import type { Rows } from './table-rows.ts';

const PARTITION = 'note';

/** Small texts by name, one row each, written by compare-and-set on their version. */
export const createNotes = (rows: Rows, entropy: Entropy): Pick<Records, 'getNote' | 'putNote'> => ({
  getNote: async (name) => {
    const stored = await rows.get(PARTITION, safeKey(name));
    return stored && { version: Number(stored.columns['version']), text: stored.columns['text'] ?? '' };
  },

  putNote: async (name, { version, text }) => {
    const row = safeKey(name);
    const write = entropy.uuid();
    const next = { partition: PARTITION, row, columns: { version: String(version + 1), text, write } };
    const stored = version === 0 ? undefined : await rows.get(PARTITION, row);
    if (version !== 0 && stored?.columns['version'] !== String(version)) return false;
    const etag = stored ? await rows.replace(next, stored.etag) : await rows.insert(next);
    // A write whose answer was lost is sent again by the client and finds itself: the mark tells.
    return etag !== undefined || (await rows.get(PARTITION, row))?.columns['write'] === write;
  },
});
