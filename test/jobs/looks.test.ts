import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { Looked } from '../../shared/jobs/health-look.ts';
import { changeSince } from '../../shared/jobs/tell-look.ts';
import { World, type Fault } from './world.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2027, 0, 1);

const looked = (status: Looked['status'], ...troubles: readonly string[]): Looked => ({
  status,
  reason: `${status} by name`,
  summary: `${troubles.length} troubles`,
  troubles,
  lines: [`nodes ${status}`],
});
const well = looked('ok');
const crash = looked('failing', 'failing crash-loop shop');

const watch = (more = ''): World =>
  new World(
    START,
    `schedule: "0 * * * *", notify: ops${more}`,
    1_000,
    'health: true',
    "ops: { url: 'https://ops.example.com/', secretEnv: HOOK }",
  );

/** What the webhook is told slot by slot, of looks that see this in turn. */
async function told(world: World, seen: readonly (Looked | undefined | 'denied')[]): Promise<readonly string[][]> {
  const process = world.process();
  await process.look();
  const slots: string[][] = [];
  for (const one of seen) {
    world.allowed = one !== 'denied';
    world.looked = one === 'denied' ? undefined : one;
    const before = new Set(world.deliveries.keys());
    await world.goTo(START + (slots.length + 1) * HOUR + 1_000);
    await process.look();
    for (let step = 1; step <= 3; step += 1) {
      await world.goTo(world.now + 10_000);
      await process.look();
    }
    slots.push(
      [...world.deliveries.values()]
        .filter(({ id }) => !before.has(id))
        .map(({ about }) => (about.event === 'job.looked' ? `${about.status} ${about.change}` : about.event)),
    );
  }
  return slots;
}

test.each([
  ['what is found, once', '', [well, crash, crash, crash], [[], ['failing found'], [], []]],
  ['that it is well again, once', '', [crash, well, well], [['failing found'], ['ok recovered'], []]],
  [
    'what comes to it, and not what goes of it',
    '',
    [crash, looked('failing', 'failing crash-loop shop', 'degraded pending'), crash],
    [['failing found'], ['failing found'], []],
  ],
  [
    'what may not be seen once, which is no illness to recover from',
    '',
    [looked('not-allowed', 'not-allowed nodes'), looked('not-allowed', 'not-allowed nodes'), well],
    [['not-allowed found'], [], []],
  ],
  [
    'that it may not look once, and that it may again',
    '',
    ['denied', 'denied', well],
    [['job.suspended'], [], ['ok recovered']],
  ],
  [
    'that its output was lost once, and what it sees then',
    '',
    [undefined, undefined, crash],
    [['job.failed'], [], ['failing found']],
  ],
  [
    'each look with notifyOn: always',
    ', notifyOn: always',
    [well, crash, crash, well],
    [['ok none'], ['failing found'], ['failing none'], ['ok recovered']],
  ],
] as const)('a look tells %s', async (_what, more, seen, expected) => {
  expect(await told(watch(more), seen)).toEqual(expected);
});

test('a look goes by what it found: reads that exited with 1 are no news', async () => {
  const world = watch();
  world.exitCode = 1;
  expect(await told(world, [well, crash])).toEqual([[], ['failing found']]);
  expect(world.events.some(({ event }) => event === 'job.failed')).toBe(false);
});

test('nobody is told twice or not at all, at whichever step a process is killed', async () => {
  for (const kind of ['kill before', 'kill after'] as const satisfies Fault['kind'][])
    for (let at = 0; at < 24; at += 1) {
      const world = watch(', onMissed: run');
      world.looked = crash;
      await world.process().look();
      let process = world.process(undefined, [{ at, kind, minutes: 0 }]);
      for (let step = 0; step < 12; step += 1) {
        await world.goTo(START + HOUR - 1_000 + step * 70_000);
        await process.look();
        if (!process.alive) process = world.process();
      }
      const events = [...world.deliveries.values()]
        .map(({ about }) => about.event)
        .filter((event) => event !== 'job.missed');
      expect([kind, at, events]).toEqual([kind, at, ['job.looked']]);
    }
});

test('a change is something new, or the last ill going; what may not be seen is neither ill nor a recovery', () => {
  const trouble = fc.constantFrom('failing crash-loop shop', 'degraded pending', 'unknown azure', 'not-allowed nodes');
  const some = fc.uniqueArray(trouble);
  fc.assert(
    fc.property(some, some, (before, now) => {
      const change = changeSince(before, now);
      const ill = (one: string): boolean => one !== 'not-allowed nodes';
      expect(change === 'found').toBe(now.some((one) => !before.includes(one)));
      if (change === 'recovered') expect([before.some(ill), now.some(ill)]).toEqual([true, false]);
      if (change === 'none') expect(before.some(ill)).toBe(now.some(ill));
      expect(changeSince(now, now)).toBe('none');
    }),
  );
});
