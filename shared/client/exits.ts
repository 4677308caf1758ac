/** What aksgw exits with where it is not a command's own code. 124 is what coreutils' timeout ends with. */
export const exits = {
  usage: 2,
  truncated: 123,
  timedOut: 124,
  notRun: 125,
  unknown: 126,
  interrupted: 130,
  /** As of a process that SIGPIPE ends: what went on without end lost its reader. */
  readerGone: 141,
} as const;

/** aksgw was called in a way that it does not know. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What was asked for cannot be had, and nothing was run; the message says what to do. */
export class NotRun extends Error {
  override readonly name = 'NotRun';
}
