import { partOf, rowsOf, type Answers } from '../answers.ts';
import { count, decoded, time, type Row } from '../rows.ts';
import type { Part } from '../status.ts';

const HOUR_MS = 3_600_000;
const MOST = 10;

/** Warnings of the last hour, counted. They explain what other parts find; by themselves they are no fault. */
export function events(answers: Answers): Part {
  const recent = rowsOf(answers, 'events')
    .map(readEvent)
    .filter(({ at }) => at === undefined || answers.now - at < HOUR_MS);
  const warnings = recent.reduce((sum, { times }) => sum + times, 0);
  const numbers = {
    warnings,
    byReason: highest(recent, ({ reason }) => reason).map(([reason, times]) => ({ reason, count: times })),
    byObject: highest(recent, ({ object }) => object).map(([object, times]) => ({ object, count: times })),
  };
  const [top] = numbers.byReason;
  return partOf(
    answers,
    { events: [] },
    numbers,
    `${warnings} warnings in the hour${top ? `, most of them ${top.reason}` : ''}`,
  );
}

interface Warning {
  readonly reason: string;
  readonly object: string;
  readonly times: number;
  readonly at: number | undefined;
}

/** Newer events count in `series`, older ones in `count` (kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1). */
function readEvent({ namespace, name: reason, fields }: Row): Warning {
  const [kind = '', object = '', times, last, eventTime, series = ''] = fields;
  const [inSeries, lastOfSeries] = series.split('=');
  return {
    reason: decoded(reason).slice(0, 100),
    object: `${namespace === '' ? '' : `${namespace}/`}${decoded(kind).toLowerCase()}/${decoded(object)}`.slice(0, 300),
    times: Math.max(1, count(times), count(inSeries)),
    at: time(lastOfSeries) ?? time(last) ?? time(eventTime),
  };
}

function highest(
  warnings: readonly Warning[],
  by: (warning: Warning) => string,
): readonly (readonly [string, number])[] {
  const counts = new Map<string, number>();
  for (const warning of warnings) counts.set(by(warning), (counts.get(by(warning)) ?? 0) + warning.times);
  return [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, MOST);
}
