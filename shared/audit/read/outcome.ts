import { eventCodes, outcomeEvents, type EventName } from '../events.ts';
import { seek } from './seek.ts';
import type { StreamIndex } from './stream-index.ts';

const outcomeCodes = new Map<string, EventName>(outcomeEvents.map((event) => [eventCodes[event], event]));
/** How far the clocks of two processes may be apart. */
const SKEW_MS = 10 * 60_000;

/**
 * The outcome that the trail already holds for a command, if any. Asked when a process takes over another's command: between
 * the audit of an outcome and the record's last change there is a moment in which a process can be killed, and an outcome must
 * not be told twice. Reads only streams that may hold lines since the command began; rejects with StorageUnavailable.
 */
export async function outcomeOf(index: StreamIndex, commandId: string, since: number): Promise<EventName | undefined> {
  const from = since - SKEW_MS;
  for (const { stream } of (await index.within(from, Number.POSITIVE_INFINITY)).toReversed()) {
    for await (const line of index.log.read(stream, await seek(index.log, stream, from))) {
      // The id stands in few lines: only those are parsed.
      const event = line.complete && line.bytes.includes(commandId) ? outcomeIn(line.text, commandId) : undefined;
      if (event) return event;
    }
  }
  return undefined;
}

function outcomeIn(text: string, wanted: string): EventName | undefined {
  try {
    const { code, commandId } = JSON.parse(text) as { readonly code?: string; readonly commandId?: string };
    return commandId === wanted ? outcomeCodes.get(code ?? '') : undefined;
  } catch {
    // A damaged line is verification's business; it must not keep a command from its end.
    return undefined;
  }
}
