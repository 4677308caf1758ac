import { getEventListeners } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { after, systemClock } from '../../shared/clock.ts';
import { DeadlineExceeded, linkedAbort, withDeadline } from '../../shared/lib/abort.ts';

describe('a linked abort', () => {
  test('aborts with the first of the others, for its reason, and leaves those alone', () => {
    const [one, two] = [new AbortController(), new AbortController()];
    const linked = linkedAbort(one.signal, undefined, two.signal);
    two.abort('two');
    one.abort('one');
    expect(linked.signal.reason).toBe('two');
    linkedAbort(linked.signal).abort('own');
    expect(one.signal.reason).toBe('one');
  });

  test('is aborted at once where one of the others was', () => {
    expect(linkedAbort(AbortSignal.abort('before')).signal.reason).toBe('before');
  });

  test('leaves no listener once it is unlinked, and is its own from then on', () => {
    const parent = new AbortController();
    const linked = linkedAbort(parent.signal);
    linked.unlink();
    expect(getEventListeners(parent.signal, 'abort')).toHaveLength(0);
    parent.abort('late');
    expect(linked.signal.aborted).toBe(false);
  });
});

describe('a deadline', () => {
  test('leaves no listener on the signal that it was given, however the work ends', async () => {
    const { signal } = new AbortController();
    await withDeadline(systemClock, 60_000, signal, () => Promise.resolve());
    await expect(withDeadline(systemClock, 60_000, signal, () => Promise.reject(new Error('no')))).rejects.toThrow(
      'no',
    );
    await expect(withDeadline(systemClock, 1, signal, () => new Promise(() => undefined))).rejects.toThrow(
      DeadlineExceeded,
    );
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

test.each([
  ['the system’s clock', systemClock],
  [
    'a clock of its own',
    { ...systemClock, sleep: (...sleep: Parameters<typeof systemClock.sleep>) => systemClock.sleep(...sleep) },
  ],
])('what is put off by %s is called once, unless it is cancelled', async (_name, clock) => {
  const called: string[] = [];
  const cancel = after(clock, 1, () => called.push('cancelled'));
  cancel();
  await new Promise<void>((resolve) => after(clock, 5, resolve));
  cancel();
  expect(called).toEqual([]);
});
