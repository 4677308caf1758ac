import { durationMs } from '../grammar/values.ts';
import { cutWarning, toolSeconds, WINDOW_SECONDS } from '../time-limits.ts';
import type { Call } from './verb.ts';

/** What kubectl itself waits when it is told nothing: this many seconds, or without end. */
const waits: ReadonlyMap<string, (call: Call) => number | undefined> = new Map<
  string,
  (call: Call) => number | undefined
>([
  ['wait', () => 30],
  ['rollout status', ({ flag }) => (flag('watch') === 'false' ? undefined : Infinity)],
  ['drain', () => Infinity],
  ['delete', ({ flag }) => (flag('wait') === 'false' ? undefined : Infinity)],
  // Between the old object's end and the new one's beginning; killed there, it would leave none (kubectl's patcher.go and replace.go).
  ['apply', ({ on }) => (on('force') ? Infinity : undefined)],
  ['replace', ({ on }) => (on('force') ? 300 : undefined)],
]);

/** What it waits for a pod of a workload to run, in seconds. */
const podWaits: ReadonlyMap<string, number> = new Map([
  ['exec', 60],
  ['attach', 60],
  ['logs', 20],
]);

/**
 * `--timeout` and `--request-timeout` within the time of the command: what the caller gave, cut with a warning where it is longer; and
 * a limit for waits that have none of their own.
 */
export function timeLimits(call: Call, path: string): Readonly<Record<string, readonly string[]>> | undefined {
  const own = waits.get(path)?.(call);
  const ownForPod = podWaits.get(path);
  const given = limitFlags.filter((name) => call.parsed.flags.has(name));
  if (own === undefined && ownForPod === undefined && given.length === 0) return undefined;
  const most = toolSeconds(call.request.timeoutSeconds);
  const mostForPod = isEndless(call, path) ? Math.min(most, toolSeconds(WINDOW_SECONDS)) : most;
  const limits: Record<string, readonly string[]> = {};
  for (const name of given) {
    const value = call.flag(name) ?? '';
    const limit = name === POD_WAIT ? mostForPod : most;
    if (!isLonger(name, value, limit, own !== undefined && path !== 'wait')) continue;
    call.warn(cutWarning(`--${name}`, value, limit));
    limits[name] = [`${limit}s`];
  }
  if (own !== undefined && !given.includes('timeout')) limits['timeout'] = [`${Math.min(own, most)}s`];
  if (ownForPod !== undefined && ownForPod > mostForPod && !given.includes(POD_WAIT))
    limits[POD_WAIT] = [`${mostForPod}s`];
  return limits;
}

const POD_WAIT = 'pod-running-timeout';
const limitFlags = ['timeout', 'request-timeout', POD_WAIT] as const;

/** Zero means no limit to most waits (`endless`); to `wait` it means one look, to a request and to `scale` that nothing is waited for. */
function isLonger(name: string, value: string, most: number, endless: boolean): boolean {
  // --request-timeout takes plain seconds too.
  const seconds = /^\d+$/u.test(value) ? Number(value) : durationMs(value) / 1000;
  if (seconds === 0) return name === 'timeout' && endless;
  return seconds < 0 || seconds > most;
}

/** The flags with which a command has no end of its own; `attach` never has one. */
const endlessFlags: ReadonlyMap<string, readonly string[]> = new Map([
  ['get', ['watch', 'watch-only']],
  ['events', ['watch']],
  ['logs', ['follow']],
]);

const endlessFlag = (call: Call, path: string): string | undefined =>
  endlessFlags.get(path)?.find((name) => call.on(name));

const isEndless = (call: Call, path: string): boolean => path === 'attach' || endlessFlag(call, path) !== undefined;

/** How many seconds an endless command is watched; undefined for one that ends. */
export function windowOf(call: Call, path: string): number | undefined {
  if (!isEndless(call, path)) return undefined;
  const flag = endlessFlag(call, path);
  const spelt = flag === undefined ? 'kubectl attach' : `--${flag}`;
  const seconds = Math.min(WINDOW_SECONDS, call.request.timeoutSeconds ?? WINDOW_SECONDS);
  call.warn(
    `${spelt} has no end of its own: what comes within ${seconds} s is shown, then the command is ended (exit code 124, timedOut).`,
  );
  return seconds;
}
