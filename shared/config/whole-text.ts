import type { Clock } from '../clock.ts';
import { hasEndMark } from './document.ts';
import { ConfigUnreadable, type FoundText, type TextReader } from './readers.ts';

/** Between two readings that must be equal, ms: longer than an editor or a copy takes from one write to the next. */
const SETTLE_MS = 2_000;
/** A text that is still not the same then waits for the next look. */
const MOST_READINGS = 4;

/**
 * Reads a text and makes sure that it is whole: YAML that is cut at the end of a line is valid YAML with fewer rules, and a shorter
 * list of the blocked. It is whole when it ends with YAML's end mark, when its place replaces texts as a whole, or when two readings
 * are equal. A text that had the mark before and has none now was cut off. Rejects with ConfigUnreadable.
 */
export async function readWhole(
  reader: TextReader,
  seen: FoundText | undefined,
  clock: Clock,
  signal: AbortSignal,
): Promise<FoundText> {
  let found = await (seen ? reader.read(seen, signal) : reader.read(undefined, signal));
  if (found.text === seen?.text) return found;
  for (let readings = 1; !hasEndMark(found.text); readings += 1) {
    if (seen && hasEndMark(seen.text))
      throw new ConfigUnreadable(
        `${reader.source}: ends without the end mark "..." that it had before, so it may be cut off; to do without the mark, restart`,
      );
    if (found.atomic) break;
    if (readings === MOST_READINGS)
      throw new ConfigUnreadable(`${reader.source}: is being written: no two readings were equal`);
    // At the start nothing else keeps the process alive.
    await clock.sleep(SETTLE_MS, { signal, unref: seen !== undefined });
    const again = await reader.read(found, signal);
    if (again.text === found.text) break;
    found = again;
  }
  return found;
}
