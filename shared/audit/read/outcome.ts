import type { LogLine } from '../../store/append-log.ts';
import { eventCodes, outcomeEvents, type EventName } from '../events.ts';
import { seek } from './seek.ts';
import type { StreamIndex } from './stream-index.ts';

const outcomeCodes = new Map<string, EventName>(outcomeEvents.map((event) => [eventCodes[event], event]));
/** How far the clocks of two processes may be apart. */
const SKEW_MS = 10 * 60_000;
const idMember = Buffer.from('"commandId":"', 'latin1');

/**
 * The outcomes that the trail already holds, of these commands, in one pass over the streams that may hold lines since `since` (epoch ms).
 * Asked when a process takes over another's commands: between the audit of an outcome and the record's last change there is a moment in which a
 * process can be killed, and an outcome must not be told twice. Rejects with StorageUnavailable.
 */
export async function outcomesOf(
  index: StreamIndex,
  commandIds: ReadonlySet<string>,
  since: number,
): Promise<ReadonlyMap<string, EventName>> {
  const from = since - SKEW_MS;
  const found = new Map<string, EventName>();
  for (const { stream } of (await index.within(from, Number.POSITIVE_INFINITY)).toReversed()) {
    if (found.size === commandIds.size) break;
    for await (const line of index.log.read(stream, await seek(index.log, stream, from))) {
      const id = line.complete ? commandIdOf(line) : undefined;
      if (id === undefined || !commandIds.has(id)) continue;
      const event = outcomeIn(line.text);
      if (event) found.set(id, event);
    }
  }
  return found;
}

/** Without a parse, which would cost the most: in canonical JSON these very bytes stand nowhere but before the member's value. */
function commandIdOf({ bytes }: LogLine): string | undefined {
  const at = bytes.lastIndexOf(idMember);
  if (at === -1) return undefined;
  const from = at + idMember.length;
  return bytes.toString('latin1', from, bytes.indexOf(0x22, from));
}

function outcomeIn(text: string): EventName | undefined {
  try {
    const { code } = JSON.parse(text) as { readonly code?: string };
    return outcomeCodes.get(code ?? '');
  } catch {
    // A damaged line is verification's business; it must not keep a command from its end.
    return undefined;
  }
}
