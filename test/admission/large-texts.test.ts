import { describe, expect, test } from '@jest/globals';
import { createLargeTexts } from '../../shared/admission/large-texts.ts';

const LARGE = 1_000_000;

/** A clock that reading moves, and that tells who slept for how long. */
function createTime() {
  let now = 0;
  const rests: { readonly ms: number; readonly wake: () => void }[] = [];
  return {
    monotonic: () => now,
    sleep: (ms: number) => new Promise<void>((wake) => rests.push({ ms, wake })),
    pass: (ms: number) => void (now += ms),
    rests,
  };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('large texts', () => {
  test('are read one at a time, callers in turn, with twice as long for everybody else after each', async () => {
    const time = createTime();
    const { inTurn } = createLargeTexts(time);
    const read: string[] = [];
    const reading = (what: string) => () => {
      read.push(what);
      time.pass(100);
      return what;
    };
    const all = ['a1', 'a2', 'a3'].map((what) => inTurn('a', LARGE, reading(what)));
    all.push(inTurn('b', LARGE, reading('b1')));
    await turn();
    expect(read).toEqual(['a1']);
    expect(await inTurn('c', 100, reading('small'))).toBe('small');
    for (let count = 0; count < 3; count += 1) {
      expect(time.rests[count]?.ms).toBe(200);
      time.rests[count]?.wake();
      await turn();
    }
    expect(read).toEqual(['a1', 'small', 'b1', 'a2', 'a3']);
    expect(await Promise.all(all)).toEqual(['a1', 'a2', 'a3', 'b1']);
  });

  test('that cannot be read hold up none of the others', async () => {
    const { inTurn } = createLargeTexts(createTime());
    const bad = inTurn('a', LARGE, () => {
      throw new Error('bad');
    });
    const good = inTurn('a', LARGE, () => 'good');
    await expect(bad).rejects.toThrow('bad');
    expect(await good).toBe('good');
  });
});
