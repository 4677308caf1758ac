import { randomBytes } from 'node:crypto';
import type { EventName } from '../../../shared/audit/events.ts';
import { createSigningKey } from '../../../shared/audit/signature.ts';
import { streamName } from '../../../shared/audit/stream-name.ts';
import { type Entry, composeBatch, newChain } from '../../../shared/audit/write/batch.ts';
import type { JsonObject } from '../../../shared/lib/canonical-json.ts';
import type { AppendLog } from '../../../shared/store/append-log.ts';

const key = createSigningKey();

export interface MadeEvent {
  readonly event: EventName;
  /** Epoch ms. */
  readonly wall: number;
  readonly members?: JsonObject;
}

/** Writes a stream whose lines have the times that a test wants, by the gateway's own batches; without an opening's signature. */
export async function makeStream(
  log: AppendLog,
  events: readonly MadeEvent[],
  { batch = 10, final = true }: { readonly batch?: number; readonly final?: boolean } = {},
): Promise<string> {
  const start = events[0]?.wall ?? 0;
  const stream = streamName(start, randomBytes(8));
  const chain = newChain('trail', stream, key, start);
  const entries: Entry[] = events.map(({ event, wall, members = {} }, mono) => ({
    kind: 'event',
    event,
    members,
    at: { wall, mono },
  }));
  if (final)
    entries.push({
      kind: 'checkpoint',
      heads: [],
      final: true,
      storeTime: undefined,
      at: { wall: events.at(-1)?.wall ?? 0, mono: events.length },
    });
  const writing = await log.open(stream);
  for (let at = 0; at < entries.length; at += batch)
    await writing.append(composeBatch(chain, entries.slice(at, at + batch)).lines);
  await writing.close();
  return stream;
}
