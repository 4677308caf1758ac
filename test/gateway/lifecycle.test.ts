import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { outcomeEvents, type AuditEvent } from '../../shared/audit/events.ts';
import type { AuditTrail } from '../../shared/audit/trail.ts';
import { systemEntropy, type Clock } from '../../shared/clock.ts';
import type { Cluster } from '../../shared/config/config.ts';
import { Problem } from '../../shared/errors.ts';
import { createLifecycle, type Lifecycle } from '../../shared/gateway/lifecycle/lifecycle.ts';
import type { Ended, Relay, Submitted } from '../../shared/relay/relay.ts';
import type { CommandId } from '../../shared/lib/ids.ts';
import { isFinished, type CommandRecord, type Records } from '../../shared/store/records.ts';
import { openSqliteRecords } from '../../shared/store/sqlite-records.ts';
import { newCommand } from '../support/new-command.ts';
import { commandId } from '../support/records.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { anyResults } from '../support/results.ts';

const LEASE_MS = 60_000;
const cluster: Cluster = {
  name: 'demo',
  arm: { id: '/subscriptions/s/c', subscription: 's', resourceGroup: 'g', name: 'c' },
  runAs: 'gateway',
  impersonate: false,
  defaultNamespace: 'default',
  resources: [],
};

/** What the emulated Azure did, whatever it told. */
interface Azure {
  posts: number;
  executions: number;
}

type Script = 'accepted' | 'refused' | 'lost-before' | 'lost-after' | 'ends-failed' | 'ends-unknown';

function relayOf(script: Script, azure: Azure): Pick<Relay, 'submit' | 'follow'> {
  return {
    async submit(): Promise<Submitted> {
      azure.posts++;
      if (script === 'refused') return { kind: 'not-started', problem: new Problem('azure-refused', 'no') };
      if (script === 'lost-before') return { kind: 'lost', code: 'azure-answer-lost', message: 'reset' };
      azure.executions++;
      if (script === 'lost-after') return { kind: 'lost', code: 'azure-answer-lost', message: 'reset' };
      return { kind: 'accepted', commandId: 'a'.repeat(32) };
    },
    async follow(): Promise<Ended> {
      if (script === 'ends-failed') return { kind: 'failed', code: 'image', message: 'ImagePullBackoff' };
      if (script === 'ends-unknown') return { kind: 'unknown', code: 'result-hidden', message: '403' };
      const output = { stdout: Buffer.from('out'), stderr: Buffer.from(''), streams: 'separate' as const };
      return { kind: 'completed', exitCode: 3, ...output, truncated: false, timedOut: false, warnings: [] };
    },
  };
}

/** Every durable step in order, so that a process can be stopped before or after any of them. */
class Mortal {
  steps = 0;
  readonly dieAt: number;
  readonly after: boolean;
  constructor(dieAt: number, after: boolean) {
    this.dieAt = dieAt;
    this.after = after;
  }
  /** A step of a dead process never comes back; one that dies `after` has had its effect. */
  async step<T>(effect: () => Promise<T>): Promise<T> {
    const at = ++this.steps;
    if (at > this.dieAt || (at === this.dieAt && !this.after)) return new Promise<never>(() => undefined);
    const value = await effect();
    if (at === this.dieAt) return new Promise<never>(() => undefined);
    return value;
  }
}

const IMMORTAL = () => new Mortal(Number.POSITIVE_INFINITY, false);

/** A store of a process's own, and until when its reads of the trail take. */
interface Slow {
  readonly records?: Records;
  readonly trailRead?: Promise<void>;
}

async function world(script: Script) {
  const clock = createManualClock();
  const store = await openSqliteRecords(':memory:', { clock });
  const events: AuditEvent[] = [];
  const azure: Azure = { posts: 0, executions: 0 };
  const errors: unknown[] = [];
  const process = (holder: string, mortal: Mortal, { records = store, trailRead }: Slow = {}): Lifecycle => {
    const mortalRecords: Records = {
      ...records,
      create: (record: CommandRecord) => mortal.step(() => records.create(record)),
      replace: (record: CommandRecord) => mortal.step(() => records.replace(record)),
      putOutput: (id: CommandId, output: Parameters<Records['putOutput']>[1]) =>
        mortal.step(() => records.putOutput(id, output)),
    };
    const trail: AuditTrail = {
      record: (event) =>
        mortal.step(async () => {
          events.push(event);
          return { stream: 's', seq: events.length, hash: '', receipt: () => Promise.resolve('receipt') };
        }),
      check: async () => undefined,
      close: () => Promise.resolve(),
    };
    const { submit, follow } = relayOf(script, azure);
    const relay = {
      submit: (...args: Parameters<Relay['submit']>) => mortal.step(() => submit(...args)),
      follow: (...args: Parameters<Relay['follow']>) => mortal.step(() => follow(...args)),
    } as Relay;
    return createLifecycle({
      results: anyResults,
      records: mortalRecords,
      trail,
      relay,
      clock,
      holder,
      leaseMs: LEASE_MS,
      clusterOf: () => cluster,
      entropy: systemEntropy,
      outcomesOf: async () => {
        await trailRead;
        return new Map(
          outcomesOf(events).map((event) => [('commandId' in event && event.commandId) || '', event.event]),
        );
      },
      onError: (error) => errors.push(error),
    });
  };
  return { clock, records: store, events, azure, errors, process };
}

const command = newCommand('c1', { now: () => 0 }, cluster);
const { record } = command;

const outcomesOf = (events: readonly AuditEvent[]) =>
  events.filter(({ event }) => outcomeEvents.some((name) => name === event));
const endOf: Record<Script, { status: string; event: string }> = {
  accepted: { status: 'completed', event: 'command.completed' },
  refused: { status: 'failed', event: 'command.rejected' },
  'lost-before': { status: 'unknown', event: 'command.unknown' },
  'lost-after': { status: 'unknown', event: 'command.unknown' },
  'ends-failed': { status: 'failed', event: 'command.failed' },
  'ends-unknown': { status: 'unknown', event: 'command.unknown' },
};
const scripts = Object.keys(endOf) as Script[];

describe('a command without trouble', () => {
  test.each(scripts)('ends as Azure tells (%s), with one POST and one outcome', async (script) => {
    const { process, records, events, azure, errors } = await world(script);
    const active = await process('one', IMMORTAL()).start(command);
    const done = await active.finished.catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'azure-refused' });
      return records.get('c1');
    });
    expect(done?.status).toBe(endOf[script].status);
    expect(outcomesOf(events).map(({ event }) => event)).toEqual([endOf[script].event]);
    expect(events[0]?.event).toBe('command.intended');
    expect(azure.posts).toBe(1);
    expect(errors).toEqual([]);
    if (script === 'accepted') {
      expect(done).toMatchObject({ exitCode: 3, receipt: 'receipt', azure: { commandId: 'a'.repeat(32) } });
      expect(Buffer.from((await records.getOutput('c1'))?.stdout ?? []).toString()).toBe('out');
    }
  });

  test('has its record before anything else is known of it; without the record nothing is started', async () => {
    const { process, records, events, azure } = await world('accepted');
    const one = process('one', IMMORTAL());
    await one.start(command);
    expect(await records.get('c1')).toBeDefined();
    const second = one.start(command); // the id is there already
    await expect(second).rejects.toThrow();
    await one.idle();
    expect(azure.posts).toBe(1);
    expect(events.filter(({ event }) => event === 'command.intended')).toHaveLength(1);
  });

  test('that gets no slot is failed, unsent, and no intent is recorded', async () => {
    const { process, records, events, azure } = await world('accepted');
    const ready = () => Promise.reject(new Problem('rate-limited', 'full'));
    await expect((await process('one', IMMORTAL()).start({ ...command, ready })).finished).rejects.toMatchObject({
      code: 'rate-limited',
    });
    expect(await records.get('c1')).toMatchObject({ status: 'failed', failure: { code: 'rate-limited' } });
    expect(events).toEqual([]);
    expect(azure.posts).toBe(0);
  });

  test('keeps its lease while it waits, so that no other process takes it', async () => {
    const { clock, process, records } = await world('accepted');
    const ready = Promise.withResolvers<void>();
    const one = process('one', IMMORTAL());
    const active = await one.start({ ...command, ready: () => ready.promise });
    const two = process('two', IMMORTAL());
    for (let minute = 0; minute < 5; minute++) {
      expect(await two.recover(10)).toBe(0);
      await clock.advance(LEASE_MS);
    }
    expect(await two.recover(10)).toBe(0);
    ready.resolve();
    expect((await active.finished).status).toBe('completed');
    expect((await records.get('c1'))?.carrier).toBe('one');
  });
});

describe('a store that is slow to say that a record is durable', () => {
  test('lets the process that waits for it not take its own command for one left behind', async () => {
    const { clock, records, azure, events, process } = await world('accepted');
    const [durable, trailRead] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const create: Records['create'] = async (wanted) => {
      await records.create(wanted);
      await durable.promise;
    };
    const one = process('one', IMMORTAL(), { records: { ...records, create }, trailRead: trailRead.promise });
    const starting = one.start(command);
    await clock.advance(1);
    await one.recover(10);
    await clock.advance(LEASE_MS);
    expect(await one.recover(10)).toBe(0);
    durable.resolve();
    const done = (await starting).finished;
    await clock.advance(1);
    trailRead.resolve();
    expect((await done).status).toBe('completed');
    expect(azure.posts).toBe(1);
    expect(outcomesOf(events).map(({ event }) => event)).toEqual(['command.completed']);
  });
});

describe('a process that is stopped', () => {
  /** One that follows its command until it is stopped. */
  const follower = (records: Records, clock: Clock, errors: unknown[] = []): Lifecycle => {
    const trail: AuditTrail = {
      record: async () => ({ stream: 's', seq: 1, hash: '', receipt: () => Promise.resolve('receipt') }),
      check: async () => undefined,
      close: () => Promise.resolve(),
    };
    const relay: Pick<Relay, 'submit' | 'follow'> = {
      submit: async () => ({ kind: 'accepted', commandId: 'a'.repeat(32) }),
      follow: (_run, signal) =>
        new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    };
    return createLifecycle({
      results: anyResults,
      records,
      trail,
      relay: relay as Relay,
      clock,
      holder: 'one',
      leaseMs: LEASE_MS,
      clusterOf: () => cluster,
      entropy: systemEntropy,
      outcomesOf: () => Promise.resolve(new Map()),
      onError: (error) => errors.push(error),
    });
  };

  test('stores under which id Azure has the command before it ends, and leaves it to the next process at once', async () => {
    const { clock, records } = await world('accepted');
    const asked = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<void>();
    const replace: Records['replace'] = async (wanted) => {
      if (wanted.status === 'running') {
        asked.resolve();
        await answered.promise;
      }
      return records.replace(wanted);
    };
    const one = follower({ ...records, replace }, clock);
    const active = await one.start(command);
    await asked.promise;
    const closed = one.close();
    await clock.advance(1);
    answered.resolve();
    await closed;
    expect((await active.finished).status).toBe('running');
    expect(await records.get('c1')).toMatchObject({
      status: 'running',
      azure: { commandId: 'a'.repeat(32) },
      carrier: '',
    });
  });

  test('ends though the store takes no lease back, and gives back those that it takes', async () => {
    const { clock, records } = await world('accepted');
    const replace: Records['replace'] = async (wanted) => {
      if (wanted.id === 'c1' && wanted.carrier === '') throw new Error('the store is away');
      return records.replace(wanted);
    };
    const errors: unknown[] = [];
    const one = follower({ ...records, replace }, clock, errors);
    const commands = await Promise.all(
      ['c1', 'c2'].map((id) => one.start({ ...command, record: { ...record, id: commandId(id) } })),
    );
    await clock.advance(1);
    expect(commands.map(({ current }) => current().status)).toEqual(['running', 'running']);
    await one.close();
    expect(errors).toHaveLength(1);
    expect((await records.get('c2'))?.carrier).toBe('');
  });
});

describe('a process killed between any two durable steps', () => {
  const kill = fc.record({
    script: fc.constantFrom(...scripts),
    dieAt: fc.integer({ min: 1, max: 9 }),
    after: fc.boolean(),
    secondDieAt: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 5 })),
    secondAfter: fc.boolean(),
  });

  test('leaves a record that the next one ends, at most one POST, and a pair in the trail', async () => {
    await fc.assert(
      fc.asyncProperty(kill, async ({ script, dieAt, after, secondDieAt, secondAfter }) => {
        const { clock, process, records, events, azure, errors } = await world(script);
        process('one', new Mortal(dieAt, after))
          .start(command)
          .then(({ finished }) => finished)
          .catch(() => undefined);
        await clock.advance(1);
        const atDeath = await records.get('c1');
        const second = process('two', new Mortal(secondDieAt, secondAfter));
        await Promise.race([second.recover(10), clock.advance(1)]);
        await clock.advance(LEASE_MS + 1);
        await Promise.race([second.recover(10), clock.advance(1)]);
        await clock.advance(1);
        const third = process('three', IMMORTAL());
        await third.recover(10);
        await clock.advance(LEASE_MS + 1);
        await third.recover(10);
        await third.active('c1')?.finished;

        const done = await records.get('c1');
        expect(azure.posts).toBeLessThanOrEqual(1);
        expect(azure.executions).toBeLessThanOrEqual(1);
        expect(errors).toEqual([]);
        if (!done) {
          expect({ dieAt, after, posts: azure.posts, events }).toEqual({
            dieAt: 1,
            after: false,
            posts: 0,
            events: [],
          });
          return;
        }
        expect(isFinished(done)).toBe(true);
        // accepted was certainly not sent; submitting may have been; running is found again and finished.
        const intents = events.filter(({ event }) => event === 'command.intended').length;
        const outcomes = outcomesOf(events);
        expect(outcomes.length).toBe(1);
        expect(intents).toBeLessThanOrEqual(1);
        if (intents === 0) expect(outcomes[0]?.event).toBe('command.interrupted');
        if (atDeath?.status === 'accepted') {
          expect(done).toMatchObject({ status: 'failed', failure: { code: 'interrupted' } });
          expect(azure.posts).toBe(0);
        }
        if (atDeath?.status === 'running') expect(done.status).toBe(endOf[script].status);
        // The record says what the trail says, whichever of two processes wrote which.
        if (outcomes[0]?.event === 'command.rejected') expect(done.status).toBe('failed');
        if (done.status === 'unknown') expect(outcomes[0]?.event).toBe('command.unknown');
        if (done.status === 'completed')
          expect(Buffer.from((await records.getOutput('c1'))?.stdout ?? []).toString()).toBe('out');
        if (done.status === 'failed' && script !== 'ends-failed') expect(azure.executions).toBe(0);
      }),
      { numRuns: 400, verbose: 1 },
    );
  });
});
