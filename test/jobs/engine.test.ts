import { describe, expect, test } from '@jest/globals';
import type { JobState } from '../../shared/jobs/state.ts';
import { outcomeOf } from '../../shared/jobs/outcome.ts';
import type { BatchId } from '../../shared/lib/ids.ts';
import type { CommandRecord } from '../../shared/store/records.ts';
import { stepId } from '../../shared/store/derived-ids.ts';
import { commandRecord } from '../support/records.ts';
import { World } from './world.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.UTC(2027, 0, 1);

const stateOf = (world: World): JobState => JSON.parse(world.notes.get('job/nightly')?.text ?? '{}') as JobState;
const told = (world: World): readonly string[] => world.events.map(({ event }) => event);

describe('a look at a job', () => {
  test('for the first time misses nothing of what was before', async () => {
    const world = new World(START + 30 * MINUTE, 'schedule: "*/5 * * * *", onMissed: run');
    await world.process().look();
    expect([told(world), world.sent]).toEqual([[], []]);
    expect(stateOf(world).lastSlot).toBe(START + 30 * MINUTE);
  });

  test.each([
    [90_000, 'skip', ['job.fired'], 1],
    [90_001, 'skip', ['job.missed'], 0],
    [90_001, 'run', ['job.missed', 'job.fired'], 1],
  ] as const)('%i ms after its slot, with onMissed: %s, tells %j', async (late, onMissed, events, runs) => {
    const world = new World(START, `schedule: "0 * * * *", onMissed: ${onMissed}`);
    const process = world.process();
    await process.look();
    await world.goTo(START + HOUR + late);
    await process.look();
    await world.goTo(world.now + 1_000);
    expect(told(world)).toEqual(events);
    expect(world.sent).toHaveLength(runs);
  });

  test('does nothing while it is disabled, and once enabled starts from then', async () => {
    const world = new World(START, 'schedule: "0 * * * *", onMissed: run, enabled: false');
    const process = world.process();
    for (let hour = 0; hour < 3; hour += 1) {
      await world.goTo(START + hour * HOUR + 1_000);
      await process.look();
    }
    expect(told(world)).toEqual([]);
    world.configure('schedule: "0 * * * *", onMissed: run');
    await process.look();
    expect(told(world)).toEqual(['job.changed']);
    await world.goTo(START + 3 * HOUR + 1_000);
    await process.look();
    await world.goTo(world.now + 1_000);
    expect(world.sent).toEqual([START + 3 * HOUR]);
  });

  test('tells that another command stands under its name before it first fires', async () => {
    const world = new World(START, 'schedule: "0 * * * *"');
    const process = world.process();
    await process.look();
    world.configure('schedule: "0 * * * *"', 'argv: [kubectl, get, nodes]');
    await world.goTo(START + HOUR + 1_000);
    await process.look();
    expect(told(world)).toEqual(['job.changed', 'job.fired']);
  });

  test.each(Array.from({ length: 8 }, (_, at) => at))(
    'that is killed after its effect %i leaves the steps to the next one, which takes the first for the run',
    async (at) => {
      const steps = 'steps: [{ argv: [kubectl, get, pods] }, { argv: [kubectl, get, nodes] }]';
      const world = new World(START, 'schedule: "0 * * * *"', 30 * MINUTE, steps);
      world.sendsAtOnce = true;
      await world.process().look();
      await world.goTo(START + HOUR + 1_000);
      const killed = world.process(undefined, [{ at, kind: 'kill after', minutes: 0 }]);
      await killed.look().catch(() => undefined);
      expect(killed.alive).toBe(false);
      const next = world.process();
      for (let second = 10; second < 600; second += 10) {
        await world.goTo(START + HOUR + second * 1_000);
        await next.look();
      }
      const { running } = stateOf(world);
      expect(running?.commandId).toBe(stepId(running?.batchId as BatchId, 0));
      expect(world.sent).toEqual([START + HOUR]);
    },
  );

  test('keeps the last hundred runs', async () => {
    const world = new World(START, 'schedule: "0 * * * *"');
    const process = world.process();
    await process.look();
    for (let hour = 1; hour <= 120; hour += 1) {
      await world.goTo(START + hour * HOUR + 1_000);
      await process.look();
      await world.goTo(world.now + 5_000);
      await process.look();
    }
    const { history } = stateOf(world);
    expect(history.map(({ slot }) => (slot - START) / HOUR)).toEqual(Array.from({ length: 100 }, (_, at) => 120 - at));
  });
});

describe('the outcome of steps', () => {
  const step = (index: number, changes: object): CommandRecord => ({
    ...commandRecord(`step-${index}`),
    batch: { id: 'batch' as BatchId, step: index, of: 3, onError: 'stop' },
    ...changes,
  });
  const ran = (exitCode: number) => ({ status: 'completed', exitCode });
  const notReached = { status: 'failed', failure: { code: 'not-reached', message: 'not reached' } };
  const lost = { status: 'unknown', failure: { code: 'lost', message: 'nobody knows' } };

  test.each([
    ['all that ended well', [ran(0), ran(0)], { status: 'completed', exitCode: 0, commandId: 'step-0' }],
    [
      'one that failed, and the rest not reached',
      [ran(0), ran(3), notReached],
      { status: 'completed', exitCode: 3, why: 'step 1: exit code 3', commandId: 'step-1' },
    ],
    ['two that failed', [ran(4), ran(5)], { status: 'completed', exitCode: 4, commandId: 'step-0' }],
    [
      'one that did not run, though none failed',
      [ran(0), notReached],
      { status: 'completed', exitCode: undefined, why: 'step 1: not-reached: not reached', commandId: 'step-1' },
    ],
    [
      'one that nobody knows of',
      [ran(0), lost],
      { status: 'unknown', exitCode: undefined, why: 'step 1: lost: nobody knows' },
    ],
    ['none that ran', [notReached, notReached], { status: 'failed', exitCode: undefined, commandId: 'step-0' }],
  ])('%s', (_name, [first, ...others], expected) => {
    expect(outcomeOf([step(0, first ?? {}), ...others.map((each, index) => step(index + 1, each))])).toMatchObject(
      expected,
    );
  });

  test('is none while one runs', () => {
    expect(outcomeOf([step(0, ran(0)), step(1, { status: 'running' })])).toBeUndefined();
  });
});
