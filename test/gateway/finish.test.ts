import { describe, expect, test } from '@jest/globals';
import { setImmediate as turn } from 'node:timers/promises';
import type { AuditEvent } from '../../shared/audit/events.ts';
import type { Recorded } from '../../shared/audit/trail.ts';
import { finish, finishWithoutOutput } from '../../shared/gateway/lifecycle/finish.ts';
import { Problem } from '../../shared/errors.ts';
import { leaseRecord } from '../../shared/gateway/lifecycle/leased-record.ts';
import { mark } from '../../shared/lib/elapsed.ts';
import type { Ended } from '../../shared/relay/relay.ts';
import type { CommandRecord } from '../../shared/store/records.ts';
import { commandRecord } from '../support/records.ts';
import { anyResults } from '../support/results.ts';
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
  const clock = createManualClock();
  const leased = leaseRecord(commandRecord('c1', { status: 'running' }), mark(clock));
  const context = {
    records: {
      get: async () => undefined,
      replace: async (changed: CommandRecord) => {
        steps.push(
          'ending' in changed && changed.ending ? `decided on ${changed.ending.event}` : `stored as ${changed.status}`,
        );
        return changed;
      },
      putOutput,
    },
    results: anyResults,
    trail: {
      record: async (event: AuditEvent) => {
        steps.push(event.event);
        return record();
      },
      check: async () => undefined,
      close: async () => undefined,
    },
    clock,
    holder: 'one',
    leaseMs: 1_000,
  };
  return { leased, steps, context };
}
interface Answers {
  readonly record: () => Promise<Recorded>;
  readonly putOutput: () => Promise<void>;
}

describe('the end of a command', () => {
  test('is not given out before its outcome is durable', async () => {
    const durable = Promise.withResolvers<Recorded>();
    const { context, leased, steps } = world({ record: () => durable.promise });
    const finished = finish(context, leased, completed, false);
    for (let count = 0; count < 10; count += 1) await turn();
    expect(steps).toEqual(['decided on command.completed', 'command.completed']);
    durable.resolve(recorded);
    expect(await finished).toMatchObject({ status: 'completed', exitCode: 3 });
    expect(steps).toEqual(['decided on command.completed', 'command.completed', 'stored as completed']);
  });

  test('that cannot be recorded, now or later, is unknown', async () => {
    const { context, leased, steps } = world({ putOutput: () => Promise.reject(new RangeError('too long')) });
    expect(await finish(context, leased, completed, false)).toMatchObject({
      status: 'unknown',
      failure: { code: 'internal-error' },
    });
    expect(steps.slice(-2)).toEqual(['command.unknown', 'stored as unknown']);
  });

  test('that contradicts itself is unknown, and an event of its own says so', async () => {
    const { context, leased, steps } = world();
    const ended: Ended = { kind: 'unknown', code: 'InconsistentResult', message: 'm', inconsistent: 'rc=0 and rc=7' };
    expect(await finish(context, leased, ended, false)).toMatchObject({ status: 'unknown' });
    expect(steps).toEqual(expect.arrayContaining(['command.inconsistent', 'command.unknown', 'stored as unknown']));
  });

  test('is not given out at all while the trail takes no outcome', async () => {
    const away = new Problem('audit-unavailable', 'The store failed');
    const { context, leased, steps } = world({ record: () => Promise.reject(away) });
    await expect(finish(context, leased, completed, false)).rejects.toBe(away);
    await expect(finishWithoutOutput(context, leased, 'command.unknown', { code: 'x', message: 'y' })).rejects.toBe(
      away,
    );
    expect(steps.filter((step) => step.startsWith('stored'))).toEqual([]);
  });

  test('is not given out before its output is stored', async () => {
    const { context, leased, steps } = world({ putOutput: () => Promise.reject(new Error('the disk is full')) });
    await expect(finish(context, leased, completed, false)).rejects.toThrow('the disk is full');
    expect(steps).toEqual(['decided on command.completed', 'command.completed']);
  });

  test('that a process before this one had in the trail is not told twice', async () => {
    const { context, leased, steps } = world();
    expect(await finish(context, leased, completed, true)).toMatchObject({ status: 'completed' });
    const failed = world();
    expect(
      await finish(failed.context, failed.leased, { kind: 'failed', code: 'x', message: 'y' }, true),
    ).toMatchObject({
      status: 'failed',
    });
    expect([...steps, ...failed.steps]).toEqual([
      'decided on command.completed',
      'stored as completed',
      'decided on command.failed',
      'stored as failed',
    ]);
  });
});
