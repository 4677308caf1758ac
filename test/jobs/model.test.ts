import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { JobState } from '../../shared/jobs/state.ts';
import { World, type Fault } from './world.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** What a zone's clocks show at each minute of a stretch, straight from Intl; every offset holds for a quarter of an hour. */
function* minutesOf(zone: string, from: number, until: number) {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    hourCycle: 'h23',
    dateStyle: 'short',
    timeStyle: 'medium',
  });
  let offset = 0;
  for (let at = from; at < until; at += MINUTE) {
    if (at % (15 * MINUTE) === 0) {
      const [day = 0, month = 1, year = 0, hour = 0, minute = 0] = format.format(at).split(/\D+/).map(Number);
      offset = Date.UTC(year, month - 1, day, hour, minute) - at;
    }
    yield { at, wall: at + offset };
  }
}

/** Fixed times once each, also where the clocks skip or repeat them; rhythms at each minute that shows them. */
function expectedSlots(
  zone: string,
  from: number,
  until: number,
  form: { times?: readonly number[]; everyHours?: number },
) {
  const slots: number[] = [];
  const seen = new Set<number>();
  let before: number | undefined;
  for (const { at, wall } of minutesOf(zone, from, until)) {
    if (form.everyHours !== undefined) {
      if (wall % HOUR === 0 && ((wall % DAY) / HOUR) % form.everyHours === 0) slots.push(at);
    } else {
      let due = false;
      for (let show = Math.min(wall, (before ?? wall - MINUTE) + MINUTE); show <= wall; show += MINUTE) {
        if (!form.times?.includes((show % DAY) / MINUTE) || seen.has(show)) continue;
        seen.add(show);
        due = true;
      }
      if (due) slots.push(at);
    }
    before = wall;
  }
  return slots;
}

const YEAR = Date.UTC(2027, 0, 1);

describe('a year of slots', () => {
  const schedules = [
    ['fixed times', '15 2 * * *', { times: [135] }],
    ['lists', '30 1,2 * * *', { times: [90, 150] }],
    ['steps', '0 */6 * * *', { everyHours: 6 }],
  ] as const;
  const zones = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Africa/Cairo'];
  const all = zones.flatMap((zone) => schedules.map(([name, cron, form]) => [name, zone, cron, form] as const));
  // A year of one case takes seconds: the default run has each schedule and two zones.
  const sample = all.filter(
    ([name, zone]) => zone === 'Europe/Berlin' || (name === 'fixed times' && zone.startsWith('Australia')),
  );
  const rest = all.filter((one) => !sample.includes(one));
  const title = 'runs each once, by two instances: %s in %s';
  const everyZone = process.env['JOBS_YEAR'] === 'all' ? test : test.skip;
  everyZone.each(rest)(`${title} (JOBS_YEAR=all)`, (...one) => aYear(...one), 120_000);
  test.each(sample)(title, (...one) => aYear(...one), 120_000);

  async function aYear(_name: string, zone: string, cron: string, form: (typeof schedules)[number][2]): Promise<void> {
    const expected = expectedSlots(zone, YEAR, YEAR + 365 * DAY, form);
    expect(expected.length).toBeGreaterThanOrEqual(365);
    const world = new World(YEAR - 1, `schedule: "${cron}", timeZone: ${zone}`);
    const [one, two] = [world.process(), world.process(() => 700)];
    await one.look();
    for (const slot of expected) {
      await world.goTo(slot + 20_000);
      await Promise.all([one.look(), two.look()]);
    }
    await world.goTo(world.now + 40_000);
    expect(world.sent).toEqual(expected);
    expect(world.errors).toEqual([]);
    expect(world.events.filter(({ event }) => event === 'job.fired')).toHaveLength(expected.length);
  }
});

interface Plan {
  readonly onMissed: 'run' | 'skip';
  readonly onOverlap: 'queue' | 'skip';
  readonly runMinutes: number;
  readonly command: string;
  readonly faults: readonly (readonly Fault[])[];
  /** At a minute, a clock steps by some minutes. */
  readonly steps: readonly { readonly process: 0 | 1; readonly at: number; readonly by: number }[];
  /** Everything is down from a minute on, for a while. */
  readonly down: { readonly at: number; readonly minutes: number } | undefined;
}

const fault: fc.Arbitrary<Fault> = fc.record({
  at: fc.integer({ min: 0, max: 60 }),
  kind: fc.constantFrom('kill before', 'kill after', 'stop'),
  minutes: fc.integer({ min: 1, max: 20 }),
});
const plans: fc.Arbitrary<Plan> = fc.record({
  onMissed: fc.constantFrom('run', 'skip'),
  onOverlap: fc.constantFrom('queue', 'skip'),
  runMinutes: fc.constantFrom(0, 1, 12),
  command: fc.constantFrom(
    'argv: [kubectl, get, pods]',
    'steps: [{ argv: [kubectl, get, pods] }, { argv: [kubectl, get, nodes] }]',
  ),
  faults: fc.array(fc.array(fault, { maxLength: 2 }), { minLength: 4, maxLength: 4 }),
  steps: fc.array(
    fc.record({
      process: fc.constantFrom(0 as const, 1 as const),
      at: fc.integer({ min: 0, max: 120 }),
      by: fc.constantFrom(-90, -10, -1, 1, 10, 90, 1_440),
    }),
    { maxLength: 2 },
  ),
  down: fc.option(fc.record({ at: fc.integer({ min: 1, max: 120 }), minutes: fc.constantFrom(3, 61, 1_500) }), {
    nil: undefined,
  }),
});

/** Plays a plan, then two quiet days with a sound process, so that all that is due has its end. */
async function play(plan: Plan): Promise<{ world: World; state: JobState; start: number }> {
  const start = YEAR + 30_000;
  const { onMissed, onOverlap, runMinutes, command, faults, steps, down } = plan;
  const job = `schedule: "*/7 * * * *", onMissed: ${onMissed}, onOverlap: ${onOverlap}`;
  const world = new World(start, job, runMinutes * MINUTE + 100, command);
  const skews = [0, 0];
  let spare = 0;
  const open = (index: 0 | 1) => world.process(() => skews[index] ?? 0, faults[index + 2 * (spare++ % 2)] ?? []);
  const running = [open(0), open(1)];
  await world.process().look(); // a job's first start is now
  let shift = 0;
  for (let minute = 1; minute <= 150; minute += 1) {
    if (down?.at === minute) {
      for (const process of running) process.kill();
      shift += down.minutes * MINUTE;
    }
    for (const { process, at, by } of steps) if (at === minute) skews[process] = (skews[process] ?? 0) + by * MINUTE;
    await world.goTo(start + shift + minute * MINUTE);
    for (const index of [0, 1] as const) {
      if (running[index]?.alive === false)
        running[index] = world.process(() => skews[index] ?? 0, spare++ < 6 ? (faults[2 + index] ?? []) : []);
      void running[index]?.look();
    }
    await world.goTo(world.now);
    await world.goTo(world.now + 20_000);
  }
  for (const process of running) process.kill();
  const last = world.process();
  for (let minute = 1; minute <= 4 * 24 * 60; minute += minute < 60 ? 1 : 49) {
    await world.goTo(start + shift + (150 + minute) * MINUTE);
    await last.look();
    await world.goTo(world.now + 1_000);
  }
  return { world, state: JSON.parse(world.notes.get('job/nightly')?.text ?? '{}') as JobState, start };
}

test('over two instances with kills, stops, steps of the clock and a day of nothing, each slot runs at most once, and none is lost that the policy wants', async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      const { world, state, start } = await play(plan);
      expect(world.errors).toEqual([]);
      expect(new Set(world.sent).size).toBe(world.sent.length);
      runs += world.sent.length;
      const told = (names: readonly string[]) =>
        new Set(world.events.flatMap((event) => ('slot' in event && names.includes(event.event) ? [event.slot] : [])));
      const left = told(['job.overlapped', 'job.failed']);
      const missed = world.events.flatMap((event) => (event.event === 'job.missed' ? [event] : []));
      const covered = (slot: number, after = Number.NEGATIVE_INFINITY): boolean =>
        missed.some((event) => {
          if (event.slot <= after) return false;
          const count = Number(/(\d+) missed/.exec(event.detail)?.[1]);
          return slot <= event.slot && slot >= event.slot - count * 7 * MINUTE;
        });
      // 7 does not divide 60: the last slot of an hour is four minutes before the first of the next.
      const slots: number[] = [];
      for (let at = Math.ceil(start / MINUTE) * MINUTE; at <= state.lastSlot; at += MINUTE)
        if (((at % HOUR) / MINUTE) % 7 === 0) slots.push(at);
      const sent = new Set(world.sent);
      const lost = slots.filter((slot) => !sent.has(slot) && !left.has(slot) && !covered(slot));
      expect(lost.map((slot) => new Date(slot).toISOString())).toEqual([]);
      if (plan.onMissed === 'run')
        for (const { slot, detail } of missed)
          // A process whose clock was ahead, and that was killed once it had told it: the slot had not come, and was missed later.
          expect([detail, sent.has(slot) || left.has(slot) || covered(slot, slot)]).toEqual([detail, true]);
      // Nothing happens any more: what comes now runs in time.
      expect(world.sent.at(-1)).toBeGreaterThan(world.now - 3 * HOUR);
    }),
    { numRuns: Number(process.env['JOBS_RUNS'] ?? 8), seed: Number(process.env['FC_SEED'] ?? 20_270_101) },
  );
  expect(runs).toBeGreaterThan(0);
}, 120_000);

test('after a day of nothing, run runs the newest slot once and says how many were missed; skip says that it ran none', async () => {
  for (const onMissed of ['run', 'skip'] as const) {
    const world = new World(YEAR, `schedule: "0 * * * *", onMissed: ${onMissed}`);
    await world.process().look();
    await world.goTo(YEAR + DAY + 10 * MINUTE);
    const after = world.process();
    for (let times = 0; times < 3; times += 1) {
      await after.look();
      await world.goTo(world.now + MINUTE);
    }
    expect(world.sent).toEqual(onMissed === 'run' ? [YEAR + DAY] : []);
    expect(world.events.filter(({ event }) => event === 'job.missed')).toEqual([
      {
        event: 'job.missed',
        job: 'nightly',
        slot: YEAR + DAY,
        detail: onMissed === 'run' ? '24 missed, the newest slot runs' : '24 missed',
      },
    ]);
  }
});

test('a job that is denied is suspended at that slot and runs again at the first slot after its role is back', async () => {
  const world = new World(YEAR, 'schedule: "0 * * * *"');
  const process = world.process();
  const stateOf = (): JobState => JSON.parse(world.notes.get('job/nightly')?.text ?? '{}') as JobState;
  const hour = async (count: number): Promise<void> => {
    await world.goTo(YEAR + count * HOUR + 5_000);
    await process.look();
    await world.goTo(world.now + 10_000);
    await process.look();
  };
  await process.look();
  await hour(1);
  world.allowed = false;
  await hour(2);
  await hour(3);
  expect(stateOf().suspended).toEqual({ since: YEAR + 2 * HOUR + 5_000, why: 'policy-denied: No rule allows it.' });
  expect(world.events.filter(({ event }) => event === 'job.suspended')).toHaveLength(2);
  world.allowed = true;
  await hour(4);
  expect(stateOf().suspended).toBeUndefined();
  expect(world.sent).toEqual([YEAR + HOUR, YEAR + 4 * HOUR]);
});

test.each([
  ['skip', [0, 2, 4]],
  ['queue', [0, 1, 2]],
] as const)('a slot that comes while the one before it runs: %s', async (onOverlap, firstSlots) => {
  const world = new World(YEAR - 1, `schedule: "*/10 * * * *", onOverlap: ${onOverlap}`, 15 * MINUTE);
  const process = world.process();
  await process.look();
  for (let minute = 0; minute < 55; minute += 1) {
    await world.goTo(YEAR + minute * MINUTE + 5_000);
    await process.look();
    await world.goTo(world.now + 2_000);
  }
  expect(world.sent.slice(0, 3).map((slot) => (slot - YEAR) / (10 * MINUTE))).toEqual(firstSlots);
  expect(world.events.some(({ event }) => event === 'job.overlapped')).toBe(true);
});

const STEPS = Array.from({ length: 12 }, (_, at) => at);
// After one step is before the next, but for the last. JOBS_KILLS=all tries both for each.
const kinds =
  process.env['JOBS_KILLS'] === 'all' ? (['kill before', 'kill after'] as const) : (['kill before'] as const);
test.each(STEPS.flatMap((at) => kinds.map((kind) => [kind, at] as const)))(
  'a process that is killed leaves its slot to the next one, which runs it once: %s step %i',
  async (kind, at) => {
    // A slot a year is still to be run after a day and a half, when its key is long forgotten.
    for (const [schedule, minutes, expected] of [
      ['0 * * * *', 2, 1],
      ['0 * * * *', 30 * 60, 31],
      ['0 1 1 1 *', 30 * 60, 1],
    ] as const)
      for (const sendsAtOnce of [false, true]) {
        const world = new World(YEAR, `schedule: "${schedule}", onMissed: run`, 500);
        world.sendsAtOnce = sendsAtOnce;
        await world.process().look();
        const mortal = world.process(() => 0, [{ at, kind, minutes: 0 }]);
        await world.goTo(YEAR + HOUR);
        await mortal.look();
        await world.goTo(world.now + 1_000);
        mortal.kill();
        const next = world.process();
        for (let times = 0; times < 6; times += 1) {
          await world.goTo(YEAR + HOUR + (minutes + times) * MINUTE);
          await next.look();
        }
        await world.goTo(world.now + 1_000);
        expect(world.errors).toEqual([]);
        expect(new Set(world.sent).size).toBe(world.sent.length);
        expect(world.sent).toContain(YEAR + expected * HOUR);
      }
  },
);
