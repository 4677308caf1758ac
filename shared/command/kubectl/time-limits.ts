import { durationMs } from '../grammar/values.ts';
import { cutWarning, toolSeconds, WINDOW_SECONDS } from '../time-limits.ts';
import type { Call } from './verb.ts';

/** What kubectl itself waits when it is told nothing: this many seconds, or without end. */
const WAITS: ReadonlyMap<string, (call: Call) => number | undefined> = new Map<
  string,
  (call: Call) => number | undefined
>([
  ['wait', () => 30],
  ['rollout status', ({ flag }) => (flag('watch') === 'false' ? undefined : Infinity)],
  ['drain', () => Infinity],
  ['delete', ({ flag }) => (flag('wait') === 'false' ? undefined : Infinity)],
]);

/**
 * `--timeout` and `--request-timeout` within the time of the command: what the caller gave, cut with a warning where it is longer; and
 * a limit for waits that have none of their own.
 */
export function timeLimits(call: Call, path: string): Readonly<Record<string, readonly string[]>> | undefined {
  const own = WAITS.get(path)?.(call);
  const given = LIMITS.filter((name) => call.parsed.flags.has(name));
  if (own === undefined && given.length === 0) return undefined;
  const most = toolSeconds(call.request.timeoutSeconds);
  const limits: Record<string, readonly string[]> = {};
  for (const name of given) {
    const value = call.flag(name) ?? '';
    if (!isLonger(name, path, value, most)) continue;
    call.warn(cutWarning(`--${name}`, value, most));
    limits[name] = [`${most}s`];
  }
  if (own !== undefined && !given.includes('timeout')) limits['timeout'] = [`${Math.min(own, most)}s`];
  return limits;
}

const LIMITS = ['timeout', 'request-timeout'] as const;

/** Zero is no limit to most waits; to `wait` it means one look, to a request and to `scale` that nothing is waited for. */
function isLonger(name: string, path: string, value: string, most: number): boolean {
  // --request-timeout takes plain seconds too.
  const seconds = /^\d+$/u.test(value) ? Number(value) : durationMs(value) / 1000;
  if (seconds === 0) return name === 'timeout' && path !== 'wait' && WAITS.has(path);
  return seconds < 0 || seconds > most;
}

/** The flags with which a command has no end of its own; `attach` never has one. */
const ENDLESS: ReadonlyMap<string, readonly string[]> = new Map([
  ['get', ['watch', 'watch-only']],
  ['events', ['watch']],
  ['logs', ['follow']],
]);

/** How many seconds an endless command is watched; undefined for one that ends. */
export function windowOf(call: Call, path: string): number | undefined {
  const flag = ENDLESS.get(path)?.find((name) => call.on(name));
  if (flag === undefined && path !== 'attach') return undefined;
  const spelt = flag === undefined ? 'kubectl attach' : `--${flag}`;
  call.warn(
    `${spelt} has no end of its own: what comes within ${WINDOW_SECONDS} s is shown, then the command is ended (exit code 124, timedOut).`,
  );
  return WINDOW_SECONDS;
}
