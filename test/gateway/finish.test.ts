import { describe, expect, test } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import type { AuditTrail, Recorded } from '../../shared/audit/trail.ts';
import { createEnding } from '../../shared/gateway/lifecycle/finish.ts';
import { Problem } from '../../shared/errors.ts';
import type { Change, HeldRecord } from '../../shared/gateway/lifecycle/leased-record.ts';
import type { Ended } from '../../shared/relay/relay.ts';
import { commandRecord } from '../store/records-contract.ts';
import { createManualClock } from '../support/manual-clock.ts';

const recorded: Recorded = { stream: 's', seq: 1, hash: '', receipt: () => Promise.resolve('receipt') };
const completed: Ended = {
  kind: 'completed',
  exitCode: 3,
  stdout: Buffer.from('out'),
  stderr: Buffer.alloc(0),
  streams: 'separate',
  truncated: false,
  timedOut: false,
  warnings: [],
};

/** What happened, in order; the trail and the store answer as they are told. */
function world({ record = async () => recorded, putOutput = async () => undefined }: Partial<Answers> = {}) {
  const steps: string[] = [];
  const running = commandRecord('c1', { status: 'running' });
  const held: HeldRecord = {
    current: () => running,
    move: async (change: Change) => {
      steps.push(`moved to ${change.status}`);
      return { ...running, ...change };
    },
    assure: async () => void steps.push('assured'),
    keeping: () => Promise.reject(new Error('nobody asks')),
  };
  const trail: AuditTrail = {
    record: async (event) => {
      steps.push(event.event);
      return record();
    },
    healthy: () => true,
    close: async () => undefined,
  };
  return { held, steps, ...createEnding({ records: { putOutput }, trail, clock: createManualClock() }) };
}
interface Answers {
  readonly record: () => Promise<Recorded>;
  readonly putOutput: () => Promise<void>;
}

describe('the end of a command', () => {
  test('is not given out before its outcome is durable', async () => {
    const durable = Promise.withResolvers<Recorded>();
    const { finish, held, steps } = world({ record: () => durable.promise });
    const finished = finish(held, completed, false);
    for (let count = 0; count < 10; count += 1) await turn();
    expect(steps).toEqual(['assured', 'command.completed']);
    durable.resolve(recorded);
    expect(await finished).toMatchObject({ status: 'completed', exitCode: 3 });
    expect(steps).toEqual(['assured', 'command.completed', 'moved to completed']);
  });

  test('is not given out at all while the trail takes no outcome', async () => {
    const away = new Problem('audit-unavailable', 'The store failed');
    const { finish, close, held, steps } = world({ record: () => Promise.reject(away) });
    await expect(finish(held, completed, false)).rejects.toBe(away);
    await expect(close(held, 'command.unknown', { code: 'x', message: 'y' })).rejects.toBe(away);
    expect(steps.filter((step) => step.startsWith('moved'))).toEqual([]);
  });

  test('is not given out before its output is stored', async () => {
    const { finish, held, steps } = world({ putOutput: () => Promise.reject(new Error('the disk is full')) });
    await expect(finish(held, completed, false)).rejects.toThrow('the disk is full');
    expect(steps).toEqual(['assured', 'command.completed']);
  });

  test('that a process before this one had in the trail is not told twice', async () => {
    const { finish, held, steps } = world();
    expect(await finish(held, completed, true)).toMatchObject({ status: 'completed' });
    expect(await finish(held, { kind: 'failed', code: 'x', message: 'y' }, true)).toMatchObject({ status: 'failed' });
    expect(steps).toEqual(['assured', 'moved to completed', 'moved to failed']);
  });
});
