import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { outcomesOf } from '../../shared/audit/read/outcome.ts';
import { createStreamIndex } from '../../shared/audit/read/stream-index.ts';
import type { AppendLog } from '../../shared/store/append-log.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import { type MadeEvent, makeStream } from './support/streams.ts';

const BEGAN = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;
const DEAD = 50;
let folder = '';
let log: AppendLog;
/** Streams that were opened to be read, their ends apart. */
const opened = new Set<string>();

/** One line each minute from `start` on. */
const minutes = (start: number, events: readonly MadeEvent['event'][]): readonly MadeEvent[] =>
  events.map((event, minute) => ({ event, wall: start + minute * 60_000, members: { commandId: 'cmd-1' } }));

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aksgw-outcome-'));
  const files = createFileLog({ folder });
  for (let n = 0; n < DEAD; n += 1)
    await makeStream(files, minutes(BEGAN + n * HOUR, ['stream.opened', 'stream.closed']), { final: n % 2 === 0 });
  await makeStream(
    files,
    minutes(BEGAN + DEAD * HOUR, ['stream.opened', 'command.intended', 'command.replayed', 'command.completed']),
  );
  await makeStream(files, minutes(BEGAN + (DEAD + 1) * HOUR, ['stream.opened']));
  log = {
    ...files,
    read: (name, from) => {
      opened.add(name);
      return files.read(name, from);
    },
  };
});
afterAll(() => rm(folder, { recursive: true }));

test('the outcomes of commands are found in one pass, without a look at the streams that ended before it', async () => {
  const index = createStreamIndex(log);
  opened.clear();
  const found = await outcomesOf(index, new Set(['cmd-1', 'cmd-2']), BEGAN + DEAD * HOUR + 60_000);
  expect([...found]).toEqual([['cmd-1', 'command.completed']]);
  expect(opened.size).toBe(2);
});
