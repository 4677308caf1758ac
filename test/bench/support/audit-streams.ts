import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { queryEvents } from '../../../shared/audit/read/query.ts';
import { createStreamIndex } from '../../../shared/audit/read/stream-index.ts';
import { createSigningKey } from '../../../shared/audit/signature.ts';
import { streamName } from '../../../shared/audit/stream-name.ts';
import { composeBatch, newChain } from '../../../shared/audit/write/batch.ts';
import { createFileLog } from '../../../shared/store/file-log.ts';

/**
 * A folder as ten thousand starts leave it, one hour after the other, every second one killed; and questions to it about one hour, in
 * a process of its own. Arguments: folder, the number of streams, of questions. Prints one JSON object.
 */
const [, , folder = '', streams = '10000', questions = '200'] = process.argv;
const HOUR = 3_600_000;
const count = Number(streams);
const began = Date.now() - count * HOUR;
const key = createSigningKey();

mkdirSync(folder, { recursive: true });
for (let n = 0; n < count; n += 1) {
  const start = began + n * HOUR;
  const stream = streamName(start, randomBytes(8));
  const chain = newChain('trail', stream, key, start);
  const event = (mono: number) => ({
    kind: 'event' as const,
    event: 'command.replayed' as const,
    members: { requestId: 'r', commandId: `cmd-${n}-${mono}` },
    at: { wall: start + mono, mono },
  });
  const end = {
    kind: 'checkpoint' as const,
    heads: [],
    storeTime: undefined,
    at: { wall: start + 9_000, mono: 9_000 },
  };
  const entries = Array.from({ length: 8 }, (_, at) => event(at * 1_000));
  const { lines } = composeBatch(chain, n % 2 === 0 ? [...entries, { ...end, final: true }] : entries);
  writeFileSync(path.join(folder, `${stream}.000000.jsonl`), `${lines.join('\n')}\n`);
}

const index = createStreamIndex(createFileLog({ folder }));
const times: number[] = [];
for (let n = 0; n < Number(questions); n += 1) {
  const since = began + Math.floor((count * (n + 0.5)) / Number(questions)) * HOUR;
  const before = performance.now();
  const { items } = await queryEvents(index, { since, until: since + HOUR, limit: 1_000 });
  times.push(performance.now() - before);
  if (items.length < 8) throw new Error(`Only ${items.length} events were found`);
}
const [first = 0, ...rest] = times;
rest.sort((a, b) => a - b);
process.stdout.write(
  JSON.stringify({
    streams: count,
    firstMs: Math.round(first),
    p50Ms: Math.round(rest[Math.floor(rest.length * 0.5)] ?? 0),
    p99Ms: Math.round(rest[Math.floor(rest.length * 0.99)] ?? 0),
    peakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  }),
);
