/** What aksgw exits with where it is not a command's own code. */
export const exits = { usage: 2, notRun: 125, unknown: 126, interrupted: 130 } as const;

/** aksgw was called in a way that it does not know. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
