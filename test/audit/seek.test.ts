import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exportLines } from '../../shared/audit/read/export.ts';
import { queryEvents } from '../../shared/audit/read/query.ts';
import type { AppendLog } from '../../shared/store/append-log.ts';
import { createFileLog } from '../../shared/store/file-log.ts';

const seed = Number(process.env['FC_SEED'] ?? 20_260_103);
console.log(`seed ${seed}`);

/** Two streams over two days in segments of 1.5 MB; the clock of each goes back by up to a minute now and then. */
const BEGAN = Date.UTC(2026, 0, 1);
const LINES = 8_000;
const STEP_MS = 20_000;
const times: number[] = [];
let folder = '';
let log: AppendLog;
let looked = 0;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'aksgw-seek-'));
  const files = createFileLog({ folder, maxSegmentBytes: 1_500_000 });
  log = {
    ...files,
    async *read(stream, from) {
      for await (const line of files.read(stream, from)) {
        looked += 1;
        yield line;
      }
    },
  };
  for (const [index, name] of ['20260101t000000000z-a', '20260101t000000001z-b'].entries()) {
    const stream = await files.open(name);
    await Promise.all(
      Array.from({ length: LINES }, (_, n) => {
        const time = BEGAN + n * STEP_MS - (n % 7 === index ? 60_000 : 0);
        times.push(time);
        const line = { code: 'AKG300I', pad: 'x'.repeat(n % 400), seq: n, stream: name };
        return stream.append(JSON.stringify({ ...line, time: new Date(time).toISOString(), v: 1 }));
      }),
    );
    await stream.close();
  }
});
afterAll(() => rm(folder, { recursive: true }));

test('whatever time is asked for, every event of it is found and no other, by looking at little more', async () => {
  const longest = LINES * STEP_MS;
  const range = fc.record({ since: fc.integer({ min: -60_000, max: longest + 60_000 }), ms: fc.nat(3_600_000) });
  await fc.assert(
    fc.asyncProperty(range, async ({ since, ms }) => {
      const asked = { since: BEGAN + since, until: BEGAN + since + ms };
      looked = 0;
      const { items } = await queryEvents(log, { ...asked, limit: 10_000 });
      const expected = times.filter((time) => time >= asked.since && time < asked.until).length;
      expect(items).toHaveLength(expected);
      // Per stream: the time itself, ten minutes on either side, what 128 KiB hold, and two looks for each halving and segment.
      expect(looked).toBeLessThan(2 * (ms / STEP_MS + 2 * 33 + 700 + 40));
    }),
    { seed, numRuns: 60 },
  );
});

test('an export by time reads no more of the trail, and each stream of it begins with its opening', async () => {
  looked = 0;
  const since = BEGAN + 0.9 * LINES * STEP_MS;
  const lines: string[] = [];
  for await (const line of exportLines(log, { since, until: since + 600_000 })) lines.push(line);
  const exported = lines.map((line) => JSON.parse(line) as { seq: number });
  expect(exported.filter(({ seq }) => seq === 0)).toHaveLength(2);
  expect(exported.length).toBeGreaterThan(60);
  // Without a checkpoint after it, an export goes on to the stream's end.
  expect(looked).toBeLessThan(0.15 * 2 * LINES);
});
