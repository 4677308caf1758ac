import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { outcomeOf } from '../../shared/audit/read/outcome.ts';
import type { AppendLog } from '../../shared/store/append-log.ts';
import { createFileLog } from '../../shared/store/file-log.ts';

const BEGAN = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;
const DEAD = 50;
let folder = '';
let log: AppendLog;
/** Streams that were opened to be read. */
const opened = new Set<string>();

/** A stream of one line each minute from `start` on, last written to with its last line. */
async function stream(start: number, codes: readonly string[]): Promise<void> {
  const name = `${new Date(start).toISOString().toLowerCase().replace(/[-:.]/g, '')}-a`;
  const lines = codes.map((code, seq) => {
    const time = new Date(start + seq * 60_000).toISOString();
    return `${JSON.stringify({ code, commandId: 'cmd-1', seq, stream: name, time, v: 1 })}\n`;
  });
  const file = path.join(folder, `${name}.000000.jsonl`);
  await writeFile(file, lines.join(''));
  const written = new Date(start + (codes.length - 1) * 60_000);
  await utimes(file, written, written);
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aksgw-outcome-'));
  for (let n = 0; n < DEAD; n += 1) await stream(BEGAN + n * HOUR, ['AKG000I', 'AKG001I']);
  await stream(BEGAN + DEAD * HOUR, ['AKG000I', 'AKG300I', 'AKG301I', 'AKG305I']);
  await stream(BEGAN + (DEAD + 1) * HOUR, ['AKG000I']);
  const files = createFileLog({ folder });
  const seen = <T>(name: string, work: T): T => {
    opened.add(name);
    return work;
  };
  log = {
    ...files,
    read: (name, from) => seen(name, files.read(name, from)),
    tail: (name) => seen(name, files.tail(name)),
    segments: (name) => seen(name, files.segments(name)),
  };
});
afterAll(() => rm(folder, { recursive: true }));

test('the outcome of a command is found without a look at the streams that ended before it', async () => {
  opened.clear();
  expect(await outcomeOf(log, 'cmd-1', BEGAN + DEAD * HOUR + 60_000)).toBe('command.completed');
  expect(await outcomeOf(log, 'cmd-2', BEGAN + DEAD * HOUR + 60_000)).toBeUndefined();
  expect(opened.size).toBe(2);
});
