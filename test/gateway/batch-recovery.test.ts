import { afterEach, describe, expect, test } from '@jest/globals';
import type { AuditEvent } from '../../shared/audit/events.ts';
import { outcomeEvents } from '../../shared/audit/events.ts';
import type { AuditTrail } from '../../shared/audit/trail.ts';
import { systemEntropy } from '../../shared/clock.ts';
import type { Cluster } from '../../shared/config/config.ts';
import { Problem } from '../../shared/errors.ts';
import { createLifecycle, type Lifecycle } from '../../shared/gateway/lifecycle/lifecycle.ts';
import type { BatchId } from '../../shared/lib/ids.ts';
import type { Ended, Relay, Submitted } from '../../shared/relay/relay.ts';
import { stepId } from '../../shared/store/derived-ids.ts';
import { openSqliteRecords } from '../../shared/store/sqlite-records.ts';
import { isFinished, type Records } from '../../shared/store/records.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { newCommand } from '../support/new-command.ts';
import { anyResults } from '../support/results.ts';

const LEASE_MS = 60_000;
const STEPS = 3;
const id = 'b' as BatchId;
const ids = Array.from({ length: STEPS }, (_, step) => stepId(id, step));
const cluster: Cluster = {
  name: 'demo',
  arm: { id: '/subscriptions/s/c', subscription: 's', resourceGroup: 'g', name: 'c' },
  runAs: 'gateway',
  impersonate: false,
  defaultNamespace: 'default',
  resources: [],
};

const completed = (exitCode: number): Ended => ({
  kind: 'completed',
  exitCode,
  stdout: Buffer.from(`out ${exitCode}`),
  stderr: Buffer.from(''),
  streams: 'separate',
  truncated: false,
  timedOut: false,
  warnings: [],
});
const notReached: Ended = { kind: 'failed', code: 'not-reached', message: 'not started' };
const ends: readonly Ended[] = [completed(0), completed(7), notReached];

type Script = 'accepted' | 'refused' | 'lost';

/** One batch, and processes that die at a step of their choice, before or after its effect. */
async function world(script: Script) {
  const clock = createManualClock();
  const records = await openSqliteRecords(':memory:', { clock });
  const events: AuditEvent[] = [];
  const errors: unknown[] = [];
  let posts = 0;
  const submitSteps = async (): Promise<Submitted> => {
    posts += 1;
    if (script === 'refused') return { kind: 'not-started', problem: new Problem('azure-refused', 'no') };
    if (script === 'lost') return { kind: 'lost', code: 'reset', message: 'reset' };
    return { kind: 'accepted', commandId: 'a'.repeat(32) };
  };
  const process = (holder: string, dieAt: number, after: boolean): { lifecycle: Lifecycle; steps: () => number } => {
    let steps = 0;
    const step = async <T>(effect: () => Promise<T>): Promise<T> => {
      steps += 1;
      const at = steps;
      if (at > dieAt || (at === dieAt && !after)) return new Promise<never>(() => undefined);
      const value = await effect();
      return at === dieAt ? new Promise<never>(() => undefined) : value;
    };
    const mortal: Records = {
      ...records,
      create: (record) => step(() => records.create(record)),
      replace: (record) => step(() => records.replace(record)),
      putOutput: (command, output) => step(() => records.putOutput(command, output)),
    };
    const trail: AuditTrail = {
      record: (event) =>
        step(async () => {
          events.push(event);
          return { stream: holder, seq: events.length, hash: '', receipt: () => Promise.resolve('receipt') };
        }),
      check: async () => undefined,
      close: () => Promise.resolve(),
    };
    const relay: Pick<Relay, 'submitSteps' | 'followSteps'> = {
      submitSteps: () => step(submitSteps),
      followSteps: () => step(async () => ends),
    };
    const lifecycle = createLifecycle({
      results: anyResults,
      records: mortal,
      trail,
      relay: relay as Relay,
      clock,
      holder,
      leaseMs: LEASE_MS,
      clusterOf: () => cluster,
      entropy: systemEntropy,
      outcomesOf: async () =>
        new Map(outcomes(events).map((event) => [('commandId' in event && event.commandId) || '', event.event])),
      onError: (error) => errors.push(error),
    });
    return { lifecycle, steps: () => steps };
  };
  return { clock, records, events, errors, process, posts: () => posts };
}

const outcomes = (events: readonly AuditEvent[]) =>
  events.filter(({ event }) => outcomeEvents.some((name) => name === event));

function batch() {
  const commands = ids.map((command, step) => {
    const one = newCommand(command, { now: () => 0 }, cluster);
    return { ...one, record: { ...one.record, batch: { id, step, of: STEPS, onError: 'stop' as const } } };
  });
  const [first] = commands;
  if (!first) throw new Error('a batch has steps');
  return {
    ...first,
    followers: commands.slice(1).map(({ record }) => record),
    batchFacts: { requestId: 'r' },
    decide: async () => {
      const [one, ...rest] = await Promise.all(commands.map(async ({ decide }) => (await decide())[0]));
      if (!one) throw new Error('a batch has steps');
      return [one, ...rest] as const;
    },
  };
}

let close: () => Promise<void> = async () => undefined;
afterEach(() => close());

describe.each(['accepted', 'refused', 'lost'] as const)('a batch whose POST is %s', (script) => {
  test('killed before and after every durable step: sent at most once, every step ends once, and none looks as if it did more', async () => {
    const whole = await world(script);
    const calm = whole.process('calm', Infinity, false);
    await (await calm.lifecycle.start(batch())).finished.catch(() => undefined);
    await whole.records.close();
    const total = calm.steps();
    expect(total).toBeGreaterThan(STEPS * 3);
    for (let dieAt = 1; dieAt <= total; dieAt += 1)
      for (const after of [false, true]) {
        const { clock, records, events, process, posts } = await world(script);
        close = () => records.close();
        const one = process('one', dieAt, after);
        void one.lifecycle.start(batch()).then(
          (active) => active.finished.catch(() => undefined),
          () => undefined,
        );
        for (let turns = 0; turns < 40; turns += 1) await new Promise((resolve) => setImmediate(resolve));
        const two = process('two', Infinity, false);
        for (let sweeps = 0; sweeps < 4; sweeps += 1) {
          await two.lifecycle.recover(100);
          await two.lifecycle.idle();
          await clock.advance(LEASE_MS + 1);
        }
        const at = `died ${after ? 'after' : 'before'} step ${dieAt}`;
        expect([at, posts() <= 1]).toEqual([at, true]);
        const stored = await Promise.all(ids.map((step) => records.get(step)));
        expect([at, stored.filter((record) => record && !isFinished(record))]).toEqual([at, []]);
        for (const [index, record] of stored.entries()) {
          const told = outcomes(events).filter((event) => 'commandId' in event && event.commandId === ids[index]);
          const intended = events.some((event) => event.event === 'command.intended' && event.commandId === ids[index]);
          if (intended) expect([at, index, told.length >= 1]).toEqual([at, index, true]);
          expect([at, index, new Set(told.map(({ event }) => event)).size <= 1]).toEqual([at, index, true]);
          if (posts() === 0) expect([at, record?.status === 'completed']).toEqual([at, false]);
          if (record?.status !== 'completed') continue;
          expect([at, record.exitCode]).toEqual([at, index * 7]);
          expect(Buffer.from((await records.getOutput(record.id))?.stdout ?? []).toString()).toBe(`out ${index * 7}`);
        }
        // With Azure's id in the first record nothing is lost.
        if (script === 'accepted' && events.some(({ event }) => event === 'command.accepted'))
          expect([at, stored.map((record) => record?.status)]).toEqual([at, ['completed', 'completed', 'failed']]);
        await records.close();
      }
    close = async () => undefined;
  }, 60_000);
});
