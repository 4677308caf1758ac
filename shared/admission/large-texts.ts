import { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../clock.ts';
import { createFairQueue } from '../lib/fair-queue.ts';

/** Reading so many bytes of manifests takes some milliseconds. */
const LARGE_BYTES = 32 * 1024;
/** How long everybody else is served after one, by how long it took. */
const REST = 2;

/**
 * Lets one large text be read at a time. Reading one takes the event loop for up to a fifth of a second: several behind each other would hold
 * up everybody, so that a while is left between two of them, and callers take turns.
 */
export interface LargeTexts {
  /** Does `read` at once when the text is small, when its turn has come else. Rejects with what `read` throws. */
  inTurn<T>(owner: string, bytes: number, read: () => T): Promise<T>;
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
    inTurn: async (owner, bytes, read) => {
      if (bytes < LARGE_BYTES) return read();
      const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof read>>();
      const settle = (): void => {
        try {
          resolve(read());
        } catch (error) {
          reject(error);
        }
      };
      waiting.add(owner, AsyncResource.bind(settle)); // its trace is its own caller's
      if (!isBusy) void serve();
      return promise;
    },
  };
}
