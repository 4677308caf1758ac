import { StorageUnavailable, type AppendLog, type AppendStream } from '../store/append-log.ts';
import type { CheckpointSink } from './create.ts';

/** What may wait for a second place that does not answer; older copies give way, since a newer checkpoint covers them. */
const MAX_WAITING = 64;

/**
 * Copies of signed checkpoints in a second place: another account, another disk. One line a checkpoint, the compact JWS as it
 * stands in the trail's stream of the same name; `aksgw audit verify --copies` reads them. Best effort, and never waited for.
 */
export function createCheckpointCopies(log: AppendLog, onError: (error: unknown) => void): CheckpointSink {
  const waiting: { readonly stream: string; readonly jws: string }[] = [];
  const open = new Map<string, AppendStream>();
  let writing: Promise<void> | undefined;
  /** A stream of the second place that failed takes nothing more: its copies go on under another name. */
  let part = 0;

  const write = async (): Promise<void> => {
    for (let next = waiting[0]; next; next = waiting[0]) {
      const name = part === 0 ? next.stream : `${next.stream}-${part}`;
      try {
        const stream = open.get(name) ?? (await log.open(name));
        open.set(name, stream);
        await stream.append(next.jws);
        waiting.shift();
      } catch (error) {
        open.delete(name);
        part += 1;
        onError(error);
        if (!(error instanceof StorageUnavailable)) waiting.shift();
        return; // with the next checkpoint it is tried again
      }
    }
  };

  return {
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
