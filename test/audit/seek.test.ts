import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { appendFile, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exportLines } from '../../shared/audit/read/export.ts';
import { queryEvents } from '../../shared/audit/read/query.ts';
import { createStreamIndex } from '../../shared/audit/read/stream-index.ts';
import type { AppendLog } from '../../shared/store/append-log.ts';
import { createFileLog } from '../../shared/store/file-log.ts';
import { makeStream } from './support/streams.ts';

const seed = Number(process.env['FC_SEED'] ?? 20_260_103);
console.log(`seed ${seed}`);

const HOUR = 3_600_000;
const BEGAN = Date.UTC(2026, 0, 1);
const LINES = 8_000;
const STEP_MS = 20_000;

/** A log that counts the lines that are read of it. */
const counting = (files: AppendLog, looked: { lines: number }): AppendLog => ({
  ...files,
  async *read(stream, from) {
    for await (const line of files.read(stream, from)) {
      looked.lines += 1;
      yield line;
    }
  },
});

const command = (wall: number, n: number) => ({
  event: 'command.intended' as const,
  wall,
  members: { commandId: `cmd-${n}`, pad: 'x'.repeat(n % 400) },
});

describe('two streams over two days, whose clocks go back by up to a minute now and then', () => {
  const times: number[] = [];
  const looked = { lines: 0 };
  let folder = '';
  let log: AppendLog;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aksgw-seek-'));
    const files = createFileLog({ folder, maxSegmentBytes: 1_500_000 });
    log = counting(files, looked);
    for (const stream of [0, 1]) {
      const events = Array.from({ length: LINES }, (_, n) =>
        command(BEGAN + n * STEP_MS - (n > 3 && n % 7 === stream ? 60_000 : 0), n),
      );
      times.push(...events.map(({ wall }) => wall));
      await makeStream(files, events);
    }
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('give every event of whatever time is asked for and no other, by looking at little more', async () => {
    const longest = LINES * STEP_MS;
    const index = createStreamIndex(log);
    const range = fc.record({ since: fc.integer({ min: -60_000, max: longest + 60_000 }), ms: fc.nat(HOUR) });
    await fc.assert(
      fc.asyncProperty(range, async ({ since, ms }) => {
        const asked = { since: BEGAN + since, until: BEGAN + since + ms };
        looked.lines = 0;
        const { items } = await queryEvents(index, { ...asked, code: 'AKG300I', limit: 10_000 });
        expect(items).toHaveLength(times.filter((time) => time >= asked.since && time < asked.until).length);
        // Per stream: the time itself, a minute more for the clock, what 128 KiB hold, and a batch for each halving.
        expect(looked.lines).toBeLessThan(2 * ((1.1 * ms) / STEP_MS + 10 + 400 + 300));
      }),
      { seed, numRuns: 25 },
    );
  });

  test('give them newest first as well, page by page, each once; the latest by looking at little', async () => {
    const index = createStreamIndex(log);
    const query = { code: 'AKG300I', order: 'desc' as const, since: BEGAN + 0.9 * LINES * STEP_MS };
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const { items, next } = await queryEvents(index, { ...query, limit: 111, cursor });
      seen.push(...items.map(({ time, hash }) => `${time as string} ${hash}`));
      cursor = next;
    } while (cursor !== undefined);
    const { items: all } = await queryEvents(index, { ...query, order: 'asc', limit: 10_000 });
    expect(seen).toHaveLength(all.length);
    expect(new Set(seen)).toEqual(new Set(all.map(({ time, hash }) => `${time as string} ${hash}`)));
    const given = seen.map((text) => text.slice(0, 24));
    expect(given).toEqual(given.toSorted().toReversed());
    looked.lines = 0;
    const { items } = await queryEvents(index, { code: 'AKG300I', order: 'desc', limit: 10 });
    expect(items).toHaveLength(10);
    expect(looked.lines).toBeLessThan(2 * 1_500);
  });

  test('give an export that reads no more of the trail, and begins each stream with its opening', async () => {
    looked.lines = 0;
    const since = BEGAN + 0.9 * LINES * STEP_MS;
    const lines: string[] = [];
    const options = { since, until: since + 600_000, now: BEGAN };
    for await (const part of exportLines(createStreamIndex(log), options)) lines.push(...part.trimEnd().split('\n'));
    const exported = lines.map((line) => JSON.parse(line) as { seq: number });
    expect(exported.filter(({ seq }) => seq === 0)).toHaveLength(2);
    expect(exported.length).toBeGreaterThan(60);
    expect(exported.length).toBeLessThan(150);
    expect(looked.lines).toBeLessThan(0.1 * 2 * LINES);
  });
});

describe('a stream whose clock is put forward a day and set back again', () => {
  const DAY = 24 * HOUR;
  const COUNT = 3_000;
  let folder = '';
  let log: AppendLog;
  const wallOf = (n: number): number => BEGAN + n * 1_000 + (n > 500 && n <= 2_000 ? DAY : 0);

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'aksgw-step-'));
    log = createFileLog({ folder, maxSegmentBytes: 200_000 });
    await makeStream(
      log,
      Array.from({ length: COUNT }, (_, n) => command(wallOf(n), n)),
    );
  });
  afterAll(() => rm(folder, { recursive: true }));

  const askAll = async (index: ReturnType<typeof createStreamIndex>, since: number, until: number, limit: number) => {
    const ids: unknown[] = [];
    let cursor: string | undefined;
    do {
      const page = await queryEvents(index, { since, until, code: 'AKG300I', limit, cursor });
      ids.push(...page.items.map(({ commandId }) => commandId));
      cursor = page.next;
    } while (cursor !== undefined);
    return ids;
  };
  test('gives every event newest first, too, though its times and its places disagree', async () => {
    const index = createStreamIndex(log);
    const times: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await queryEvents(index, { code: 'AKG300I', order: 'desc', limit: 400, cursor });
      times.push(...page.items.map(({ time }) => time as string));
      cursor = page.next;
    } while (cursor !== undefined);
    expect(times).toHaveLength(COUNT);
    expect(times).toEqual(times.toSorted().toReversed());
  });

  const idsWithin = (since: number, until: number): readonly string[] =>
    Array.from({ length: COUNT }, (_, n) => n)
      .filter((n) => wallOf(n) >= since && wallOf(n) < until)
      .map((n) => `cmd-${n}`);

  test('hides none of its events from a query or an export, whatever time is asked for', async () => {
    const index = createStreamIndex(log);
    const ranges = fc.record({
      since: fc.oneof(fc.integer({ min: -10, max: COUNT + 10 }), fc.integer({ min: 86_000, max: 90_000 })),
      seconds: fc.nat(2_000),
      limit: fc.constantFrom(70, 300, 1_000),
    });
    await fc.assert(
      fc.asyncProperty(ranges, async ({ since, seconds, limit }) => {
        const [from, to] = [BEGAN + since * 1_000, BEGAN + (since + seconds) * 1_000];
        expect(await askAll(index, from, to, limit)).toEqual(idsWithin(from, to));
      }),
      { seed, numRuns: 12 },
    );
    let exported = '';
    for await (const part of exportLines(index, { since: BEGAN, until: BEGAN + HOUR, now: BEGAN })) exported += part;
    const missing = idsWithin(BEGAN, BEGAN + HOUR).filter((id) => !exported.includes(`"${id}"`));
    expect(missing).toEqual([]);
  });

  test('is found whatever somebody does to the times of its files', async () => {
    const old = new Date(0);
    for (const file of await readdir(folder)) await utimes(path.join(folder, file), old, old);
    await utimes(folder, old, old);
    const index = createStreamIndex(log);
    expect(await askAll(index, BEGAN, BEGAN + HOUR, 1_000)).toEqual(idsWithin(BEGAN, BEGAN + HOUR));
  });
});

test('the end of a stream that a crash tore is read from its last signature on', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'aksgw-torn-'));
  const log = createFileLog({ folder });
  const events = Array.from({ length: 50 }, (_, n) => command(BEGAN + n * 60_000, n));
  const stream = await makeStream(log, events, { final: false });
  const unsigned = `{"code":"AKG300I","commandId":"late","time":"${new Date(BEGAN + HOUR).toISOString()}"}\n{"torn`;
  await appendFile(path.join(folder, `${stream}.000000.jsonl`), unsigned);
  const index = createStreamIndex(log);
  const [extent] = await index.within(0, Number.POSITIVE_INFINITY);
  expect(extent).toMatchObject({ start: BEGAN, maxTime: BEGAN + HOUR, final: false });
  const { items } = await queryEvents(index, { since: BEGAN + HOUR, limit: 10 });
  expect(items.map(({ commandId }) => commandId)).toEqual(['late']);
  await rm(folder, { recursive: true });
});
