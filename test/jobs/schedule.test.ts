import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createSchedule, ScheduleError } from '../../shared/jobs/schedule.ts';

const NOW = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const zones = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata'] as const;

const slots = (cron: string, zone: string, from: string, until: string): string[] => {
  const schedule = createSchedule(cron, zone, NOW);
  const found: string[] = [];
  for (let at = schedule.next(Date.parse(from)); at !== undefined && at < Date.parse(until); at = schedule.next(at)) {
    found.push(new Date(at).toISOString().slice(0, 16));
  }
  return found;
};

describe('a fixed time', () => {
  test('is a time of the clock, summer and winter', () => {
    expect(slots('0 3 * * *', 'Europe/Berlin', '2026-03-28T00:00Z', '2026-03-31T00:00Z')).toEqual([
      '2026-03-28T02:00',
      '2026-03-29T01:00',
      '2026-03-30T01:00',
    ]);
  });

  test('that a change of the clocks skips is due at the next minute that exists', () => {
    // Berlin, 29 March 2026: 01:59 is followed by 03:00.
    expect(slots('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', '2026-03-30T12:00Z')).toEqual([
      '2026-03-29T01:00',
      '2026-03-30T00:30',
    ]);
  });

  test('that occurs twice is due once, the first time', () => {
    // Berlin, 25 October 2026: 02:59 is followed by 02:00.
    expect(slots('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', '2026-10-26T12:00Z')).toEqual([
      '2026-10-25T00:30',
      '2026-10-26T01:30',
    ]);
  });

  test('of a list that meets a skipped one at the end of the gap is one slot', () => {
    expect(slots('0 2,3,4 * * *', 'Europe/Berlin', '2026-03-29T00:00Z', '2026-03-29T12:00Z')).toEqual([
      '2026-03-29T01:00',
      '2026-03-29T02:00',
    ]);
  });

  test('of a zone whose gap is half an hour', () => {
    // Lord Howe, 4 October 2026: 01:59 is followed by 02:30 (+10:30 to +11).
    expect(slots('15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T00:00Z', '2026-10-04T00:00Z')).toEqual([
      '2026-10-03T15:30',
    ]);
  });
});

describe('a rhythm', () => {
  test('goes by elapsed time: skipped minutes do not count, repeated ones count twice', () => {
    const quarters = slots('*/15 * * * *', 'Europe/Berlin', '2026-03-29T00:00Z', '2026-03-29T02:00Z');
    expect(quarters).toHaveLength(7);
    expect(slots('30 * * * *', 'Europe/Berlin', '2026-10-25T00:00Z', '2026-10-25T03:00Z')).toEqual([
      '2026-10-25T00:30',
      '2026-10-25T01:30',
      '2026-10-25T02:30',
    ]);
    expect(slots('*/30 2 * * *', 'Europe/Berlin', '2026-03-29T00:00Z', '2026-03-29T23:00Z')).toEqual([]);
    expect(slots('*/30 2 * * *', 'Europe/Berlin', '2026-10-24T23:00Z', '2026-10-25T23:00Z')).toHaveLength(4);
  });
});

/** Matches a field of a pattern by its definition in crontab(5), written apart from croner. */
const matches = (field: string, value: number, least: number, most: number): boolean =>
  field.split(',').some((part) => {
    const [range = '', step = '1'] = part.split('/');
    const [low, high] = range === '*' ? [least, most] : range.split('-').map(Number);
    const end = high ?? low;
    return value >= (low ?? 0) && value <= (end ?? 0) && (value - (low ?? 0)) % Number(step) === 0;
  });

const wallOf = (zone: string): ((instant: number) => { minute: number; hour: number; day: string }) => {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'short' });
  return (instant) => {
    const [day = '', time = ''] = format.format(instant).split(' ');
    const [hour = 0, minute = 0] = time.split(':').map(Number);
    return { minute, hour, day };
  };
};

/** Every slot of a span, minute by minute: slow, and too simple to be wrong in the same way. */
function reference(cron: string, zone: string, from: number, until: number): number[] {
  const [minutes = '', hours = ''] = cron.split(' ');
  const fixed = !/[*/]/.test(minutes + hours);
  const wall = wallOf(zone);
  const due = ({ minute, hour }: { minute: number; hour: number }): boolean =>
    matches(minutes, minute, 0, 59) && matches(hours, hour, 0, 23);
  const seen = new Set<string>();
  const found: number[] = [];
  let before = wall(from - 24 * 60 * MINUTE);
  for (let at = from - 24 * 60 * MINUTE + MINUTE; at <= until; at += MINUTE) {
    const now = wall(at);
    const key = JSON.stringify(now);
    let hit = due(now) && !(fixed && seen.has(key));
    seen.add(key);
    if (fixed) {
      const passed = (now.hour * 60 + now.minute - before.hour * 60 - before.minute + 1440) % 1440;
      // A jump forward by less than half a day: the minutes between were skipped.
      if (passed > 1 && passed < 720) {
        for (let skipped = 1; skipped < passed; skipped++) {
          const minute = (before.hour * 60 + before.minute + skipped) % 1440;
          hit ||= due({ hour: Math.floor(minute / 60), minute: minute % 60 });
        }
      }
    }
    if (hit && at > from) found.push(at);
    before = now;
  }
  return found;
}

const field = (most: number): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 0, max: most }).map(String) },
    fc.constant('*'),
    fc.constantFrom(2, 5, 7, 15, 20).map((step) => `*/${step}`),
    fc.uniqueArray(fc.integer({ min: 0, max: most }), { minLength: 2, maxLength: 4 }).map((list) => list.join(',')),
    fc
      .tuple(fc.integer({ min: 0, max: most }), fc.integer({ min: 0, max: most }))
      .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
  );

describe('any schedule', () => {
  test('gives the slots that a minute-by-minute reading of the clocks gives, around every change of four zones', () => {
    const changes = [
      ['Europe/Berlin', '2026-03-29T01:00Z'],
      ['Europe/Berlin', '2026-10-25T01:00Z'],
      ['America/New_York', '2026-03-08T07:00Z'],
      ['America/New_York', '2026-11-01T06:00Z'],
      ['Australia/Lord_Howe', '2026-04-04T15:00Z'],
      ['Australia/Lord_Howe', '2026-10-03T15:30Z'],
      ['Asia/Kolkata', '2026-06-01T00:00Z'],
    ] as const;
    fc.assert(
      fc.property(fc.constantFrom(...changes), field(59), field(23), ([zone, change], minute, hour) => {
        const cron = `${minute} ${hour} * * *`;
        const from = Date.parse(change) - 5 * 60 * MINUTE;
        const until = Date.parse(change) + 5 * 60 * MINUTE;
        const schedule = createSchedule(cron, zone, NOW);
        const found: number[] = [];
        for (let at = schedule.next(from); at !== undefined && at <= until; at = schedule.next(at)) found.push(at);
        expect(found).toEqual(reference(cron, zone, from, until));
        expect(schedule.count(from, until, 10_000)).toBe(found.length);
        expect(schedule.latest(until, from)).toBe(found.at(-1));
      }),
      { numRuns: 80 },
    );
  });

  test.each(zones)('gives a year of days, each once: %s', (zone) => {
    const schedule = createSchedule('30 2 * * *', zone, NOW);
    const wall = wallOf(zone);
    const days: string[] = [];
    for (let at = schedule.next(NOW); at !== undefined && at < Date.UTC(2027, 0, 1); at = schedule.next(at)) {
      days.push(wall(at).day);
    }
    expect(new Set(days).size).toBe(days.length);
    expect(days.length).toBeGreaterThanOrEqual(364);
  });

  test('finds the latest slot of a year without counting it', () => {
    const schedule = createSchedule('* * * * *', 'UTC', NOW);
    expect(schedule.latest(NOW + 1, NOW - 365 * 24 * 60 * MINUTE)).toBe(NOW);
    expect(schedule.latest(NOW + 59_999, NOW)).toBeUndefined();
    expect(createSchedule('0 0 1 1 *', 'UTC', NOW).latest(NOW + MINUTE, NOW - 400 * 24 * 60 * MINUTE)).toBe(NOW);
  });

  test('stops counting at the most that is asked for', () => {
    expect(createSchedule('* * * * *', 'UTC', NOW).count(NOW, NOW + 60 * MINUTE, 10)).toBe(10);
  });
});

describe('what is not a schedule', () => {
  test.each([
    ['0 0 30 2 *', 'UTC', /never comes/],
    ['0 3 * *', 'UTC', /five fields/],
    ['0 3 * * * *', 'UTC', /five fields/],
    ['@daily', 'UTC', /five fields/],
    ['0 0 L * *', 'UTC', /"L" is neither/],
    ['60 * * * *', 'UTC', /60/],
    ['5/10 * * * *', 'UTC', /stepping/],
    ['0  3 * * *', 'UTC', /five fields/],
    ['0 3 * * *', 'Europe/Berln', /IANA/],
    ['0 3 * * *', '', /IANA/],
  ])('%s in %s', (cron, zone, message) => {
    expect(() => createSchedule(cron, zone, NOW)).toThrow(ScheduleError);
    expect(() => createSchedule(cron, zone, NOW)).toThrow(message);
  });

  test('29 February comes, though seldom', () => {
    expect(createSchedule('0 0 29 2 *', 'UTC', NOW).next(NOW)).toBe(Date.UTC(2028, 1, 29));
  });
});
