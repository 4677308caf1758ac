/**
 * A time-out inside another ends first, so that the tool ends by itself and says what it waited for, instead of being killed in the
 * middle. The outer one is the command's own (`timeoutSeconds`), which the launcher's watchdog enforces.
 */

/** The largest that a configuration allows by default: for a request that was understood without one. */
const LONGEST_SECONDS = 3600;
const MOST_MARGIN_SECONDS = 15;

/** How long an endless command (`get --watch`, `logs --follow`) is watched at most: a slot is not held for nothing. */
export const WINDOW_SECONDS = 60;

/** The most that a tool may wait within a command of so many seconds. */
export function toolSeconds(commandSeconds: number = LONGEST_SECONDS): number {
  return Math.max(1, Math.floor(commandSeconds - Math.min(MOST_MARGIN_SECONDS, commandSeconds / 4)));
}

/** The same where a failure is rolled back, which takes as long again. */
export function rollbackSeconds(commandSeconds: number = LONGEST_SECONDS): number {
  return Math.max(1, Math.floor(commandSeconds / 2));
}

export const cutWarning = (flag: string, value: string, seconds: number): string =>
  `${flag}=${value} was cut to ${seconds} s, so that it ends before the command's own time limit.`;
