import { expect, test } from '@jest/globals';
import { closeAll } from '../shared/assemble/close-all.ts';

test('what was opened is closed from the last to the first, each though another fails, and the first failure is told', async () => {
  const closed: string[] = [];
  const closer = (name: string, failure?: Error) => async (): Promise<void> => {
    closed.push(name);
    if (failure) throw failure;
  };
  const opened = [closer('trail', new Error('second')), closer('records', new Error('first')), closer('app')];
  await expect(closeAll(opened)).rejects.toThrow('first');
  expect(closed).toEqual(['app', 'records', 'trail']);
  expect(opened).toEqual([]);
  await closeAll(opened);
});
