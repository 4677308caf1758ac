import { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../clock.ts';
import { onAbort } from '../lib/abort.ts';
import { createFairQueue } from '../lib/fair-queue.ts';

/** Reading so many bytes takes tens of milliseconds at worst: the general YAML reader is the slowest (command/yaml.ts). */
const LARGE_BYTES = 4 * 1024;
/** How long everybody else is served after one, by how long it took. */
const REST = 2;

/**
 * Lets one large text be read at a time. Reading one takes the event loop for up to a fifth of a second: several behind each other would hold
 * up everybody, so that a while is left between two of them, and callers take turns.
 */
export interface LargeTexts {
  /**
   * Does `read` at once when the text is small, when its turn has come else. Rejects with what `read` throws, and with the signal's reason when
   * it aborts before that turn: then the text is not read.
   */
  inTurn<T>(owner: string, bytes: number, read: () => T, signal?: AbortSignal): Promise<T>;
}

export function createLargeTexts(clock: Pick<Clock, 'monotonic' | 'sleep'>): LargeTexts {
  const waiting = createFairQueue<() => void>();
  let isBusy = false;

  const serve = async (): Promise<void> => {
    isBusy = true;
    for (let read = waiting.next(); read !== undefined; read = waiting.next()) {
      const began = clock.monotonic();
      read();
      const rest = (clock.monotonic() - began) * REST;
      if (rest > 0) await clock.sleep(rest, { unref: true });
    }
    isBusy = false;
  };

  return {
    inTurn: async (owner, bytes, read, signal) => {
      if (bytes < LARGE_BYTES) return read();
      signal?.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof read>>();
      // Its trace is its own caller's.
      const settle = AsyncResource.bind((): void => {
        try {
          resolve(read());
        } catch (error) {
          reject(error);
        }
      });
      waiting.add(owner, settle);
      const stopListening = onAbort(signal, (reason) => {
        if (waiting.remove(owner, settle)) reject(reason);
      });
      if (!isBusy) void serve();
      return promise.finally(stopListening);
    },
  };
}
