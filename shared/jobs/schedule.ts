import { Cron } from 'croner';
import { createZone, type Zone } from './zone.ts';

/**
 * When a job is due: five cron fields in an IANA time zone. A slot is an instant (epoch ms, a whole minute).
 *
 * croner says which minutes of the calendar match; what daylight saving time does to them is decided here, since people who
 * write a time and people who write a rhythm mean different things (cron(8) of Debian makes the same difference):
 * - Fixed times (no `*` and no step in minute and hour) are calendar times. One that a change of the clocks skips is due at the
 *   next minute that exists; one that occurs twice is due at its first occurrence.
 * - Everything else follows elapsed time: skipped minutes do not count, repeated ones count twice.
 */
export interface Schedule {
  readonly cron: string;
  readonly timeZone: string;
  /** The first slot after an instant. Undefined when there is none in the years that a schedule looks ahead. */
  next(after: number): number | undefined;
  /** The last slot at or before an instant and after `since`. */
  latest(until: number, since: number): number | undefined;
  /** How many slots lie in (`since`, `until`], counted up to `most`. */
  count(since: number, until: number, most: number): number;
}

export class ScheduleError extends Error {
  override readonly name = 'ScheduleError';
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** Eight years and a day: every 29 February lies within, also over a year such as 2100, which is not a leap year. */
const HORIZON = (8 * 366 + 1) * DAY;

/** Reads a schedule. Throws ScheduleError, with what is wrong, for a text that is not five fields, an unknown zone, or a time that never comes. */
export function createSchedule(cron: string, timeZone: string, now: number): Schedule {
  const zone = zoneOf(timeZone);
  const calendar = calendarOf(cron);
  const fixed = isFixed(cron);
  const next = (after: number): number | undefined => nextSlot({ calendar, zone, fixed }, after);
  if (next(now) === undefined) throw new ScheduleError(`"${cron}" never comes`);
  return {
    cron,
    timeZone,
    next,
    latest: (until, since) => latestSlot(next, until, since),
    count: (since, until, most) => {
      let found = 0;
      for (let slot = next(since); slot !== undefined && slot <= until && found < most; slot = next(slot)) found += 1;
      return found;
    },
  };
}

/** What people know from crontab(5). croner knows more (`L`, `#`, `W`, `?`, `@daily`), and no two tools agree on what that means. */
const fieldsPattern = /^[0-9A-Za-z*,/-]+(?: [0-9A-Za-z*,/-]+){4}$/;
const namesPattern = /^(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat)$/i;

function calendarOf(cron: string): Cron {
  if (cron.length > 200 || !fieldsPattern.test(cron)) {
    throw new ScheduleError(
      'a schedule has five fields (minute hour day month weekday) of digits, names, "*", ",", "-" and "/"',
    );
  }
  const word = cron.match(/[A-Za-z]+/g)?.find((each) => !namesPattern.test(each));
  if (word !== undefined) throw new ScheduleError(`"${word}" is neither a month nor a weekday`);
  try {
    return new Cron(cron, { timezone: 'UTC', mode: '5-part', paused: true });
  } catch (error) {
    throw new ScheduleError(error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error));
  }
}

function zoneOf(timeZone: string): Zone {
  try {
    return createZone(timeZone);
  } catch {
    throw new ScheduleError(`"${timeZone}" is not a time zone of the IANA database, such as Europe/Berlin or UTC`);
  }
}

/** Whether minute and hour are times of the clock, not a rhythm. */
function isFixed(cron: string): boolean {
  const [minute = '', hour = ''] = cron.split(' ');
  return !/[*/]/.test(minute + hour);
}

interface Rule {
  /** Matches minutes of the calendar, which are written as if they were UTC. */
  readonly calendar: Cron;
  readonly zone: Zone;
  readonly fixed: boolean;
}

/** Goes from one change of the clocks to the next: between two of them a minute of the calendar is one instant. */
function nextSlot({ calendar, zone, fixed }: Rule, after: number): number | undefined {
  let from = after;
  let start = after; // of the time between two changes
  let offset = zone.offset(after);
  for (;;) {
    const wall = nextMinute(calendar, from + offset);
    if (wall === undefined || wall - offset - after > HORIZON) return undefined;
    const instant = wall - offset;
    const change = zone.nextChange(start, instant);
    if (change === undefined) {
      if (!fixed || zone.instants(wall)[0] === instant) return instant;
      from = instant; // the second occurrence of a time that is due once
      continue;
    }
    const ahead = zone.offset(change);
    // The clocks skip this minute: the next one that exists is the first after the change.
    if (fixed && wall < change + ahead) return change;
    from = change - 1; // the change itself may be due
    start = change;
    offset = ahead;
  }
}

function nextMinute(calendar: Cron, after: number): number | undefined {
  return calendar.nextRun(new Date(after))?.getTime();
}

/** Looks back in windows that double, so that a year of minutes costs a few looks. */
function latestSlot(next: Schedule['next'], until: number, since: number): number | undefined {
  for (let window = 2 * MINUTE; ; window *= 2) {
    const from = Math.max(since, until - window);
    let found: number | undefined;
    for (let slot = next(from); slot !== undefined && slot <= until; slot = next(slot)) found = slot;
    if (found !== undefined || from === since) return found;
  }
}
