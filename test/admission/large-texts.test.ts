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

  test('whose callers are gone are not read, and hold up nobody', async () => {
    const time = createTime();
    const { inTurn } = createLargeTexts(time);
    const read: string[] = [];
    const reading = (what: string) => () => {
      read.push(what);
      time.pass(100);
    };
    const gone = new AbortController();
    const first = inTurn('a', LARGE, reading('a1'));
    const left = inTurn('a', LARGE, reading('a2'), gone.signal);
    const last = inTurn('a', LARGE, reading('a3'));
    gone.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    await expect(inTurn('b', LARGE, reading('b1'), gone.signal)).rejects.toThrow('gone');
    time.rests[0]?.wake();
    await Promise.all([first, last]);
    expect(read).toEqual(['a1', 'a3']);
  });

  test('begin where the general reader of YAML would take long', async () => {
    const time = createTime();
    const { inTurn } = createLargeTexts(time);
    void inTurn('a', LARGE, () => time.pass(100));
    const read: string[] = [];
    void inTurn('b', 8_192, () => void read.push('b'));
    await turn();
    expect(read).toEqual([]);
    time.rests[0]?.wake();
    await turn();
    expect(read).toEqual(['b']);
  });
});
