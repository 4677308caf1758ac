export type Close = () => void | Promise<void>;

/** Closes what was opened, last first, and goes on when one fails: records that do not answer must not leave the trail open. */
export async function closeAll(opened: Close[]): Promise<void> {
  const failures: unknown[] = [];
  for (let last = opened.pop(); last; last = opened.pop()) {
    try {
      await last();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** Remembers that a thing is to be closed; gives it back. */
export type Own = <T extends { close(): void | Promise<void> }>(thing: T) => T;
