import { expect, test } from '@jest/globals';
import { systemEntropy } from '../../shared/clock.ts';
import { LEASE_MS, whileLeased } from '../../shared/gateway/while-leased.ts';
import { openSqliteRecords } from '../../shared/store/sqlite-records.ts';
import { createManualClock } from '../support/manual-clock.ts';

test('work that one process does at a time goes on for longer than its lease, and is free soon after the process died', async () => {
  const clock = createManualClock();
  const records = await openSqliteRecords(':memory:', { clock });
  const context = {
    records,
    clock,
    entropy: systemEntropy,
    onError: (error: unknown) => {
      throw error;
    },
  };
  const did: string[] = [];
  const sleeping = clock.sleeping(); // the store's own timer
  const ended = Promise.withResolvers<void>();
  const first = whileLeased(context, 'work', async () => {
    did.push('first');
    await ended.promise;
  });
  const other = () => whileLeased(context, 'work', async () => void did.push('other'));
  await clock.advance(5 * LEASE_MS);
  await other();
  expect(did).toEqual(['first']);
  ended.resolve();
  await first;
  expect(clock.sleeping()).toBe(sleeping);
  await other();
  expect(did).toEqual(['first', 'other']);

  await records.lease('work', 'a process that was killed', clock.now() + LEASE_MS, clock.now());
  await other();
  expect(did).toHaveLength(2);
  await clock.advance(LEASE_MS + 1);
  await other();
  expect(did).toHaveLength(3);
  await records.close();
});
