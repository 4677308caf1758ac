/**
 * A time zone, as far as schedules need it. A wall time is a minute as the zone's clocks show it, written as the epoch
 * milliseconds of the same reading in UTC.
 */
export interface Zone {
  /** Milliseconds that the zone's clocks are ahead of UTC at an instant. */
  offset(instant: number): number;
  /** The first instant in (`from`, `until`] at which the clocks show another offset. */
  nextChange(from: number, until: number): number | undefined;
  /** Every instant at which the clocks show a wall time: none in a gap, two where the clocks are set back. */
  instants(wall: number): readonly number[];
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** Throws RangeError for a name that the IANA database does not have. */
export function createZone(timeZone: string): Zone {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'iso8601',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const read = (instant: number): number => {
    const part: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
    for (const { type, value } of format.formatToParts(instant)) part[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
    return Date.UTC(year, month - 1, day, hour, minute, second) - instant;
  };
  const offset = createOffsets(read);

  const instants = (wall: number): readonly number[] => {
    // Whatever the clocks show now, they showed with the offset of a day before or of a day after.
    const offsets = new Set([offset(wall - DAY), offset(wall), offset(wall + DAY)]);
    return [...offsets]
      .map((each) => wall - each)
      .filter((instant) => instant + offset(instant) === wall)
      .sort((a, b) => a - b);
  };

  return {
    offset,
    instants,
    nextChange: (from, until) => {
      // No zone changes its clocks twice within half a day.
      for (let at = from; at < until; at += DAY / 2) {
        const end = Math.min(at + DAY / 2, until);
        if (offset(end) !== offset(at)) return changeWithin(offset, at, end);
      }
      return undefined;
    },
  };
}

/** The minute at which the offset of `before` ends; that of `after` is another. */
function changeWithin(offset: Zone['offset'], before: number, after: number): number {
  let low = Math.floor(before / MINUTE);
  let high = Math.floor(after / MINUTE);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offset(middle * MINUTE) === offset(before)) low = middle;
    else high = middle;
  }
  return high * MINUTE;
}

/** Offsets hold for whole quarters of an hour (every zone since 1972 changes its clocks on one), so each is read once. */
function createOffsets(read: (instant: number) => number): (instant: number) => number {
  const QUARTER = 15 * MINUTE;
  const known = new Map<number, number>();
  return (instant) => {
    const quarter = Math.floor(instant / QUARTER);
    let offset = known.get(quarter);
    if (offset === undefined) {
      if (known.size >= 4096) known.clear();
      offset = read(quarter * QUARTER);
      known.set(quarter, offset);
    }
    return offset;
  };
}
