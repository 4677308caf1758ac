import { expect, test } from '@jest/globals';
import type { AuditEvent } from '../shared/audit/events.ts';
import { createSweep } from '../shared/sweep.ts';
import { createManualClock } from './support/manual-clock.ts';

type Context = Parameters<typeof createSweep>[0];
type Purged = Awaited<ReturnType<Context['records']['purge']>>;

/** A sweep over stores that do as they are told, and what it left in the trail. */
function sweeping({
  purge,
  recover = async () => 0,
}: {
  purge: () => Promise<Purged>;
  recover?: () => Promise<number>;
}) {
  const recorded: AuditEvent[] = [];
  const errors: unknown[] = [];
  const asked: unknown[] = [];
  const clock = createManualClock();
  const sweep = createSweep({
    config: { current: () => ({ storage: { resultsHours: 24, recordsDays: 90 } }) },
    records: {
      purge: (what: unknown) => {
        asked.push(what);
        return purge();
      },
    },
    trail: { record: async (event: AuditEvent) => void recorded.push(event) },
    gateway: {
      cancelBlocked: async () => undefined,
      settleUnknown: async () => undefined,
      discoverResources: async () => undefined,
    },
    lifecycle: { recover, idle: async () => undefined },
    clock,
    onError: (error: unknown) => errors.push(error),
  } as unknown as Context);
  return { sweep, recorded, errors, asked, clock };
}
const purged = (outputs: number, records: number, unreadable: readonly string[] = []) =>
  Promise.resolve({ outputs, records, unreadable } as Purged);

test('what a sweep purged is in the trail, outputs and records together', async () => {
  const { sweep, recorded, asked, clock } = sweeping({ purge: () => purged(2, 3) });
  expect(await sweep()).toEqual({ recovered: 0, purged: 5 });
  expect(recorded).toEqual([{ event: 'result.purged', count: 5 }]);
  const now = clock.now();
  expect(asked).toEqual([{ outputsBefore: now - 24 * 3_600_000, recordsBefore: now - 90 * 86_400_000, now }]);
});

test('a sweep that purged nothing leaves no line', async () => {
  const { sweep, recorded } = sweeping({ purge: () => purged(0, 0) });
  expect(await sweep()).toEqual({ recovered: 0, purged: 0 });
  expect(recorded).toEqual([]);
});

test('a record that cannot be read is told, and what else was purged is recorded', async () => {
  const { sweep, recorded, errors } = sweeping({ purge: () => purged(1, 0, ['broken']) });
  await sweep();
  expect(errors).toEqual([expect.objectContaining({ message: expect.stringContaining('the record broken') })]);
  expect(recorded).toEqual([{ event: 'result.purged', count: 1 }]);
});

test('a record that cannot be taken over keeps nothing past its retention, and the sweep says so', async () => {
  const recover = () => Promise.reject(new Error('the store is down'));
  const { sweep, recorded } = sweeping({ purge: () => purged(1, 0), recover });
  await expect(sweep()).rejects.toThrow('the store is down');
  expect(recorded).toEqual([{ event: 'result.purged', count: 1 }]);
});
