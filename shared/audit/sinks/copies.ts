import { StorageUnavailable, type AppendLog, type AppendStream } from '../../store/append-log.ts';
import type { CheckpointSink } from '../write/open-trail.ts';

/** What may wait for a second place that does not answer; older copies give way, since a newer checkpoint covers them. */
const MAX_WAITING = 64;

export interface CopySink extends CheckpointSink {
  /** What became of the copies, since the start. */
  counts(): { readonly copied: number; readonly failed: number };
}

/**
 * Copies of signed checkpoints in a second place: another account, another disk. One line a checkpoint, the compact JWS as it
 * stands in the trail's stream of the same name; `aksgw audit verify --copies` reads them. Best effort, and never waited for.
 */
export function createCopySink(log: AppendLog, onError: (error: unknown) => void = () => undefined): CopySink {
  const waiting: { readonly stream: string; readonly jws: string }[] = [];
  const open = new Map<string, AppendStream>();
  let writing: Promise<void> | undefined;
  /** A stream of the second place that failed takes nothing more: its copies go on under another name. */
  let part = 0;
  const counts = { copied: 0, failed: 0 };

  const write = async (): Promise<void> => {
    for (let next = waiting[0]; next; next = waiting[0]) {
      const name = part === 0 ? next.stream : `${next.stream}-${part}`;
      try {
        const stream = open.get(name) ?? (await log.open(name));
        open.set(name, stream);
        await stream.append(next.jws);
        waiting.shift();
        counts.copied += 1;
      } catch (error) {
        open.delete(name);
        part += 1;
        counts.failed += 1;
        onError(error);
        if (!(error instanceof StorageUnavailable)) waiting.shift();
        return; // with the next checkpoint it is tried again
      }
    }
  };

  return {
    counts: () => ({ ...counts }),
    offer({ stream }, jws) {
      if (waiting.length >= MAX_WAITING) waiting.shift();
      waiting.push({ stream, jws });
      writing ??= write().finally(() => (writing = undefined));
    },
    async close() {
      await writing;
      await Promise.all([...open.values()].map((stream) => stream.close()));
    },
  };
}

/** Every copy in the second place, for verifyTrail. */
export async function readCopies(log: AppendLog): Promise<readonly string[]> {
  const copies: string[] = [];
  for (const stream of await log.streams())
    for await (const { text, complete } of log.read(stream)) if (complete) copies.push(text);
  return copies;
}
