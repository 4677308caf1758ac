import { describe, expect, test } from '@jest/globals';
import type { AppendLog, LogLine, Position } from '../../shared/store/append-log.ts';

export interface LogUnderTest {
  readonly log: AppendLog;
  /** Adds bytes to the end of a stream's first segment behind the log's back. */
  readonly tear: (stream: string, bytes: string) => Promise<void>;
  close(): Promise<void>;
}

/** What every kind of AppendLog does; `smallSegments` makes segments of at most 200 bytes. */
export function describeAppendLog(
  name: string,
  create: (options: { smallSegments: boolean }) => Promise<LogUnderTest>,
): void {
  const within = async (work: (under: LogUnderTest) => Promise<void>, smallSegments = false): Promise<void> => {
    const under = await create({ smallSegments });
    try {
      await work(under);
    } finally {
      await under.close();
    }
  };
  const all = async (log: AppendLog, stream: string, from?: Position): Promise<readonly LogLine[]> => {
    const lines: LogLine[] = [];
    for await (const line of log.read(stream, from)) lines.push(line);
    return lines;
  };
  const texts = (lines: readonly LogLine[]): readonly string[] => lines.map(({ text }) => text);

  describe(name, () => {
    test('gives back the lines in the order in which they were handed in, batch by batch', () =>
      within(async ({ log }) => {
        const stream = await log.open('s1');
        const lines = Array.from({ length: 60 }, (_, n) => `line ${n} é𝒳`);
        const positions = await Promise.all(lines.map((line) => stream.append([line, 'and another'])));
        await stream.close();
        const read = (await all(log, 's1')).filter((_, index) => index % 2 === 0);
        expect(texts(read)).toEqual(lines);
        expect(read.map(({ position }) => position)).toEqual(positions);
        expect(read.every(({ complete }) => complete)).toBe(true);
      }));

    test('reads on from any position', () =>
      within(async ({ log }) => {
        const stream = await log.open('s1');
        const positions = await Promise.all(['a', 'b', 'c'].map((line) => stream.append([line])));
        await stream.close();
        expect(texts(await all(log, 's1', positions[1]))).toEqual(['b', 'c']);
        expect(texts(await all(log, 's1', { segment: 0, offset: 6 }))).toEqual([]);
      }));

    test('begins a new segment when one is full, and reads over the seam', () =>
      within(async ({ log }) => {
        const stream = await log.open('s1');
        const lines = Array.from({ length: 9 }, (_, n) => `${n}`.repeat(90));
        for (const line of lines) await stream.append([line]);
        await stream.close();
        expect(texts(await all(log, 's1'))).toEqual(lines);
        const segments = await log.segments('s1');
        expect(segments.map(({ segment }) => segment)).toEqual([0, 1, 2, 3, 4]);
        expect(segments.map(({ bytes }) => bytes)).toEqual([182, 182, 182, 182, 91]);
        expect(texts(await all(log, 's1', { segment: 4, offset: 0 }))).toEqual(lines.slice(8));
        expect((await log.tail('s1')).last?.text).toBe(lines[8]);
      }, true));

    test('takes a line that is larger than a batch and a segment', () =>
      within(async ({ log }) => {
        const stream = await log.open('s1');
        const large = 'x'.repeat(1_200_000);
        await Promise.all([stream.append(['a']), stream.append([large]), stream.append(['b'])]);
        await stream.close();
        expect(texts(await all(log, 's1'))).toEqual(['a', large, 'b']);
      }));

    test('names every stream once, in the order of names', () =>
      within(async ({ log }) => {
        for (const name of ['s2', 's1', 's10']) await (await log.open(name)).close();
        expect(await log.streams()).toEqual(['s1', 's10', 's2']);
      }));

    test('opens no stream twice, and none with a name that could be a path', () =>
      within(async ({ log }) => {
        await (await log.open('s1').then(async (stream) => (await stream.append(['a']), stream))).close();
        await expect(log.open('s1')).rejects.toMatchObject({ name: 'StorageUnavailable' });
        for (const bad of ['../s', 'a.b', 'A', '', 'a/b']) await expect(log.open(bad)).rejects.toThrow(TypeError);
      }));

    test('gives a torn end as it is, and the last whole line before it', () =>
      within(async ({ log, tear }) => {
        const stream = await log.open('s1');
        await stream.append(['whole']);
        await stream.close();
        await tear('s1', '{"torn":');
        expect((await all(log, 's1')).map(({ text, complete }) => [text, complete])).toEqual([
          ['whole', true],
          ['{"torn":', false],
        ]);
        const { last, torn } = await log.tail('s1');
        expect([last?.text, torn?.text, torn?.position]).toEqual(['whole', '{"torn":', { segment: 0, offset: 6 }]);
      }));

    test('keeps a text under a name once, for all who ask, and does not take it for a stream', () =>
      within(async ({ log }) => {
        const kept = await Promise.all(['a', 'b', 'c'].map((text) => log.keepOnce('trail.json', text)));
        expect(new Set(kept).size).toBe(1);
        expect(await log.keepOnce('trail.json', 'd')).toBe(kept[0]);
        expect([await log.streams(), await log.strangers()]).toEqual([[], [{ name: 'trail.json', why: 'name' }]]);
      }));

    test('knows a stream without lines, and one that is not there', () =>
      within(async ({ log }) => {
        await (await log.open('s1')).close();
        for (const stream of ['s1', 'none']) {
          expect(await all(log, stream)).toEqual([]);
          expect(await log.tail(stream)).toEqual({});
        }
      }));

    test('reads what is there while more is written', () =>
      within(async ({ log }) => {
        const stream = await log.open('s1');
        await stream.append(['a']);
        expect(texts(await all(log, 's1'))).toEqual(['a']);
        await stream.append(['b']);
        expect(texts(await all(log, 's1'))).toEqual(['a', 'b']);
        await stream.close();
        await expect(stream.append(['c'])).rejects.toMatchObject({ name: 'StorageUnavailable' });
      }));
  });
}
