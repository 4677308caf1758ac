import type { AppendLog } from '../store/append-log.ts';
import { eventCodes, outcomeEvents, type EventName } from './events.ts';

const outcomeCodes = new Map<string, EventName>(outcomeEvents.map((event) => [eventCodes[event], event]));
/** How far the clocks of two processes may be apart. */
const SKEW_MS = 10 * 60_000;

/**
 * The outcome that the trail already holds for a command, if any. Asked when a process takes over another's command: between
 * the audit of an outcome and the record's last change there is a moment in which a process can be killed, and an outcome must
 * not be told twice. Reads only streams that were written to since the command began; rejects with StorageUnavailable.
 */
export async function outcomeOf(log: AppendLog, commandId: string, since: number): Promise<EventName | undefined> {
  const streams = await log.streams();
  for (const stream of streams.toReversed()) {
    const { last } = await log.tail(stream);
    if (!last || timeOf(last.text) < since - SKEW_MS) continue;
    for await (const line of log.read(stream)) {
      // The id stands in few lines: only those are parsed.
      if (!line.complete || !line.bytes.includes(commandId)) continue;
      const { code, commandId: of } = JSON.parse(line.text) as { code?: string; commandId?: string };
      const event = of === commandId ? outcomeCodes.get(code ?? '') : undefined;
      if (event) return event;
    }
  }
  return undefined;
}

/** A line whose time cannot be read is taken as new: then its stream is looked at. */
function timeOf(line: string): number {
  const time = Date.parse(/"time":"([^"]+)"/.exec(line)?.[1] ?? '');
  return Number.isNaN(time) ? Number.POSITIVE_INFINITY : time;
}
